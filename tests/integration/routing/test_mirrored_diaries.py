"""Appointments on an editor's calendar: every way its real server may answer, or not."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from interop.source_booking import Limits
from kernel import errors
from kernel.actor import Role
from kernel.settings import Settings
from routing import appointments, mirrored, source_answers
from routing.mirrored import SourceState
from routing.source_answers import RecordAnswer
from server.source_bookings import Asker
from tests.integration.routing.editors import SOURCE, Editor, Mirrored, mirror_of, until
from tests.integration.routing.world import World


@pytest_asyncio.fixture
async def diary(world: World, tmp_path: Path, database_dsn: str) -> AsyncIterator[Mirrored]:
    """Give a mirrored practice and the editor that keeps its diary."""
    editor = Editor(tmp_path)
    editor.start()
    settings = Settings(database_url=database_dsn, feeds_from_loopback=True)
    try:
        yield Mirrored(world, editor, await mirror_of(world, editor), settings)
    finally:
        editor.stop()


async def test_a_mirrored_place_is_pending_until_its_source_says_yes(diary: Mirrored) -> None:
    world, at = diary.world, diary.mirror.practice
    booked = await diary.book()
    assert await diary.state(booked) == ("pending", "asking", None)
    assert booked.handoff_id is None
    assert await world.responsible(booked.case_id) == world.operator.id
    assert not diary.editor.live()
    await diary.ask()
    assert await diary.state(booked) == ("booked", "confirmed", None)
    assert diary.editor.live() == {booked.id}
    assert await world.responsible(booked.case_id) == at.organisation_id
    kinds = await world.kinds(booked.case_id)
    assert [kind for kind in kinds if kind.startswith("appointment")] == [
        "appointment.pending", "appointment.confirmed",
    ]  # fmt: skip
    requested = await world.admin.fetchval("select requested_by from events.handoff")
    assert requested == world.operator.id


async def test_an_urgent_place_that_its_source_confirmed_still_needs_a_named_answer(
    diary: Mirrored,
) -> None:
    booked = await diary.book(acuity="U2")
    await diary.ask()
    assert (await diary.state(booked))[0] == "booked"
    assert await diary.world.responsible(booked.case_id) == diary.world.operator.id
    assert await diary.world.admin.fetchval("select acknowledgement_required from events.handoff")


async def test_a_place_gone_at_the_source_is_gone_here_and_the_next_best_is_named(
    diary: Mirrored,
) -> None:
    world = diary.world
    assert diary.editor.desk(take="slot-3")
    booked = await diary.book()
    await diary.ask()
    assert await diary.state(booked) == ("cancelled", "refused", "source_refused")
    assert await world.seat(booked.slot_id) == ("withdrawn",)
    assert await world.waits(booked.case_id) == [("source_refused", "waiting", world.operator.id)]
    async with world.database.transaction(world.operator) as tx:
        told = await source_answers.at_source(tx, world.operator, booked.id)
    assert told.next_best is not None
    assert told.next_best.slot_id not in {None, booked.slot_id}
    assert "appointment.cancelled" in await world.kinds(booked.case_id)
    assert not diary.editor.live()
    refused = await world.admin.fetchval("select refused from directory.trust")
    assert refused == 1


async def test_a_place_taken_between_the_look_and_the_wish_is_refused(diary: Mirrored) -> None:
    """Two systems want one slot; the source's own diary decides, and only one has it."""
    booked = await diary.book()
    await diary.world.admin.execute("update routing.source_booking set attempts = 1")
    assert diary.editor.desk(take="slot-3")
    await diary.ask()
    assert await diary.state(booked) == ("cancelled", "undoing", "source_refused")
    assert await diary.world.seat(booked.slot_id) == ("withdrawn",)
    await diary.ask()
    assert await diary.state(booked) == ("cancelled", "undone", "source_refused")
    assert not diary.editor.live()


async def test_without_an_answer_in_time_the_next_best_is_owed(diary: Mirrored) -> None:
    world = diary.world
    diary.editor.desk(mood="deaf")
    booked = await diary.book()
    await diary.ask()
    assert await diary.state(booked) == ("pending", "asking", None)
    assert (await diary.at_source(booked)).outcome == "source_away"
    assert await diary.too_late() == 1
    assert await diary.state(booked) == ("cancelled", "undoing", "source_silent")
    assert await world.waits(booked.case_id) == [("source_silent", "waiting", world.operator.id)]
    assert await world.seat(booked.slot_id) == ("booked",)
    diary.editor.desk(mood="well")
    await diary.ask()
    assert await diary.state(booked) == ("cancelled", "undone", "source_silent")
    assert await world.seat(booked.slot_id) == ("free",)
    assert not diary.editor.live()
    assert await world.admin.fetchval("select unanswered from directory.trust") == 1


