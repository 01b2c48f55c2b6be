"""The coverage of a territory as a page of documentation: figures, map, the communes without."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from directory import codes
from directory.coverage import Cover
from directory.coverage_map import label
from directory.links import IN_PERSON
from directory.snapshot import Snapshot

MAPS: Final = 9
"""Most specialities drawn."""
FIRST: Final = (
    "general_practice",
    "emergency_department",
    "maternity",
    "paediatrics",
    "psychiatry",
    "dental",
    "imaging",
    "laboratory",
    "cardiology",
)
"""What a regulation centre sends patients to most."""
NAMED: Final = 8
"""Most communes named for a speciality."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Coverage by one service code, in figures.

    Attributes:
        offering: Care services that take an adult.
        communes_without: National codes, the most populous first.
        share_without: Of the inhabitants, 0 to 1.
        farthest: National code of the commune farthest from an office; None without one.
        farthest_m: Great-circle metres.
    """

    service: str
    offering: int
    communes: int
    communes_without: tuple[str, ...]
    people: int
    people_without: int
    share_without: float
    radius_m: int
    farthest: str | None = None
    farthest_m: int | None = None


def line(one: Cover) -> Line:
    """Give the figures of one service code."""
    far = one.farthest
    return Line(
        service=one.service,
        offering=one.offering,
        communes=len(one.communes),
        communes_without=tuple(commune.insee for commune in one.bare),
        people=one.people,
        people_without=one.people_without,
        share_without=round(one.people_without / max(one.people, 1), 4),
        radius_m=one.radius_m,
        farthest=None if far is None else far[0].insee,
        farthest_m=None if far is None else round(far[1]),
    )


def asked(snapshot: Snapshot) -> tuple[str, ...]:
    """Give the service codes that a report is about: met in person here, or offered by nobody."""
    found = []
    for code in codes.load().service:
        capability = snapshot.capability(code)
        rows = [] if capability is None else capability.rows.tolist()
        if not rows or any(snapshot.services[row].modalities & IN_PERSON for row in rows):
            found.append(code)
    return tuple(found)


def drawn(covers: Sequence[Cover]) -> tuple[Cover, ...]:
    """Give the specialities to draw: `FIRST`, then those missed by the most inhabitants."""
    turn = {code: at for at, code in enumerate(FIRST)}
    worth = [one for one in covers if one.offering]
    worth.sort(key=lambda one: (turn.get(one.service, MAPS), -one.people_without, one.service))
    return tuple(worth[:MAPS])


def markdown(covers: Sequence[Cover], where: str, command: str, picture: str) -> str:
    """Write the page.

    Args:
        covers: Of the same communes and radius, at least one.
        where: Name of the territory.
        command: What makes the page again.
        picture: File name of the map beside it.
    """
    first = covers[0]
    offered = sorted(
        (one for one in covers if one.offering), key=lambda one: (-one.people_without, one.service)
    )
    nobody = sorted(label(one) for one in covers if not one.offering)
    lines = [
        f"# Coverage: {where}",
        "",
        f"Written by `{command}`;",
        "a test writes it again and compares. An adult (a child where nobody takes adults) is met",
        f"in one room: in an office within {first.radius_m / 1000:g} km of the commune's centre",
        "(great circle), or by somebody who visits there. Free places are not asked for, so that",
        "the page does not depend on the day (`--within` asks for them).",
        "",
        f"{len(first.communes)} communes, {first.people:,} inhabitants.",
        "",
        f"![Communes without care within the radius]({picture})",
        "",
        "| speciality | offers | communes without | inhabitants without | share | farthest |",
        "|---|---:|---:|---:|---:|---|",
        *(_row(one) for one in offered),
        "",
        *([f"Offered by nobody: {', '.join(nobody)}.", ""] if nobody else []),
        "## The largest communes without",
        "",
        *_named(offered),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _row(one: Cover) -> str:
    far = one.farthest
    told = "" if far is None else f"{far[0].name}, {far[1] / 1000:.1f} km"
    share = 100 * one.people_without / max(one.people, 1)
    return (
        f"| {label(one)} | {one.offering} | {len(one.bare)} | {one.people_without:,} "
        f"| {share:.1f} % | {told} |"
    )


def _named(covers: Iterable[Cover]) -> Iterable[str]:
    for one in covers:
        bare = one.bare
        if bare:
            names = ", ".join(
                f"{commune.name} ({commune.population:,})" for commune in bare[:NAMED]
            )
            more = f" and {len(bare) - NAMED} more" if len(bare) > NAMED else ""
            yield f"- {label(one)}: {names}{more}"
