"""A routing engine is asked in parts, believed only when it answers what was asked, in time."""

from collections.abc import Iterator

import pytest

from directory import distance
from interop.osrm import Osrm
from kernel import errors
from tests import osrm_engine
from tests.osrm_engine import Engine

AMIENS = (2.2957, 49.8941)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with osrm_engine.running() as one:
        yield one


def places(count: int) -> list[tuple[float, float]]:
    return [(2.0 + at / 1000, 49.5 + at / 2000) for at in range(count)]


def test_journeys_come_in_the_order_of_the_places_however_many(engine: Engine) -> None:
    origins = places(230)
    found = Osrm(engine.url).to_one(*AMIENS, origins)
    assert engine.asked == [100, 100, 33], "one question has at most a hundred coordinates"
    for leg, origin in zip(found, origins, strict=True):
        straight = distance.one(*origin, *AMIENS)
        assert leg is not None
        assert leg.road_m == pytest.approx(1.5 * straight, abs=2)
        assert leg.duration_s == pytest.approx(1.5 * straight / 10, abs=1)
    assert Osrm(engine.url).to_one(*AMIENS, []) == []


def test_where_there_is_no_way_nothing_is_said(engine: Engine) -> None:
    engine.no_way_east_of = 2.0015
    found = Osrm(engine.url).to_one(*AMIENS, places(4))
    assert [leg is None for leg in found] == [False, False, True, True]
    engine.mood = "off_map"
    assert Osrm(engine.url).to_one(*AMIENS, places(2)) == [None, None]


@pytest.mark.parametrize("mood", ["closed", "slow", "garbage", "broken", "short"])
def test_an_engine_that_does_not_answer_the_question_is_away(engine: Engine, mood: str) -> None:
    engine.mood = mood
    with pytest.raises(errors.Unavailable) as caught:
        Osrm(engine.url, limit_s=0.3).to_one(*AMIENS, places(2))
    assert caught.value.code == "router_away"


def test_a_question_that_is_refused_is_not_an_engine_that_is_away(engine: Engine) -> None:
    engine.mood = "refusing"
    with pytest.raises(errors.Invalid) as caught:
        Osrm(engine.url).to_one(*AMIENS, places(2))
    assert (caught.value.code, caught.value.fields["reason"]) == ("router_refused", "NoSegment")


def test_nobody_listens() -> None:
    with osrm_engine.running() as engine:
        url = engine.url
    with pytest.raises(errors.Unavailable):
        Osrm(url, limit_s=1).to_one(*AMIENS, places(1))


@pytest.mark.parametrize("url", ["", "ftp://host", "host:5000", "http://"])
def test_an_address_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http or https"):
        Osrm(url)


def test_its_name_tells_address_and_profile() -> None:
    assert Osrm("http://h:5000/fr/").name == "osrm h:5000/fr/table/v1/driving/"
    assert Osrm("https://h", profile="foot").name == "osrm h:443/table/v1/foot/"
