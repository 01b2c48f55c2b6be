"""Routes by which the owner of a care service says what it is, and numbers are looked up."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar import get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from directory import aliases, profiles
from directory.aliases import Alias, Meaning
from directory.model import Holidays, OpeningException, OpeningHours
from directory.offers import CareServiceView
from directory.profiles import Hours, Profile
from kernel.edge import Edge

_Minutes = Annotated[int, msgspec.Meta(ge=0, le=1440)]
_MOST: Final = 200


class ProfileInput(Profile, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole profile as sent; what is left out is unknown or no limit."""


class WeeklyInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One span of every week: weekday 0 is Monday, minutes after local midnight."""

    weekday: Annotated[int, msgspec.Meta(ge=0, le=6)]
    opens_min: _Minutes
    closes_min: _Minutes


class ExceptionInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A span of one local day; without one the day is closed."""

    day: date
    opens_min: _Minutes = 0
    closes_min: _Minutes = 0


class HoursInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All hours of a care service; without `weekly` it is open round the clock."""

    weekly: Annotated[tuple[WeeklyInput, ...], msgspec.Meta(max_length=_MOST)] | None = None
    holidays: Holidays = Holidays.OPEN
    exceptions: Annotated[tuple[ExceptionInput, ...], msgspec.Meta(max_length=_MOST)] = ()


class LinksInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """To which care services one sends its patients on; all of them."""

    targets: Annotated[tuple[UUID, ...], msgspec.Meta(max_length=_MOST)]


class AliasInput(Alias, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number as sent, bare or with its official prefix."""


class Meanings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a number stands for; nobody is known by it when it is empty."""

    meanings: Sequence[Meaning]


@put(
    "/care-services/{care_service_id:uuid}/profile",
    tags=["directory"],
    summary="Set what a care service says of itself: whom it takes, with what, how it is called",
)
async def set_profile(
    edge: NamedDependency[Edge], care_service_id: FromPath[UUID], data: JSONBody[ProfileInput]
) -> CareServiceView:
    """Set what a care service says of itself; the same again changes nothing."""
    return await edge.run(lambda tx: profiles.describe(tx, edge.actor, care_service_id, data))


@put(
    "/care-services/{care_service_id:uuid}/hours",
    tags=["directory"],
    summary="Set when a care service is open: by the week, on holidays, on single days",
)
async def set_hours(
    edge: NamedDependency[Edge], care_service_id: FromPath[UUID], data: JSONBody[HoursInput]
) -> CareServiceView:
    """Set when a care service is open, by the clock of its place; a date beats the week."""
    weekly = None
    if data.weekly is not None:
        weekly = tuple(
            OpeningHours(weekday=one.weekday, opens_min=one.opens_min, closes_min=one.closes_min)
            for one in data.weekly
        )
    hours = Hours(
        weekly=weekly,
        holidays=data.holidays,
        exceptions=tuple(
            OpeningException(day=one.day, opens_min=one.opens_min, closes_min=one.closes_min)
            for one in data.exceptions
        ),
    )
    return await edge.run(lambda tx: profiles.open_hours(tx, edge.actor, care_service_id, hours))


@put(
    "/care-services/{care_service_id:uuid}/referral-links",
    tags=["directory"],
    summary="Set to which care services one sends its patients on",
)
async def set_referral_links(
    edge: NamedDependency[Edge], care_service_id: FromPath[UUID], data: JSONBody[LinksInput]
) -> CareServiceView:
    """Set to which care services one sends its patients on; the same again changes nothing."""
    return await edge.run(
        lambda tx: profiles.refer_to(tx, edge.actor, care_service_id, data.targets)
    )


@get(
    "/identifiers",
    tags=["directory"],
    summary="Give everything that a number stands for: RPPS, FINESS, SIRET, ..., a partner's id",
)
async def find_identifier(
    edge: NamedDependency[Edge],
    value: Annotated[str, QueryParameter(min_length=1, max_length=200)],
) -> Meanings:
    """Give everything that a number stands for, bare or with its official prefix."""
    found = await edge.run(lambda tx: aliases.find(tx, edge.actor, value))
    return Meanings(meanings=found)


@put("/identifiers", tags=["directory"], summary="Keep a number or a partner's id for something")
async def keep_identifier(edge: NamedDependency[Edge], data: JSONBody[AliasInput]) -> Meaning:
    """Keep a number or a partner's id for something; the same again changes nothing."""
    return await edge.run(lambda tx: aliases.keep(tx, edge.actor, data))


ROUTES: Final = [set_profile, set_hours, set_referral_links, find_identifier, keep_identifier]
