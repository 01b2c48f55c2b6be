"""The beds form: what was typed or pressed as a report; its pages in both languages."""

from datetime import timedelta
from typing import Any

import pytest

from console import capacities, render, sources
from console.capacities import BedRow, Beds
from console.catalogue import Words
from console.forms import Form
from directory.capacity import CapacityKind, Cause
from directory.capacity_reports import Capacity
from directory.consent import Freshness
from directory.source_limits import SourceLimit
from kernel.actor import Role
from tests.unit.console.shown import NOW, a_head, an_id

SHOWN = {
    "sequence": "4", "shown_total": "12", "shown_occupied": "9", "total": "12", "occupied": "7",
    "cause": "census",
}  # fmt: skip


def bed(occupied: int, freshness: Freshness = Freshness.FRESH) -> BedRow:
    told = Capacity(
        care_service_id=an_id(80), kind=CapacityKind.HOSPITAL_BED, total=12, occupied=occupied,
        free=max(0, 12 - occupied), over=occupied > 12, cause=Cause.CENSUS, sequence=4,
        source="own", actor_id=an_id(81), role=Role.CLINIC, as_of=NOW - timedelta(minutes=20),
        freshness=freshness,
    )  # fmt: skip
    return BedRow(place="CH Modèle", label="lits d'hospitalisation", told=told)


def understood(**changes: str) -> Any:
    return capacities.understand(Form(values=SHOWN | changes))


@pytest.mark.parametrize(
    ("changes", "occupied", "cause"),
    [
        ({}, 7, "census"),
        ({"step": "admission"}, 10, "admission"),
        ({"step": "discharge"}, 8, "discharge"),
        ({"step": "discharge", "shown_occupied": "0"}, 0, "discharge"),
        ({"cause": "correction", "over": "1", "occupied": "14"}, 14, "correction"),
    ],
)
def test_a_form_or_a_button_is_one_report_after_the_one_shown(
    changes: dict[str, str], occupied: int, cause: str
) -> None:
    said, wrong = understood(**changes)
    assert wrong == {}
    assert (said.sequence, said.total, said.occupied, said.cause) == (5, 12, occupied, cause)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"occupied": "many"}, {"occupied"}),
        ({"total": "-1", "occupied": ""}, {"total", "occupied"}),
        ({"total": "10001"}, {"total"}),
        ({"cause": "whim"}, {"total"}),
        ({"step": "admission", "shown_total": "x"}, {"total"}),
    ],
)
def test_what_cannot_be_read_is_said_by_field(changes: dict[str, str], fields: set[str]) -> None:
    said, wrong = understood(**changes)
    assert said is None
    assert set(wrong) == fields


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_panel_says_free_full_and_over_with_their_age(language: str) -> None:
    words = Words(language=language)
    panel = Beds(
        rows=(bed(9), bed(12, Freshness.MARKED), bed(14, Freshness.OUTDATED)),
        services=(("a", "CH Modèle"),), kinds=(("hospital_bed", "x"),), problem="sequence",
    )  # fmt: skip
    text = render.html("beds.html", words, head=a_head("cabinet"), beds=panel)
    for key, values in (
        ("beds.free", {"free": 3, "total": 12}),
        ("beds.full", {"occupied": 12, "total": 12}),
        ("beds.overfull", {"occupied": 14, "total": 12}),
        ("beds.ago", {"ago": words.span(1200)}),
        ("freshness.marked", {}),
        ("freshness.outdated", {}),
    ):
        assert words.t(key, **values) in text, key
    empty = render.html("beds.html", words, head=a_head("cabinet"), beds=None)
    assert "<form" not in empty


@pytest.mark.parametrize("sets", [True, False])
def test_limits_are_shown_to_all_who_may_read_and_a_form_to_those_who_may_set(sets: bool) -> None:
    limit = SourceLimit(
        source="editor", marked_after_s=5400, refused_after_s=86_400, own_limit=True, diaries=7,
        last_told=NOW - timedelta(hours=30), marked=3, refused=1,
    )  # fmt: skip
    row = sources.Row(limit=limit, marked=sources.hours(5400), refused=sources.hours(86_400))
    shown = sources.Sources(rows=[row], sets=sets)
    text = render.html("sources.html", Words(), head=a_head("sources"), sources=shown)
    assert ("<form class" in text) is sets
    assert "1 agenda non proposé" in text
    assert "2 agendas marqués" in text
    assert "1.5" in text
