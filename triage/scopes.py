"""What a text denies and what it tells of the past: which words stand under which scope.

Pure. The rules follow NegEx (Chapman 2001: a trigger denies the words after it up to a limit),
carried to hasty French and made cautious: a comma ends a denial unless a list goes on to its
"or", so that a sign is rather heard once too often than missed.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

_REACH: Final = 6
"""Words after which a denial is spent."""
_ITEM: Final = 4
"""Words at most in one item of a list."""
_BACK: Final = 4
_BETWEEN: Final = 5
"""Words at most between `ne` and its `pas`."""
_NEAR: Final = 2
"""Words at most between "a" and "cousin", and between "cousin" and "with"."""


class ScopeWords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The words that open and end scopes, folded.

    Attributes:
        denials: Deny what follows.
        ne: First half of a French denial.
        pas: Its second half.
        of: Words after `pas` that let the denial go on ("pas de fièvre").
        denied_verbs: Verbs denied by a `pas` right after them, without `ne`.
        only_next: Deny one word.
        after: Deny what stands before them.
        answers: Deny what stands before them when nothing follows ("fever: no").
        apparent: Sequences that look like denials and deny nothing ("no improvement").
        alternatives: Words that carry a list of denied things on to its last item.
        limits: Words beyond which no denial reaches.
        past: Sequences that open a tale of the past.
        past_limits: Words that bring back the present.
        durations: Words before "history" that make it the present ("2-day history of").
        kin: Sequences that open a tale of the family.
        relatives: Kin who, after one of `some` and before one of `who`, open a family tale.
        some: See `relatives`.
        who: See `relatives`.
    """

    denials: tuple[str, ...]
    ne: tuple[str, ...]
    pas: tuple[str, ...]
    of: tuple[str, ...]
    denied_verbs: tuple[str, ...]
    only_next: tuple[str, ...]
    after: tuple[str, ...]
    answers: tuple[str, ...]
    apparent: tuple[str, ...]
    alternatives: tuple[str, ...]
    limits: tuple[str, ...]
    past: tuple[str, ...]
    past_limits: tuple[str, ...]
    durations: tuple[str, ...]
    kin: tuple[str, ...]
    relatives: tuple[str, ...]
    some: tuple[str, ...]
    who: tuple[str, ...]


class Token(Protocol):
    """A folded word, or a mark that ends a clause or (hard) a sentence."""

    @property
    def text(self) -> str:
        """The word or the mark."""
        ...

    @property
    def is_mark(self) -> bool:
        """Whether it is a mark."""
        ...

    @property
    def hard(self) -> bool:
        """Whether the mark ends a sentence."""
        ...


class Scope(msgspec.Struct, frozen=True):
    """Under which scopes a word stands: denied, told of the past, told of the family."""

    denied: bool
    past: bool
    kin: bool


