"""Who has care within reach: the arrays say what judging each pair says; the page comes out."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directory import codes, coverage, distance, eligibility, gazetteer, outlines
from directory.consent import Audience
from directory.coverage import Cover
from directory.gazetteer import Commune
from directory.model import Modality, Need
from directory.snapshot import Snapshot
from server import directory_graph, directory_world

ROOT = Path(__file__).resolve().parents[3]


@cache
def world() -> directory_world.World:
    return directory_world.demonstration(directory_world.DEMO_AT)


@cache
def somme() -> tuple[Commune, ...]:
    return gazetteer.of_department("80")


def judged(seen: Snapshot, need: Need, commune: Commune) -> int:
    """Count the care services that take the patient from a commune, one verdict each."""
    asked = msgspec.structs.replace(need, lon=commune.lon, lat=commune.lat, commune=commune.insee)
    capability = seen.capability(need.service)
    rows: Sequence[int] = () if capability is None else capability.rows.tolist()
    audience = Audience.CENTRE
    return sum(
        eligibility.judge(
            asked,
            seen.services[row],
            seen.locations[row],
            None if need.deadline is None else seen.openings(row, asked, need.earliest, audience),
        ).eligible
        for row in rows
    )


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(codes.load().service)),
    st.integers(0, 770),
    st.sampled_from([3_000, 12_345, 20_000, 45_000]),
    st.sampled_from([None, 0, 5 * 12, 40 * 12]),
    st.sampled_from([None, 4, 30]),
)
def test_a_commune_is_covered_by_whom_judging_each_of_them_finds(
    code: str, at: int, radius_m: int, age_months: int | None, within_h: int | None
) -> None:
    now = world().now
    need = msgspec.structs.replace(
        coverage.patient(code, now, radius_m),
        age_months=age_months,
        deadline=None if within_h is None else now + timedelta(hours=within_h),
    )
    some = somme()[at : at + 1]
    found = coverage.cover(world().seen, some, need)
    assert found.counts.tolist() == [judged(world().seen, need, some[0])]


def test_the_nearest_office_is_the_nearest() -> None:
    found = cover("cardiology")
    seen = world().seen
    rows = seen.capability("cardiology").rows  # type: ignore[union-attr]
    for at in range(0, len(somme()), 50):
        one = somme()[at]
        metres = distance.great_circle_m(one.lon, one.lat, seen.lon[rows], seen.lat[rows])
        assert found.nearest_m[at] == pytest.approx(float(metres.min()), abs=0.01)
    assert found.farthest is not None
    assert found.farthest[1] == found.nearest_m.max()


def cover(code: str, *without: int) -> Cover:
    need = coverage.patient(code, world().now, 20_000)
    return coverage.cover(world().seen, somme(), need, without=without)


def test_a_closing_never_adds_coverage_and_the_last_one_takes_all() -> None:
    seen, whole = world().seen, cover("emergency_department")
    rows = seen.capability("emergency_department").rows.tolist()  # type: ignore[union-attr]
    for row in rows:
        assert (cover("emergency_department", row).counts <= whole.counts).all()
    assert not cover("emergency_department", *rows).counts.any()
    assert np.isinf(cover("emergency_department", *rows).nearest_m).all()
    assert cover("emergency_department", *rows).farthest is None


def test_where_nobody_takes_adults_the_patient_is_a_child() -> None:
    need = coverage.patient("paediatrics", world().now, 20_000)
    assert coverage.by_age(world().seen, somme(), need).age_months == coverage.CHILD
    nobody = msgspec.structs.replace(need, service="palliative_care")
    assert coverage.by_age(world().seen, somme(), nobody).offering == 0
    with pytest.raises(ValueError, match="within a radius"):
        coverage.cover(world().seen, somme(), msgspec.structs.replace(need, radius_m=None))


def test_who_is_only_spoken_to_covers_nobody() -> None:
    assert Modality.TELEPHONE not in coverage.patient("poison_centre", world().now, 1).modalities
    assert cover("poison_centre").offering == 0


def test_the_command_writes_the_page_and_the_map_of_the_documentation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert directory_graph.main(["coverage", "--demo", "--write", "docs"]) == 0
    for name in ("coverage.md", "coverage.svg"):
        said = (ROOT / "docs" / name).read_text("utf-8")
        assert (tmp_path / "docs" / name).read_text("utf-8") == said, "write docs/coverage again"
    assert "771  " in capsys.readouterr().out
    picture = ET.parse(tmp_path / "docs" / "coverage.svg")  # noqa: S314 - our own file
    assert len(picture.findall(".//{*}use")) == 9


def test_a_department_without_outline_gets_a_mark_for_each_commune() -> None:
    some = gazetteer.of_department("90")
    outline = outlines.of_department("90", some, 300.0)
    assert set(outline.communes) == {one.insee for one in some}
    assert outline.land.count("M") == len(some)
    assert outline.frame.height > 0


def test_nobody_is_counted_with_his_district_and_his_city() -> None:
    assert sum(one.population for one in gazetteer.of_department("75")) < 2_400_000
    assert len(gazetteer.of_department("75")) == 20
    assert gazetteer.of_department("XX") == ()