async def test_what_the_source_booked_without_a_word_is_cancelled_there(diary: Mirrored) -> None:
    diary.editor.desk(mood="mute")
    booked = await diary.book()
    await diary.ask()
    assert diary.editor.live() == {booked.id}
    await diary.too_late()
    assert await diary.state(booked) == ("cancelled", "undoing", "source_silent")
    next_one = await diary.book("slot-5")
    diary.editor.desk(mood="well")
    await diary.ask()
    assert await diary.state(booked) == ("cancelled", "undone", "source_silent")
    assert await diary.state(next_one) == ("booked", "confirmed", None)
    assert diary.editor.live() == {next_one.id}


async def test_a_yes_that_comes_late_changes_nothing_and_is_cancelled(diary: Mirrored) -> None:
    booked = await diary.book()
    diary.editor.desk(mood="slow")
    patient = Asker(diary.world.system, diary.settings)
    asking = asyncio.create_task(patient.step(SOURCE))

    async def taken() -> bool:
        return (await diary.at_source(booked)).attempts == 1

    await until(taken)
    await diary.too_late()
    assert await diary.state(booked) == ("cancelled", "undoing", "source_silent")
    assert await diary.asker.step(SOURCE) == 0, "nothing is said while a question is under way"
    await asking
    assert await diary.state(booked) == ("cancelled", "undoing", "source_silent")
    diary.editor.desk(mood="well")
    await diary.ask()
    assert (await diary.state(booked))[1] == "undone"
    assert not diary.editor.live()


async def test_a_source_that_is_down_is_asked_again_when_it_is_back(diary: Mirrored) -> None:
    booked = await diary.book()
    diary.editor.stop()
    await diary.ask()
    assert await diary.state(booked) == ("pending", "asking", None)
    diary.editor.start()
    await diary.ask()
    assert await diary.state(booked) == ("booked", "confirmed", None)
    assert diary.editor.live() == {booked.id}


async def test_a_source_that_still_thinks_is_asked_again(diary: Mirrored) -> None:
    diary.editor.desk(mood="pending")
    booked = await diary.book()
    await diary.ask()
    assert (await diary.at_source(booked)).outcome == "source_pending"
    diary.editor.desk(mood="well")
    await diary.ask()
    assert await diary.state(booked) == ("booked", "confirmed", None)


ASK_ALONE = """
import asyncio, os
from kernel.database import open_database
from kernel.settings import Settings
from server.source_bookings import Asker

async def main():
    database = await open_database(os.environ["DATABASE_URL"], "regul_system", 2)
    await Asker(database, Settings(feeds_from_loopback=True)).run()

asyncio.run(main())
"""


async def test_a_worker_killed_after_the_source_said_yes_books_nothing_twice(
    diary: Mirrored, database_dsn: str
) -> None:
    diary.editor.desk(mood="mute")
    booked = await diary.book()
    worker = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", ASK_ALONE],
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), "DATABASE_URL": database_dsn},
    )

    async def there() -> bool:
        return diary.editor.live() == {booked.id}

    try:
        await until(there)
    finally:
        worker.kill()
        worker.wait()
    assert await diary.state(booked) == ("pending", "asking", None)
    diary.editor.desk(mood="well")
    assert await diary.asker.step(SOURCE) == 0, "its lease has not lapsed"
    await diary.world.admin.execute("update routing.source_booking set leased_until = now()")
    await diary.ask()
    assert await diary.state(booked) == ("booked", "confirmed", None)
    assert diary.editor.live() == {booked.id}


@pytest.mark.parametrize("answered", [False, True])
async def test_what_is_called_off_here_is_cancelled_at_the_source(
    diary: Mirrored, answered: bool
) -> None:
    world = diary.world
    booked = await diary.book()
    if answered:
        await diary.ask()
    command = appointments.Cancel(reason="patient_declined")
    await world.database.run(
        world.operator, lambda tx: appointments.cancel(tx, world.operator, booked.id, command)
    )
    if not answered:
        assert (await diary.state(booked))[1] == "undone", "it was never asked for"
        assert await world.seat(booked.slot_id) == ("free",)
        assert await diary.ask() == 0
        return
    assert await world.seat(booked.slot_id) == ("booked",), "free once the source has freed it"
    await diary.ask()
    assert (await diary.state(booked))[1] == "undone"
    assert await world.seat(booked.slot_id) == ("free",)
    assert not diary.editor.live()


