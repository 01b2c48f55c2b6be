"""The radius of a search: what the real table says of the patient's department."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory import distance, gazetteer, places, search_radii
from directory.distance import SearchRadius

SOURCE = Path("../shared/data/france/sas_search_radius_2025.csv")


@pytest.mark.parametrize(
    ("commune", "radii"),
    [
        ("75056", (5_000, 8_000, 11_000, 14_000)),
        ("48095", (50_000, 75_000, 100_000, 102_000)),
        ("2A004", (30_000, 45_000, 60_000, 75_000, 90_000, 105_000, 109_000)),
        ("97411", (*range(10_000, 50_000, 5_000), 50_000)),
        ("97302", (10_000, 20_000, 30_000, 40_000, 50_000)),
    ],
)
def test_each_department_widens_by_its_own_step(commune: str, radii: tuple[int, ...]) -> None:
    assert search_radii.around(0.0, 0.0, commune).radii() == radii


def test_the_department_of_coordinates_is_that_of_the_nearest_commune() -> None:
    assert search_radii.around(2.35, 48.857).default_m == 5_000
    assert search_radii.around(3.5, 44.52).default_m == 50_000
    assert search_radii.around(-30.0, 45.0) == search_radii.ELSEWHERE, "nobody lives at sea"


def test_every_radius_grows_and_the_demonstration_says_the_same() -> None:
    assert len(search_radii.table()) == 99
    for radius in search_radii.table().values():
        radii = radius.radii()
        assert radii == tuple(sorted(set(radii)))
        assert 5_000 <= radii[0] <= radii[-1] <= 150_000
    assert search_radii.of_department("80") == places.territory().search.radius


@pytest.mark.skipif(not SOURCE.exists(), reason="the source table is not on this machine")
def test_the_table_says_what_its_source_says() -> None:
    with SOURCE.open(encoding="utf-8-sig", newline="") as lines:
        for row in csv.DictReader(lines):
            code = {"20A": "2A", "20B": "2B"}.get(row["code"], row["code"].zfill(2))
            if row["cityDefaultRadius"] == "0":
                assert code not in search_radii.table()
                continue
            assert search_radii.of_department(code) == SearchRadius(
                default_m=1_000 * int(row["cityDefaultRadius"]),
                step_m=1_000 * int(row["enlargementValue"]),
                maximum_m=1_000 * int(row["countyRadius"]) or search_radii.ELSEWHERE.maximum_m,
            )


@given(st.floats(-5, 9), st.floats(42, 51))
def test_the_nearest_commune_is_the_nearest(lon: float, lat: float) -> None:
    every = gazetteer.communes()
    some = every[:: max(1, len(every) // 200)]
    found = gazetteer.nearest(lon, lat, 1e7)
    assert found is not None
    told = distance.one(lon, lat, found.lon, found.lat)
    assert all(told <= distance.one(lon, lat, one.lon, one.lat) + 0.01 for one in some)
