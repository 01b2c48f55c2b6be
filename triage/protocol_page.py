"""A protocol as a page to read: its tree of rules worst first, questions, sources, cards.

The page is built once as titled sections of nested lines and written as text or as one
self-contained HTML file.
"""

import html
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from triage.counterexample import Language
from triage.expression import And, Compare, Constant, Expression, Name, Not, Or, parse
from triage.format import Citation, Input, Rule, Text
from triage.protocol import MAX_ITEM_SUFFIX, Protocol

_WORDS: Final[dict[str, Text]] = {
    "rules": Text(fr="Règles, la plus grave d'abord", en="Rules, the gravest first"),
    "questions": Text(fr="Questions, dans l'ordre", en="Questions, in asking order"),
    "scores": Text(fr="Scores", en="Scores"),
    "population": Text(fr="Pour qui", en="For whom"),
    "cards": Text(fr="Fiches à lire", en="Cards to read out"),
    "safety_net": Text(fr="Consignes de sécurité", en="Safety net"),
    "needs": Text(fr="Où orienter", en="Where to send"),
    "sources": Text(fr="Sources", en="Sources"),
    "signed": Text(fr="Signatures", en="Signatures"),
    "all": Text(fr="tout ceci", en="all of"),
    "any": Text(fr="l'un de ceux-ci", en="any of"),
    "not": Text(fr="rien de ceci", en="not"),
    "yes": Text(fr="oui", en="yes"),
    "no": Text(fr="non", en="no"),
    "unverified": Text(fr="À VÉRIFIER", en="TO BE VERIFIED"),
    "fire": Text(fr="sans réponse possible : s'applique", en="if nobody can answer: fires"),
    "hold": Text(fr="sans réponse possible : attend", en="if nobody can answer: waits"),
    "default": Text(fr="niveau de départ du motif", en="default acuity of the complaint"),
    "if": Text(fr="si", en="if"),
    "by": Text(fr="par", en="by"),
    "item": Text(fr="un seul élément de", en="a single item of"),
    "unsigned": Text(fr="personne n'a signé", en="nobody has signed"),
    "worsening": Text(fr="Signes d'aggravation", en="Worsening signs"),
    "call_back": Text(fr="Rappeler", en="Call back"),
}


class Line(msgspec.Struct, frozen=True):
    """One line of the page, with what stands under it; `level` colours a rule."""

    text: str
    under: tuple["Line", ...] = ()
    level: str = ""