async def test_asking_ten_times_books_once(diary: Mirrored) -> None:
    booked = await diary.book()
    askers = [diary.another_asker() for _ in range(10)]
    told = await asyncio.gather(*(one.step(SOURCE) for one in askers))
    assert sum(told) == 1
    assert diary.editor.live() == {booked.id}
    assert (await diary.state(booked))[0] == "booked"


async def test_a_place_that_one_link_books_is_confirmed_by_a_human(world: World) -> None:
    at = await world.practice(ownership="mirrored")
    slot_id = await world.slot(at)
    await world.admin.execute(
        "insert into directory.slot_link (slot_id, url) values ($1, 'https://editor.example/b/1')",
        slot_id,
    )
    held = await world.hold(slot_id, (await world.disposition()).id)
    booked = await world.book(held.id)
    who = world.operator
    async with world.database.transaction(who) as tx:
        told = await mirrored.known(tx, booked.id)
    assert (told.channel, told.url) == ("link", "https://editor.example/b/1")
    assert booked.handoff_id is None
    yes = RecordAnswer(answer="confirmed", reference="RDV-7")
    done = await world.database.run(who, lambda tx: source_answers.record(tx, who, booked.id, yes))
    assert (done.state, done.reference) == (SourceState.CONFIRMED, "RDV-7")
    await world.react()
    assert await world.responsible(booked.case_id) == at.organisation_id
    with pytest.raises(errors.Conflict) as refusal:
        await world.database.run(who, lambda tx: source_answers.record(tx, who, booked.id, yes))
    assert refusal.value.code == "source_answer_state"
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    with pytest.raises(errors.Forbidden):
        await world.database.run(
            clinic, lambda tx: source_answers.record(tx, clinic, booked.id, yes)
        )


async def test_no_human_answers_for_a_source_that_a_program_asks(diary: Mirrored) -> None:
    booked = await diary.book()
    who = diary.world.operator
    with pytest.raises(errors.Conflict) as refusal:
        await diary.world.database.run(
            who,
            lambda tx: source_answers.record(tx, who, booked.id, RecordAnswer(answer="confirmed")),
        )
    assert refusal.value.code == "source_answers_itself"


MOODS = ("well", "well", "mute", "slow", "broken", "pending")
LIVE = """
select b.appointment_id, b.state, a.state as ours from routing.source_booking b
join routing.appointment a on a.id = b.appointment_id
"""


async def watch(diary: Mirrored) -> None:
    """Whatever is live at the source is ours, or about to be cancelled there."""
    rows = await diary.fetch(LIVE)
    live = diary.editor.live()
    for row in rows:
        if row["appointment_id"] in live:
            assert row["state"] in {"asking", "confirmed", "undoing"}
        if row["ours"] == "booked":
            assert row["state"] == "confirmed"
        assert (row["ours"] in {"pending", "booked"}) == (row["state"] in {"asking", "confirmed"})


async def test_at_every_instant_one_live_appointment_whatever_the_source_does(
    diary: Mirrored,
) -> None:
    """Moods change, answers come late, two workers ask: it ends equal at both ends."""
    rng = random.Random(20260302)
    booked = [await diary.book(f"slot-{n}") for n in range(3, 15)]
    done = asyncio.Event()

    async def ask(asker: Asker) -> None:
        while not done.is_set():
            await diary.make_due()
            await asker.step(SOURCE)
            await diary.notice()

    hasty = [diary.another_asker(Limits(answer_s=seconds)) for seconds in (0.1, 0.3)]
    asking = [asyncio.create_task(ask(one)) for one in hasty]

    async def settled() -> bool:
        await watch(diary)
        rows = await diary.fetch(LIVE)
        return not any(row["state"] in {"asking", "undoing"} for row in rows)

    try:
        for number in range(40):
            diary.editor.desk(mood=rng.choice(MOODS))
            if number % 4 == 0:
                await diary.pass_deadline(rng.choice(booked))
            await watch(diary)
            await asyncio.sleep(0.05)
        diary.editor.desk(mood="well")
        await until(settled, 30)
    finally:
        done.set()
        await asyncio.gather(*asking)
    await diary.world.react()
    ours = {row["appointment_id"] for row in await diary.fetch(LIVE) if row["ours"] == "booked"}
    assert diary.editor.live() == ours
    assert 0 < len(ours) < len(booked)
