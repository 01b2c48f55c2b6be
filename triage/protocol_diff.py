"""What another version of a protocol would change: who moves up, who moves down, on cases."""

from collections.abc import Iterable, Iterator

import msgspec

from triage.acuity import Acuity, is_more_severe
from triage.case_lines import Answers, enter, judge
from triage.labelled import Facts
from triage.library import Library
from triage.protocol import Protocol
from triage.reader import Reader

_SHOWN = 12
"""Cases named on one line of the printed report; the JSON names all."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """All cases that go from one proposed level to another."""

    before: Acuity | None
    after: Acuity | None
    cases: tuple[str, ...]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions compared: cases that move, the gravest new level first."""

    cases: int
    same: int
    up: int
    down: int
    moves: tuple[Move, ...]
    rules_added: tuple[str, ...]
    rules_removed: tuple[str, ...]
    rules_changed: tuple[str, ...]


def compare(
    library: Library,
    reader: Reader,
    versions: tuple[Protocol, Protocol],
    cases: Iterable[Answers | Facts],
) -> Difference:
    """Assess every case with the one and with the other version among all other protocols.

    Args:
        library: Gives the other protocols.
        reader: Reads cases recorded in words.
        versions: The protocol before and after.
        cases: What to assess.
    """
    before, after = versions
    worlds = [_with(library, one, versions) for one in versions]
    moved: dict[tuple[Acuity | None, Acuity | None], list[str]] = {}
    for case in cases:
        old, new = (judge(w, enter(w, reader, case)).proposed for w in worlds)
        moved.setdefault((old, new), []).append(case.id)
    moves = [
        Move(before=old, after=new, cases=tuple(ids))
        for (old, new), ids in sorted(moved.items(), key=lambda pair: _order(pair[0]))
        if old != new
    ]
    ups = sum(len(m.cases) for m in moves if m.after and is_more_severe(m.after, m.before))
    total = sum(len(ids) for ids in moved.values())
    shifted = sum(len(move.cases) for move in moves)
    olds, news = ({rule.id: rule for rule in one.file.rules} for one in (before, after))
    return Difference(
        cases=total,
        same=total - shifted,
        up=ups,
        down=shifted - ups,
        moves=tuple(moves),
        rules_added=tuple(sorted(news.keys() - olds.keys())),
        rules_removed=tuple(sorted(olds.keys() - news.keys())),
        rules_changed=tuple(key for key in olds if key in news and olds[key] != news[key]),
    )


def _order(pair: tuple[Acuity | None, Acuity | None]) -> tuple[str, str]:
    """Sort by the new level, then by the old one; no level is last."""
    return (pair[1] or "U9", pair[0] or "U9")


def _with(library: Library, one: Protocol, versions: tuple[Protocol, ...]) -> Library:
    """Give the library in which one version stands, and the other one does not."""
    ids = {version.file.id for version in versions}
    others = tuple(p for p in library.protocols if p.file.id not in ids)
    protocols = tuple(sorted((*others, one), key=lambda p: p.file.id))
    return msgspec.structs.replace(library, protocols=protocols)


def lines(found: Difference) -> Iterator[str]:
    """Print a difference as text.

    Args:
        found: The comparison.

    Yields:
        The changed rules, one line a pair of levels, the totals.
    """
    for word in ("added", "removed", "changed"):
        rules = getattr(found, f"rules_{word}")
        if rules:
            yield f"rules {word}: {', '.join(rules)}"
    for move in found.moves:
        up = move.after is not None and is_more_severe(move.after, move.before)
        named = " ".join(move.cases[:_SHOWN])
        more = f" and {len(move.cases) - _SHOWN} more" if len(move.cases) > _SHOWN else ""
        yield (
            f"{move.before or 'none':4} -> {move.after or 'none':4} {'up' if up else 'down':4}"
            f" {len(move.cases):5}  {named}{more}"
        )
    yield f"{found.cases} cases: {found.same} same, {found.up} up, {found.down} down"
