"""Journey B headless: a clinic publishes a week, changes it, and withdraws what is taken."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from server import replay_cases, wire
from server.centre import API, Centre
from server.client import RefusedError
from server.journey_call import FEVER, PLACE, TOWN, present
from server.subscriber import Subscriber, settle
from server.timeline import Timeline, ensure, until

DAYS_AHEAD: Final = 21
"""The week lies beyond the seeded diaries, so that nobody else's places are touched."""
WEEK_DAYS: Final = 5
SLOTS_A_DAY: Final = 8
SLOT_MIN: Final = 15


class SlotInput(msgspec.Struct, frozen=True, kw_only=True):
    """One slot of a publication."""

    key: str
    starts_at: datetime
    ends_at: datetime


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """A clinic's word on one window of a schedule."""

    starts_at: datetime
    ends_at: datetime
    sequence: int
    slots: list[SlotInput]


def week(start: datetime, sequence: int) -> Publication:
    """Write a week of appointments, a quarter of an hour each from 9 o'clock.

    Args:
        start: Midnight of its first day, UTC.
        sequence: Of the publication.
    """
    length = timedelta(minutes=SLOT_MIN)
    begins = [
        start + timedelta(days=day, hours=9) + turn * length
        for day in range(WEEK_DAYS)
        for turn in range(SLOTS_A_DAY)
    ]
    slots = [
        SlotInput(key=f"{moment:%d-%H%M}", starts_at=moment, ends_at=moment + length)
        for moment in begins
    ]
    ends = start + timedelta(days=WEEK_DAYS)
    return Publication(starts_at=start, ends_at=ends, sequence=sequence, slots=slots)