class Scopes:
    """Finds scopes with one set of words; immutable once built."""

    def __init__(self, words: ScopeWords) -> None:
        self._words = words
        self._sets = {
            name: frozenset(getattr(words, name)) for name in ScopeWords.__struct_fields__
        }
        self._apparent = by_first(words.apparent)
        self._past = by_first(words.past)
        self._kin = by_first(words.kin)
        self.words = frozenset(
            word for entry in self._sets.values() for text in entry for word in text.split()
        )
        """Every word that opens or ends a scope."""

    def over(self, tokens: Sequence[Token]) -> list[Scope]:
        """Tell for each token under which scopes it stands.

        Args:
            tokens: Words and marks in order.

        Returns:
            One scope per token.
        """
        denied, past, kin = ([False] * len(tokens) for _ in range(3))
        skip = 0
        for at, token in enumerate(tokens):
            if at < skip or token.is_mark or token.text not in self.words:
                continue
            apparent = sequence(self._apparent, tokens, at)
            if apparent:
                skip = at + apparent
                continue
            for told, covered in (
                (self._past_begins(tokens, at), past),
                (self._kin_begins(tokens, at), kin),
            ):
                if told:
                    self._cover(tokens, at + told, covered, "past_limits", reach=len(tokens))
            self._denies(tokens, at, denied)
        return [Scope(*state) for state in zip(denied, past, kin, strict=True)]

    def _denies(self, tokens: Sequence[Token], at: int, denied: list[bool]) -> None:
        """Mark what the word at a position denies, if it denies anything."""
        word, ends = tokens[at].text, at + 1 == len(tokens) or tokens[at + 1].is_mark
        if word in self._sets["ne"]:
            self._ne_pas(tokens, at, denied)
        elif (ends and word in self._sets["answers"]) or word in self._sets["after"]:
            self._back(tokens, at, denied)
        elif word in self._sets["only_next"] and not ends:
            denied[at + 1] = True
        elif word in self._sets["pas"] and at and tokens[at - 1].text in self._sets["denied_verbs"]:
            denied[at - 1] = True
            self._go_on(tokens, at, denied)
        elif word in self._sets["denials"]:
            self._cover(tokens, at + 1, denied, "limits", reach=_REACH)

    def _ne_pas(self, tokens: Sequence[Token], at: int, denied: list[bool]) -> None:
        """Deny the words between `ne` and `pas`, and those after it when they go on."""
        for place in range(at + 1, min(at + 2 + _BETWEEN, len(tokens))):
            if tokens[place].is_mark:
                return
            if tokens[place].text in self._sets["pas"]:
                denied[at + 1 : place] = [True] * (place - at - 1)
                self._go_on(tokens, place, denied)
                return

    def _go_on(self, tokens: Sequence[Token], at: int, denied: list[bool]) -> None:
        """Deny what follows `pas` when a partitive says that it does."""
        if at + 1 < len(tokens) and tokens[at + 1].text in self._sets["of"]:
            self._cover(tokens, at + 1, denied, "limits", reach=_REACH)

    def _back(self, tokens: Sequence[Token], at: int, denied: list[bool]) -> None:
        """Deny the words before a position, past one mark, to the mark before them."""
        place = at - 1
        if place >= 0 and tokens[place].is_mark and tokens[place].text in ":?-(=":
            place -= 1
        first = place
        while place >= 0 and not tokens[place].is_mark and first - place < _BACK:
            if tokens[place].text in self._sets["limits"]:
                return
            denied[place] = True
            place -= 1

    def _cover(
        self, tokens: Sequence[Token], start: int, covered: list[bool], limits: str, *, reach: int
    ) -> None:
        """Cover the words from a position to the scope's end."""
        count = 0
        for place in range(start, len(tokens)):
            token = tokens[place]
            if token.is_mark:
                opening = place == start and token.text in ":-"
                if token.hard or not (opening or self._list_goes_on(tokens, place, limits)):
                    return
                count = 0
                continue
            if token.text in self._sets[limits]:
                return
            if token.text in self._sets["alternatives"]:
                count = 0
            count += 1
            if count > reach:
                return
            covered[place] = True

    def _list_goes_on(self, tokens: Sequence[Token], at: int, limits: str) -> bool:
        """Tell whether the short items after a comma lead to an "or"."""
        count = 0
        for token in tokens[at + 1 :]:
            if token.text in self._sets["alternatives"] or (
                limits != "limits" and token.text in {"and", "et"}
            ):
                return True
            if (
                token.hard
                or token.text in self._sets[limits]
                or token.text in self._sets["denials"]
            ):
                return False
            count = 0 if token.is_mark else count + 1
            if count > _ITEM:
                return False
        return False

    def _past_begins(self, tokens: Sequence[Token], at: int) -> int:
        """Give the length of the words that open the past at a position, or 0."""
        before = {token.text for token in tokens[max(0, at - _NEAR) : at]}
        return 0 if before & self._sets["durations"] else sequence(self._past, tokens, at)

    def _kin_begins(self, tokens: Sequence[Token], at: int) -> int:
        """Give the length of the words that open a tale of the family at a position, or 0."""
        if tokens[at].text not in self._sets["relatives"]:
            return sequence(self._kin, tokens, at)
        before = {token.text for token in tokens[max(0, at - _NEAR) : at]}
        after = {token.text for token in tokens[at + 1 : at + 1 + _NEAR]}
        return 1 if before & self._sets["some"] and after & self._sets["who"] else 0


def by_first(sequences: Iterable[str]) -> dict[str, list[tuple[str, ...]]]:
    """File sequences of words under their first word, the longest first."""
    filed: dict[str, list[tuple[str, ...]]] = {}
    for words in sorted((tuple(text.split()) for text in sequences), key=len, reverse=True):
        filed.setdefault(words[0], []).append(words)
    return filed


def sequence(filed: dict[str, list[tuple[str, ...]]], tokens: Sequence[Token], at: int) -> int:
    """Give the length of the sequence that begins at a position, or 0."""
    for words in filed.get(tokens[at].text, ()):
        if tuple(token.text for token in tokens[at : at + len(words)]) == words:
            return len(words)
    return 0
