"""One place as the centre sees it: how to reach it, beds, diaries, how far it is trusted."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from console import capacities, people
from console.capacities import BedRow
from console.reader import Reader
from directory import absences, capacity_reports, codes, service, standings
from directory.absences import Absence
from directory.capacity_reports import Change
from directory.offers import CareServiceView
from directory.snapshot import Snapshot
from directory.standings import Trusted
from directory.store import DiaryView
from kernel.actor import may
from kernel.database import Tx

_CHANGES: Final = 20
_DIARIES: Final = 200


class PlaceView(msgspec.Struct, frozen=True, kw_only=True):
    """The page.

    Attributes:
        care: Whose it is, where, how it is reached.
        label: What it offers, in the reader's language.
        where: Commune and postcode.
        beds: What it says of its beds.
        changes: The last reports, newest first, with what is counted.
        diaries: Its diaries with their age.
        away: Absences of these that are not over.
        trusted: Its organisation's figure; None for who may not see it.
        percent: That figure of a hundred.
    """

    care: CareServiceView
    label: str
    where: str
    beds: tuple[BedRow, ...]
    changes: tuple[tuple[str, Change], ...]
    diaries: Sequence[DiaryView]
    away: Sequence[Absence]
    trusted: Trusted | None
    percent: int = 0


async def show(who: Reader, snapshot: Snapshot | None, care_service_id: UUID) -> PlaceView:
    """Read a place.

    Args:
        who: The reader.
        snapshot: Names; the page stands without it.
        care_service_id: Which one.

    Raises:
        kernel.errors.Missing: `care_service_missing`.
        kernel.errors.Forbidden: `action_not_allowed`.
    """
    actor, words = who.edge.actor, who.words

    async def read(tx: Tx) -> PlaceView:
        care = await service.care_service(tx, actor, care_service_id)
        told = await capacity_reports.told(tx, [care.id])
        history = await capacity_reports.changes(tx, actor, care.id, None, (None, _CHANGES))
        every = await service.diaries(tx, actor, care.organisation_id, (None, _DIARIES))
        diaries = [one for one in every if one.care_service_id == care.id]
        mine = actor.territory_id is not None or care.organisation_id in actor.organisation_ids
        trusted = None
        if may(actor, "trust.read") and mine:
            trusted = await standings.of_organisation(tx, actor, care.organisation_id)
        known = codes.load().service.get(care.service)
        label = care.service if known is None else getattr(known, words.language)
        return PlaceView(
            care=care,
            label=label,
            where=_where(care),
            beds=capacities.rows(told, snapshot, words),
            changes=tuple((capacities.label(one.kind, words), one) for one in history.changes),
            diaries=diaries,
            away=[one for diary in diaries for one in await absences.standing(tx, actor, diary.id)],
            trusted=trusted,
            percent=0 if trusted is None else round(100 * trusted.acceptance),
        )

    return await who.edge.run(read)


def _where(care: CareServiceView) -> str:
    commune = people.communes().get(care.location.commune)
    return care.location.postcode if commune is None else people.label(commune)


@get("/lieux/{care_service_id:uuid}", include_in_schema=False)
async def page(
    who: NamedDependency[Reader],
    known: NamedDependency[Snapshot | None],
    care_service_id: FromPath[UUID],
) -> Response[str]:
    """Show one place."""
    return who.fragment("place.html", place=await show(who, known, care_service_id))


@get("/lieux/{care_service_id:uuid}/etat", include_in_schema=False)
async def part(
    who: NamedDependency[Reader],
    known: NamedDependency[Snapshot | None],
    care_service_id: FromPath[UUID],
) -> Response[str]:
    """Give what changes of the place, for the live page."""
    return who.fragment("place_state.html", place=await show(who, known, care_service_id))


ROUTES: Final = [page, part]
