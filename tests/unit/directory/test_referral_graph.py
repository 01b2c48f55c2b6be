"""Questions to the referral graph: the frozen arrays say what plain networkx says."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import msgspec
import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from directory import closings, distance, graph, links, referral_paths, snapshot
from directory.columns import Diary, OpenSlot
from directory.model import (
    CareService,
    CareServiceId,
    Intake,
    Location,
    LocationId,
    Modality,
    OpeningHours,
    OrganisationId,
    ReferralLink,
    Schedule,
    ScheduleId,
    SlotId,
    SlotKind,
    Visibility,
)
from directory.referral_paths import Chain, Path, Start
from directory.rows import Rows

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ASKED = NOW - timedelta(minutes=1)
CODES = ("general_practice", "imaging", "cardiology")


def ident(number: int) -> UUID:
    return UUID(int=number)


def service(number: int, code: str, **fields: object) -> CareService:
    one = CareService(
        id=CareServiceId(ident(number)),
        organisation_id=OrganisationId(ident(900)),
        location_id=LocationId(ident(500 + number)),
        name=f"Service {number}",
        service=code,
        referral_required=code != "general_practice",
    )
    return msgspec.structs.replace(one, **fields)


def location(number: int, east_km: float = 0.0) -> Location:
    return Location(
        id=LocationId(ident(500 + number)),
        organisation_id=OrganisationId(ident(900)),
        territory_id=ident(800),
        name=f"Place {number}",
        lon=2.3 + east_km / 71.6,
        lat=49.9,
        zone="Europe/Paris",
        commune="80021",
        postcode="80000",
        department="80",
    )


def slot(number: int, start_min: int, minutes: int) -> OpenSlot:
    start = NOW + timedelta(minutes=start_min)
    return OpenSlot(
        id=SlotId(ident(number)),
        schedule_id=ScheduleId(ident(700)),
        start=start,
        end=start + timedelta(minutes=minutes),
        kind=SlotKind.SLOT,
        modality=Modality.OFFICE,
        visibility=Visibility.PUBLIC,
        capacity=1,
        free=1,
    )


class World(msgspec.Struct, frozen=True):
    """A small directory and its links."""

    rows: Rows
    seen: snapshot.Snapshot

    @property
    def frozen(self) -> links.Links:
        return links.freeze(self.seen, self.rows.links)

    @property
    def typed(self) -> graph.Graph:
        return graph.build(self.rows, self.seen.travel)


def world(
    services: list[CareService],
    pairs: list[tuple[int, int]],
    slots: dict[int, list[OpenSlot]],
    east_km: dict[int, float] | None = None,
) -> World:
    places = {one.id.int: (east_km or {}).get(one.id.int, 0.0) for one in services}
    rows = Rows(
        locations=tuple(location(number, km) for number, km in places.items()),
        care_services=tuple(services),
        links=tuple(
            ReferralLink(source_id=CareServiceId(ident(a)), target_id=CareServiceId(ident(b)))
            for a, b in pairs
        ),
    )
    diaries = []
    for one in services:
        key = ScheduleId(ident(700 + one.id.int))
        mine = [msgspec.structs.replace(x, schedule_id=key) for x in slots.get(one.id.int, ())]
        mine.sort(key=lambda x: (x.start, x.id))
        schedule = Schedule(id=key, care_service_id=one.id, as_of=NOW)
        diaries.append(Diary(schedule=schedule, slots=tuple(mine)))
    return World(rows, snapshot.freeze(1, rows, diaries))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    count = draw(st.integers(2, 7))
    numbers = list(range(1, count + 1))
    codes = draw(st.lists(st.sampled_from(CODES), min_size=count, max_size=count))
    active = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    services = [
        service(number, code, active=lot > 0)
        for number, code, lot in zip(numbers, codes, active, strict=True)
    ]
    pairs = draw(
        st.lists(st.tuples(st.sampled_from(numbers), st.sampled_from(numbers)), max_size=16)
    )
    times = st.lists(st.tuples(st.integers(0, 300), st.integers(5, 90)), max_size=4)
    slots = {
        number: [slot(1000 * number + at, *one) for at, one in enumerate(draw(times))]
        for number in numbers
    }
    east = {number: draw(st.integers(0, 30)) / 2 for number in numbers}
    return world(services, pairs, slots, east)


def arcs(seen: World) -> "nx.DiGraph[UUID]":
    """Give the referral links of active care services as a plain graph."""
    typed = seen.typed
    plain: nx.DiGraph[UUID] = nx.DiGraph()
    plain.add_nodes_from(one.id for one in seen.rows.care_services if one.active)
    for source, target, data in typed.edges(data=True):
        if data["type"] == "refers_to" and {source, target} <= set(plain):
            plain.add_edge(source, target, seconds=data["duration_s"])
    return plain


def earliest_end(seen: World, starts: list[Start], via: tuple[str, ...]) -> datetime | None:
    """Give the end of the quickest chain from the time-expanded graph: a node for every visit."""
    plain = arcs(seen)
    code: dict[UUID, str] = {one.id: one.service for one in seen.rows.care_services}
    visits: nx.DiGraph[tuple[UUID, OpenSlot, int]] = nx.DiGraph()
    open_at: dict[UUID, list[OpenSlot]] = {
        owner: [x for d in diaries for x in d.slots] for owner, diaries in seen.seen.diaries.items()
    }

    def stages(owner: UUID, stage: int) -> int:
        return stage + (stage < len(via) and code[owner] == via[stage])

    first = set()
    for start in starts:
        for one in open_at.get(start.care_service_id, ()):
            if start.care_service_id in plain and one.start >= start.arrives_at:
                first.add((start.care_service_id, one, stages(start.care_service_id, 0)))
    visits.add_nodes_from(first)
    for owner, other in plain.edges:
        seconds: float = plain.edges[owner, other]["seconds"]
        for one in open_at.get(owner, ()):
            for later in open_at.get(other, ()):
                if one.end + timedelta(seconds=seconds) <= later.start:
                    for stage in range(len(via)):
                        visits.add_edge((owner, one, stage), (other, later, stages(other, stage)))
    ends = {
        visit
        for begin in first
        for visit in {begin, *nx.descendants(visits, begin)}
        if visit[2] == len(via)
    }
    return min((visit[1].end for visit in ends), default=None)


def starts_of(seen: World) -> list[Start]:
    return [
        Start(care_service_id=one.id, arrives_at=NOW + timedelta(minutes=one.id.int))
        for one in seen.rows.care_services
        if one.service == "general_practice"
    ]


@given(worlds(), st.lists(st.sampled_from(CODES), min_size=1, max_size=3))
def test_the_quickest_chain_ends_when_the_time_expanded_graph_says(
    seen: World, via: list[str]
) -> None:
    starts = starts_of(seen)
    found = referral_paths.quickest(seen.seen, seen.frozen, starts, Chain(via=tuple(via), now=NOW))
    assert (None if found is None else found.stops[-1].ends_at) == earliest_end(
        seen, starts, tuple(via)
    )
    if found is not None:
        walked(seen, found, tuple(via))


def walked(seen: World, found: Path, via: tuple[str, ...]) -> None:
    """Check that a patient can walk a path: links exist, nobody is early, codes come in order."""
    plain = arcs(seen)
    codes = iter(seen.seen.service(one.care_service_id).service for one in found.stops)  # type: ignore[union-attr]
    assert all(any(code == wanted for code in codes) for wanted in via)
    for one in found.stops:
        assert one.arrives_at <= one.starts_at < one.ends_at
    for one, other in pairwise(found.stops):
        seconds = plain.edges[one.care_service_id, other.care_service_id]["seconds"]
        assert other.arrives_at - one.ends_at == timedelta(seconds=seconds)
    assert found.waiting < found.duration


def test_a_nearer_slot_is_missed_when_the_former_visit_ends_after_it() -> None:
    seen = world(
        [service(1, "general_practice"), service(2, "imaging"), service(3, "cardiology")],
        [(1, 2), (2, 3)],
        {
            1: [slot(11, 0, 20)],
            2: [slot(21, 10, 10), slot(22, 60, 15)],
            3: [slot(31, 70, 20), slot(32, 120, 20)],
        },
    )
    chain = Chain(via=("general_practice", "imaging", "cardiology"), now=ASKED)
    start = Start(care_service_id=CareServiceId(ident(1)), arrives_at=NOW)
    found = referral_paths.quickest(seen.seen, seen.frozen, [start], chain)
    assert found is not None
    assert [one.slot_id for one in found.stops] == [ident(11), ident(22), ident(32)]
    assert found.duration == timedelta(minutes=140)
    # 20 minutes at the doctor's, two minutes on the way (the fixed part), and so on.
    assert [one.wait for one in found.stops] == [
        timedelta(), timedelta(minutes=38), timedelta(minutes=43)
    ]  # fmt: skip


def test_who_takes_patients_without_appointment_is_visited_in_the_opening_hours() -> None:
    hours = (OpeningHours(weekday=0, opens_min=14 * 60, closes_min=18 * 60),)
    imaging = service(2, "imaging", intake=Intake.REFERRAL, hours=hours)
    seen = world([service(1, "general_practice"), imaging], [(1, 2)], {1: [slot(11, 0, 20)]})
    start = Start(care_service_id=CareServiceId(ident(1)), arrives_at=NOW)
    found = referral_paths.quickest(
        seen.seen, seen.frozen, [start], Chain(via=("imaging",), now=NOW, seen=True)
    )
    assert found is not None
    assert found.stops[0].starts_at == found.stops[0].ends_at == NOW, "he has been seen there"
    assert found.stops[1].starts_at == datetime(2026, 3, 2, 13, 0, tzinfo=UTC)
    assert found.stops[1].ends_at - found.stops[1].starts_at == referral_paths.VISIT


def test_a_chain_passes_nobody_who_does_not_take_the_patient() -> None:
    adults = service(2, "imaging", min_age_months=15 * 12)
    children = service(3, "imaging")
    seen = world(
        [service(1, "general_practice"), adults, children],
        [(1, 2), (1, 3)],
        {1: [slot(11, 0, 20)], 2: [slot(21, 30, 10)], 3: [slot(31, 90, 10)]},
    )
    start = Start(care_service_id=CareServiceId(ident(1)), arrives_at=NOW)
    for age, expected in ((40 * 12, adults), (5 * 12, children), (None, adults)):
        chain = Chain(via=("imaging",), now=ASKED, age_months=age)
        found = referral_paths.quickest(seen.seen, seen.frozen, [start], chain)
        assert found is not None
        assert found.stops[-1].care_service_id == expected.id
    unknown = Start(care_service_id=CareServiceId(ident(99)), arrives_at=NOW)
    chain = Chain(via=("imaging",), now=NOW)
    assert referral_paths.quickest(seen.seen, seen.frozen, [unknown], chain) is None


@given(worlds())
def test_what_a_closing_cuts_off_is_what_it_dominates(seen: World) -> None:
    plain = arcs(seen)
    services: dict[UUID, CareService] = {one.id: one for one in seen.rows.care_services}
    root = ident(0)
    rooted = plain.copy()
    rooted.add_edges_from((root, one) for one in plain if not services[one].referral_required)
    rooted.add_node(root)
    above = nx.immediate_dominators(rooted, root)
    tree = nx.DiGraph(
        (parent, child) for child, parent in above.items() if child != root and parent is not None
    )
    frozen = seen.frozen
    for row, one in enumerate(seen.seen.services):
        told = closings.closing(seen.seen, frozen, row)
        below = nx.descendants(tree, one.id) if one.id in tree else set()
        assert set(told.unreachable) == below
        assert dict(losses(told)) == dict(lost(plain, services, one.id))
    heavy = {one.care_service_id for one in closings.weights(seen.seen, frozen)}
    for row, one in enumerate(seen.seen.services):
        told = closings.closing(seen.seen, frozen, row)
        assert (one.id in heavy) == bool(told.unreachable or told.losses)


def losses(told: closings.Closing) -> Iterator[tuple[UUID, tuple[str, ...]]]:
    return ((one.care_service_id, one.services) for one in told.losses)


def lost(
    plain: "nx.DiGraph[UUID]", services: dict[UUID, CareService], closed: UUID
) -> Iterator[tuple[UUID, tuple[str, ...]]]:
    """Give what each sender can no longer reach in one step or more, by plain networkx."""
    if closed not in plain:
        return
    without = plain.copy()
    without.remove_node(closed)

    def codes(of: "nx.DiGraph[UUID]", sender: UUID) -> set[str]:
        beyond = {x for step in of.successors(sender) for x in {step, *nx.descendants(of, step)}}
        return {services[x].service for x in beyond}

    for sender in plain:
        if sender != closed and (gone := codes(plain, sender) - codes(without, sender)):
            yield sender, tuple(sorted(gone))


def test_links_to_rows_that_are_gone_are_left_out() -> None:
    seen = world(
        [service(1, "general_practice"), service(2, "imaging")], [(1, 2), (1, 2), (1, 9)], {}
    )
    frozen = seen.frozen
    assert (frozen.rows, frozen.onward.ends.tolist(), frozen.back.of(1).tolist()) == (2, [1], [0])
    assert frozen.duration_s.tolist() == [distance.TravelModel().fixed_s]
