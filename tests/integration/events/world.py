"""A small world: a centre with staff, two organisations with a clinic and a partner each."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import msgspec

from events import catalogue, outbox
from events.model import HandoffRequest
from kernel import ids
from kernel.actor import Actor
from kernel.database import Database

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "subscriber.py"


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Actors of the tests; the API key of an actor is `key-<id>`."""

    territory_id: UUID
    organisations: tuple[UUID, UUID]
    care_service_id: UUID
    physician: Actor
    supervisor: Actor
    clinic: Actor
    other_clinic: Actor
    partner: Actor
    other_partner: Actor

    def request(self, **changes: object) -> HandoffRequest:
        return msgspec.structs.replace(
            HandoffRequest(
                case_id=ids.uuid7(),
                territory_id=self.territory_id,
                subject_kind="referral",
                subject_id=ids.uuid7(),
                to_organisation_id=self.organisations[0],
                care_service_id=self.care_service_id,
                acuity="U3",
                acknowledgement_required=True,
            ),
            **changes,
        )


def key_of(one: Actor) -> str:
    return f"key-{one.id}"


async def append_case(
    database: Database,
    world: World,
    *,
    case_id: UUID | None = None,
    organisations: tuple[UUID, ...] = (),
) -> UUID:
    """Append one `case.opened` in a transaction of its own; give the case."""
    case = case_id or ids.uuid7()
    async with database.transaction(world.physician) as tx:
        await outbox.append(
            tx,
            world.physician,
            catalogue.CaseOpened(complaint="chest_pain"),
            aggregate_id=case,
            territory_id=world.territory_id,
            case_id=case,
            organisation_ids=organisations,
        )
    return case


async def until(condition: Callable[[], Awaitable[object]], timeout_s: float = 15.0) -> None:
    """Wait until a condition holds, or fail."""
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.02)
