"""A journey is what the routing engine said of the patient's commune, else an estimate."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory import finder, gazetteer, links
from directory.distance import TravelModel
from directory.finder import Wish
from directory.journeys import ESTIMATE, ROUTER, Journeys, Leg, packed
from directory.model import Location, LocationId, Need, OrganisationId
from server import directory_world

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CODES = st.from_regex(r"\A(?:[0-9]{5}|2[AB][0-9]{3})\Z")
LEGS = st.none() | st.builds(Leg, st.integers(0, 100_000), st.integers(0, 500_000))
PLACE = Location(
    id=LocationId(UUID(int=1)), organisation_id=OrganisationId(UUID(int=2)), name="Here", lon=2.3,
    lat=49.9, zone="Europe/Paris", commune="80021", postcode="80000", department="80",
    territory_id=UUID(int=80),
)  # fmt: skip


@given(st.dictionaries(CODES, LEGS, max_size=20), CODES)
def test_what_was_said_of_each_commune_is_read_again(
    said: dict[str, Leg | None], other: str
) -> None:
    kept = packed(said)
    for code, leg in said.items():
        assert kept.of(code) == leg
    assert kept.of(other) == said.get(other)


def test_an_estimate_stands_in_where_nothing_is_known() -> None:
    slow = TravelModel(detour_factor=2.0, speed_kmh=36.0, fixed_s=60.0)
    known = {PLACE.id: packed({"80001": Leg(900, 12_000), "80002": None})}
    journeys = Journeys({PLACE.territory_id: slow}, known)
    assert journeys.to(PLACE, 1_000.0, "80001") == journeys.to(PLACE, 9e9, "80001")
    said = journeys.to(PLACE, 1_000.0, "80001")
    assert (said.duration_s, said.road_m, said.source) == (900, 12_000, ROUTER)
    for zone in (None, "80002", "80003", "é"):
        guess = journeys.to(PLACE, 1_000.0, zone)
        assert (guess.duration_s, guess.road_m, guess.source) == (260.0, 2_000.0, ESTIMATE)
    elsewhere = msgspec.structs.replace(PLACE, territory_id=UUID(int=81))
    assert journeys.to(elsewhere, 1_000.0, None).duration_s == pytest.approx(120 + 1.3 * 72)


def test_a_patient_sets_out_from_the_commune_that_is_nearest_unless_it_is_known() -> None:
    journeys = Journeys(reaches={PLACE.id: packed({})})
    need = Need(service="dental", earliest=NOW, lon=2.2957, lat=49.8941)
    assert journeys.zone(need) == "80021"
    assert journeys.zone(msgspec.structs.replace(need, commune="80001")) == "80001"
    assert journeys.zone(msgspec.structs.replace(need, lon=None, lat=None)) is None
    assert journeys.zone(msgspec.structs.replace(need, lon=-30.0)) is None, "at sea"
    assert Journeys().zone(need) is None, "nobody needs it"


def test_a_search_says_who_says_how_long_the_journey_takes() -> None:
    world = directory_world.demonstration(directory_world.DEMO_AT)
    need = Need(service="cardiology", earliest=world.now, lon=2.2957, lat=49.8941)
    before = finder.find(world.seen, need, world.now, Wish(limit=5)).places
    assert {place.travel_from for place in before} == {ESTIMATE}
    first = before[0]
    known = {first.location.id: packed({"80021": Leg(777, 9_999)})}
    seen = world.seen.with_journeys(Journeys(reaches=known))
    after = finder.find(seen, need, world.now, Wish(limit=5)).places
    assert [place.service.id for place in after] == [place.service.id for place in before]
    for place in after:
        same = place.location.id == first.location.id
        assert place.travel_from == (ROUTER if same else ESTIMATE)
        assert (place.travel_s == 777) == same
    candidates = seen.search(need, world.now).eligible
    assert {one.travel_s for one in candidates if one.location.id == first.location.id} == {777}
    assert finder.find(world.seen, need, world.now, Wish(limit=5)).places == before


@given(st.floats(-5, 9), st.floats(42, 51), st.integers(1, 40))
def test_the_communes_around_are_the_nearest(lon: float, lat: float, count: int) -> None:
    found = gazetteer.around(lon, lat, count, 1e7)
    assert len(found) == count == len({one.insee for one in found})
    assert found[0] == gazetteer.nearest(lon, lat, 1e7)
    assert len(gazetteer.around(lon, lat, count, 1_000.0)) <= count


def test_links_take_the_word_of_the_router_too() -> None:
    world = directory_world.demonstration(directory_world.DEMO_AT)
    arcs = links.freeze(world.seen, world.sends)
    target = int(arcs.onward.of(int(arcs.back.ends[0]))[0])
    sender = int(arcs.back.of(target)[0])
    commune = world.seen.locations[sender].commune
    said = {world.seen.locations[target].id: packed({commune: Leg(4_321, 9)})}
    asked = links.freeze(world.seen.with_journeys(Journeys(reaches=said)), world.sends)
    at = int(arcs.onward.offsets[sender]) + arcs.onward.of(sender).tolist().index(target)
    assert (asked.duration_s[at], asked.road_m[at]) == (4_321, 9)
    assert arcs.duration_s[at] != 4_321
    assert asked.onward.ends.tolist() == arcs.onward.ends.tolist()