class Section(msgspec.Struct, frozen=True):
    """A titled part of the page."""

    title: str
    lines: tuple[Line, ...]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Everything to read about a protocol."""

    title: str
    about: tuple[str, ...]
    sections: tuple[Section, ...]


class _Writer:
    """Writes the page of one protocol in one language."""

    def __init__(self, protocol: Protocol, language: Language) -> None:
        self._protocol = protocol
        self._language: Language = language
        self._inputs = {entry.key: entry for entry in protocol.file.inputs}
        self._scores = {score.id: score.title for score in protocol.file.scores}

    def word(self, key: str) -> str:
        """Give one of the page's own words."""
        return self.say(_WORDS[key])

    def say(self, text: Text) -> str:
        """Give a sentence in the language of the page."""
        return text.fr if self._language == "fr" else text.en

    def page(self) -> Page:
        """Write the page."""
        file = self._protocol.file
        default = f", {self.word('default')} {file.default_acuity}" if file.default_acuity else ""
        about = (
            f"{file.id} {file.version}, {file.kind}, {file.status}{default}",
            f"sha256 {self._protocol.digest}",
            file.licence,
        )
        parts = {
            "population": (
                Line(self.say(file.population.why)),
                self.condition(parse(file.population.when)),
            ),
            "rules": tuple(self.rule(r) for r in sorted(file.rules, key=lambda r: r.acuity)),
            "scores": tuple(self.scores()),
            "questions": tuple(self.questions()),
            "cards": tuple(self.cards()),
            "safety_net": tuple(self.safety_net()),
            "needs": tuple(
                Line(f"{' '.join(n.acuity)}: {' + '.join((n.service, *n.skills))}")
                for n in file.needs
            ),
            "sources": tuple(self.source(entry) for entry in file.citations),
            "signed": tuple(
                Line(f"{entry.on} {entry.name}, {entry.role}") for entry in file.sign_offs
            )
            or (Line(self.word("unsigned")),),
        }
        sections = tuple(Section(self.word(key), lines) for key, lines in parts.items() if lines)
        return Page(title=self.say(file.title), about=about, sections=sections)

    def rule(self, rule: Rule) -> Line:
        """Write one rule with the tree of its condition."""
        under = [self.condition(parse(rule.when))]
        missing = self.word(rule.when_unanswerable)
        if rule.hold_reason is not None:
            missing += f" ({self.say(rule.hold_reason)})"
        under.append(Line(missing))
        under += [Line(f"→ {name}") for name in (*rule.means, *rule.cards)]
        under.append(Line(f"[{', '.join(rule.cites)}]"))
        return Line(f"{rule.acuity} {self.say(rule.why)} ({rule.id})", tuple(under), rule.acuity)

    def condition(self, tree: Expression) -> Line:
        """Write a condition as nested lines of questions."""
        if isinstance(tree, And | Or):
            word = self.word("all" if isinstance(tree, And) else "any")
            return Line(f"{word} :", tuple(self.condition(term) for term in tree.terms))
        if isinstance(tree, Not):
            if isinstance(tree.term, Name):
                return Line(f"{self.name(tree.term)} {self.word('no')}")
            return Line(f"{self.word('not')} :", (self.condition(tree.term),))
        if isinstance(tree, Compare):
            return Line(
                f"{self.name(tree.left)} {tree.op} {self.name(tree.right)}{self.unit(tree)}"
            )
        if isinstance(tree, Name):
            return Line(f"{self.name(tree)} {self.word('yes')}")
        return Line(self.name(tree))

    def name(self, side: Constant | Name) -> str:
        """Write an input by its question, a score by its title, a constant as it is."""
        if isinstance(side, Constant):
            if isinstance(side.value, bool):
                return str(side.value).lower()
            return f"{side.value:g}" if isinstance(side.value, float) else side.value
        if side.name in self._inputs:
            return f"{self.say(self._inputs[side.name].ask)} [{side.name}]"
        score = side.name.removesuffix(MAX_ITEM_SUFFIX)
        title = self.say(self._scores[score])
        return title if score == side.name else f"{self.word('item')} {title}"

    def unit(self, node: Compare) -> str:
        """Give the unit of a comparison."""
        names = [s.name for s in (node.left, node.right) if isinstance(s, Name)]
        units = [self._inputs[key].unit for key in names if key in self._inputs]
        return f" {units[0]}" if units and units[0] else ""

    def questions(self) -> Iterator[Line]:
        """Write the questions; what applies only sometimes says when."""
        for entry in self._protocol.file.inputs:
            yield Line(f"{self.say(entry.ask)} [{entry.key}]", tuple(self.details(entry)))

    def details(self, entry: Input) -> Iterator[Line]:
        """Write what is known of a question."""
        kind = ", ".join(entry.choices) or entry.unit or f"{self.word('yes')} / {self.word('no')}"
        if entry.range is not None:
            kind += f", {entry.range[0]:g}-{entry.range[1]:g}"
        device = f", {entry.device}" if entry.device else ""
        yield Line(f"{kind}; {self.word('by')} {', '.join(entry.by)}{device}")
        if entry.when is not None:
            yield Line(self.word("if"), (self.condition(parse(entry.when)),))

    def scores(self) -> Iterator[Line]:
        """Write the tables of the scores."""
        for score in self._protocol.file.scores:
            rows = []
            for item in score.items:
                points = ", ".join(f"≤ {upper:g}: {value}" for upper, value in item.bands)
                points = points or ", ".join(f"{k}: {v}" for k, v in (item.map or {}).items())
                points = points or f"{item.points_if}: {item.points}"
                gate = f" ({self.word('if')} {item.when})" if item.when else ""
                rows.append(Line(f"{item.id}{gate}: {points}"))
            yield Line(f"{self.say(score.title)} [{score.id}]", tuple(rows))

    def cards(self) -> Iterator[Line]:
        """Write the cards that rules name."""
        for card in self._protocol.cards:
            steps = tuple(
                Line(f"{number}. {self.say(step)}") for number, step in enumerate(card.steps, 1)
            )
            yield Line(f"{self.say(card.title)} [{card.id}]", steps)

    def safety_net(self) -> Iterator[Line]:
        """Write what must be said before a patient is left."""
        net = self._protocol.file.safety_net
        if net is not None:
            yield Line(f"{self.word('worsening')}: {self.say(net.worsening_signs)}")
            yield Line(f"{self.word('call_back')}: {self.say(net.call_back)}")

    def source(self, entry: Citation) -> Line:
        """Write a source and whether it was verified."""
        mark = "" if entry.verified else f" — {self.word('unverified')}"
        return Line(f"{entry.id}: {entry.text}{mark}{f' <{entry.url}>' if entry.url else ''}")


def page(protocol: Protocol, language: Language) -> Page:
    """Write the page of a protocol.

    Args:
        protocol: The readable protocol, with its cards.
        language: Of everything that the file says in two.
    """
    return _Writer(protocol, language).page()


def as_text(chosen: Page) -> Iterator[str]:
    """Yield the lines of a page for a terminal.

    Args:
        chosen: The page.
    """
    yield chosen.title
    yield from chosen.about
    for section in chosen.sections:
        yield ""
        yield section.title.upper()
        yield from _branches(section.lines, "")


def _branches(lines: Sequence[Line], indent: str) -> Iterator[str]:
    """Draw nested lines as a tree."""
    for index, line in enumerate(lines):
        last = index == len(lines) - 1
        yield f"{indent}{'└' if last else '├'} {line.text}"
        yield from _branches(line.under, indent + ("  " if last else "│ "))


_STYLE: Final = (
    "body{font:16px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1b1b1b;background:#fff}h2{border-bottom:1px solid #bbb;margin-top:2rem}"
    "li{margin:.15rem 0}ul{padding-left:1.3rem}code{word-break:break-all}"
    ".U0>b,.U1>b{color:#8a1f11}.U2>b{color:#7a4b00}.U3>b,.U4>b,.U5>b{color:#22543d}"
)


def as_html(chosen: Page, language: Language) -> str:
    """Write a page as one HTML file that needs nothing else.

    Args:
        chosen: The page.
        language: For the reader's software.
    """
    about = "".join(f"<p><code>{html.escape(line)}</code></p>" for line in chosen.about)
    body = "".join(
        f"<h2>{html.escape(section.title)}</h2>{_items(section.lines)}"
        for section in chosen.sections
    )
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(chosen.title)}'
        f"</title><style>{_STYLE}</style></head><body><main><h1>{html.escape(chosen.title)}</h1>"
        f"{about}{body}</main></body></html>\n"
    )


def _items(lines: Sequence[Line]) -> str:
    """Write nested lines as nested lists."""
    if not lines:
        return ""
    parts = []
    for line in lines:
        text = html.escape(line.text)
        if line.level:
            parts.append(f'<li class="{line.level}"><b>{text}</b>{_items(line.under)}</li>')
        else:
            parts.append(f"<li>{text}{_items(line.under)}</li>")
    return f"<ul>{''.join(parts)}</ul>"
