"""The hand-over note: what is asked first on top, under the reader's rights, never in an event."""

import pytest

from events import handoffs
from kernel import errors
from kernel.actor import Actor, Role
from routing import notes, referrals
from routing.model import Referral
from routing.notes import HandoffNote
from tests.integration.routing.world import OTHER_TERRITORY, World
from triage import library

LIBRARY = library.load()
SECRET = "Allergie à la pénicilline."


async def sent(world: World) -> tuple[Referral, Actor]:
    at = await world.practice("emergency_department", intake="referral")
    decided = await world.disposition("U2", "emergency_department")
    wish = referrals.Send(
        disposition_id=decided.id, care_service_id=at.care_service_id, instructions=SECRET
    )
    made = await world.database.run(
        world.operator, lambda tx: referrals.send(tx, world.operator, wish, world.keys)
    )
    return made, await world.actor(Role.CLINIC, organisations=(at.organisation_id,))


async def read(world: World, made: Referral, who: Actor) -> HandoffNote:
    handoff_id = made.handoff_id
    assert handoff_id is not None
    return await world.database.run(
        who, lambda tx: notes.read(tx, who, handoff_id, world.keys, LIBRARY)
    )


async def test_the_receiver_reads_the_note_and_that_is_a_delivery_receipt(world: World) -> None:
    made, clinic = await sent(world)
    note = await read(world, made, clinic)
    assert note.head.answer_by == made.due_at
    assert (note.head.service, note.head.acuity) == ("emergency_department", "U2")
    assert note.recommendation.instructions == SECRET
    assert HandoffNote.__struct_fields__[2:] == (
        "head", "situation", "background", "assessment", "recommendation",
    )  # fmt: skip
    handed = await world.database.run(world.operator, lambda tx: handoffs.of_subject(tx, made.id))
    assert handed is not None
    assert (handed.state, handed.owner) == ("delivered", "sender")


async def test_nobody_else_reads_it_and_nothing_of_it_is_in_an_event(world: World) -> None:
    made, clinic = await sent(world)
    other = await world.practice("emergency_department", intake="referral")
    for who in (
        await world.actor(Role.CLINIC, organisations=(other.organisation_id,)),
        await world.actor(Role.PHYSICIAN, OTHER_TERRITORY),
    ):
        with pytest.raises(errors.Missing):
            await read(world, made, who)
    await read(world, made, clinic)
    told = await world.admin.fetch("select payload::text as payload from events.outbox")
    assert not any("nicilline" in row["payload"] for row in told)


async def test_who_refused_reads_the_note_no_longer(world: World) -> None:
    made, clinic = await sent(world)
    handoff_id = made.handoff_id
    assert handoff_id is not None
    await world.database.run(
        clinic, lambda tx: handoffs.refuse(tx, clinic, handoff_id, "no_capacity")
    )
    await world.react()
    with pytest.raises(errors.Missing):
        await read(world, made, clinic)