class ClinicJourney:
    """Journey B of one clinic, watched by one subscriber of the centre."""

    def __init__(self, timeline: Timeline, centre: Centre, watcher: Subscriber) -> None:
        """Begin.

        Args:
            timeline: Where steps are written.
            centre: Whose people act, the clinic's among them.
            watcher: Receives every event of the territory.
        """
        self._timeline = timeline
        self._centre = centre
        self._watcher = watcher
        self._clinic = centre.client("clinic")
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        # Seconds since 1970: higher than any sequence an earlier run has used.
        self._week = week(today + timedelta(days=DAYS_AHEAD), int(time.time()))
        self._town = next(one for one in replay_cases.communes() if one.insee == TOWN)

    async def run(self, organisation: UUID) -> None:
        """Run the journey.

        Args:
            organisation: The clinic's.

        Raises:
            UnobservedError: A step was not observed.
        """
        schedule = await self._publish(organisation)
        await self._change(schedule)
        await self._withdraw_held(schedule)
        await self._withdraw_booked(schedule)

    async def _publish(self, organisation: UUID) -> UUID:
        async with self._timeline.step("B.week.published") as step:
            path = f"{API}/care-services?organisation={organisation}"
            offered = (await self._clinic.get(path, wire.CareServices)).care_services
            diaries = [one for service in offered for one in service.schedules]
            ensure(diaries, "the clinic has no diary")
            done = await self._put(diaries[0], self._week)
            ensure(done.slots == len(self._week.slots), f"{done.slots} slots were published")
            step.saw = f"sequence {done.sequence}: {done.added} added"
        async with self._timeline.step("B.week.visible_to_the_centre") as step:
            slots = await self._slots(diaries[0])
            ensure(len(slots) == len(self._week.slots), f"{len(slots)} slots are visible")
            step.saw = f"{sum(slot.free for slot in slots)} free places"
        return diaries[0]

    async def _change(self, schedule: UUID) -> None:
        async with self._timeline.step("B.week.changed") as step:
            fewer = msgspec.structs.replace(
                self._week, sequence=self._week.sequence + 1, slots=self._week.slots[1:]
            )
            done = await self._put(schedule, fewer)
            ensure((done.added, done.withdrawn) == (0, 1), "more than one slot changed")
            step.saw = f"sequence {done.sequence}: {done.withdrawn} withdrawn"
        async with self._timeline.step("B.lower_sequence.refused") as step:
            late = msgspec.structs.replace(self._week, sequence=self._week.sequence - 1)
            try:
                await self._put(schedule, late)
                step.saw = "accepted"
            except RefusedError as refused:
                step.saw = f"{refused.status} {refused.code}"
            ensure(step.saw.startswith("409"), f"a lower sequence was {step.saw}")

    async def _withdraw_held(self, schedule: UUID) -> None:
        """Withdraw a slot that somebody holds: displaced, and told when the hold is used."""
        desk = self._centre.desk()
        async with self._timeline.step("B.held_slot.withdrawn") as step:
            case = await present(desk, FEVER, self._town)
            disposition = await desk.decide(case, PLACE)
            slot = (await self._slots(schedule))[0].id
            body = {"slot_id": str(slot), "disposition_id": str(disposition)}
            physician = self._centre.client("physician").journey(desk.journey)
            hold = await physician.post(f"{API}/holds", body, wire.Hold)
            gone = await self._delete(slot)
            ensure(gone.displaced == 1, f"{gone.displaced} places were displaced")
            step.saw = f"{gone.displaced} displaced"
        async with self._timeline.step("B.held_slot.holder_told") as step:
            try:
                await physician.post(f"{API}/appointments", {"hold_id": str(hold.id)})
                step.saw = "booked"
            except RefusedError as refused:
                step.saw = f"{refused.status} {refused.code}"
            ensure(step.saw == "409 slot_withdrawn", f"the hold was {step.saw}")
        await self._told("B.held_slot.event", slot)

    async def _withdraw_booked(self, schedule: UUID) -> None:
        """Withdraw a slot that is booked: the need waits again, owned by who had booked."""
        desk = self._centre.desk()
        async with self._timeline.step("B.booked_slot.withdrawn") as step:
            case = await present(desk, FEVER, self._town)
            disposition = await desk.decide(case, PLACE)
            slot = (await self._slots(schedule))[0].id
            body = {"slot_id": str(slot), "disposition_id": str(disposition)}
            physician = self._centre.client("physician").journey(desk.journey)
            hold = await physician.post(f"{API}/holds", body, wire.Hold)
            booked = await desk.book(hold.id)
            ensure(booked is not None, "the place could not be booked")
            gone = await self._delete(slot)
            ensure(gone.displaced == 1, f"{gone.displaced} places were displaced")
            step.saw = f"{gone.displaced} displaced"
        async with self._timeline.step("B.booked_slot.need_waits") as step:
            path = f"{API}/waiting-entries?limit=200"

            async def look() -> wire.WaitingEntry | None:
                listed = await physician.get(path, wire.WaitingEntries)
                return next((one for one in listed.items if one.case_id == case), None)

            entry = await until(look, "a waiting entry for the displaced patient")
            step.saw = f"{entry.constraint}, owner {entry.owner_id}"

    async def _told(self, name: str, slot: UUID) -> None:
        async with self._timeline.step(name) as step:

            async def look() -> bool:
                await settle(self._watcher)
                return any(
                    event.type.endswith("slot.displaced") and event.data.get("slot_id") == str(slot)
                    for event in self._watcher.received.values()
                )

            await until(look, "slot.displaced over NATS")
            step.saw = "slot.displaced received"

    async def _put(self, schedule: UUID, publication: Publication) -> wire.Published:
        path = f"{API}/schedules/{schedule}/slots"
        answer = await self._clinic.accepted("PUT", path, publication)
        return msgspec.json.decode(answer.body, type=wire.Published)

    async def _delete(self, slot: UUID) -> wire.Withdrawn:
        answer = await self._clinic.accepted("DELETE", f"{API}/slots/{slot}")
        return msgspec.json.decode(answer.body, type=wire.Withdrawn)

    async def _slots(self, schedule: UUID) -> list[wire.Slot]:
        starts, ends = (
            moment.isoformat().replace("+00:00", "Z")
            for moment in (self._week.starts_at, self._week.ends_at)
        )
        path = f"{API}/schedules/{schedule}/slots?starts_at={starts}&ends_at={ends}"
        return (await self._centre.client("operator").get(path, wire.Slots)).slots
