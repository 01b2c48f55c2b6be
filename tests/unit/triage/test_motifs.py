import csv
from pathlib import Path

import pytest

from triage import entitlement, library, motifs, recogniser

PUBLISHED = (
    Path(__file__).parents[4]
    / "shared/data/ans/SAMU-Hub-Modeles/nomenclature_parser/out/latest/csv/HubSante.motif.csv"
)
MOTIFS = motifs.shipped()
R = recogniser.shipped()


@pytest.mark.skipif(not PUBLISHED.exists(), reason="shared data absent: published list not read")
def test_every_published_reason_is_mapped_under_its_own_label() -> None:
    with PUBLISHED.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 52
    published = {row["code"]: (row["label_n1"] or row["label_n2"]).strip() for row in rows}
    assert {motif.code: motif.label for motif in MOTIFS.values()} == published


@pytest.mark.parametrize("motif", MOTIFS.values(), ids=lambda motif: motif.code)
def test_a_reason_has_complaints_or_a_physician_at_once(motif: motifs.Motif) -> None:
    assert bool(motif.complaints) != motif.physician
    floors = []
    for code in motif.complaints:
        complaint = R.complaint(code)
        assert complaint is not None, code
        floors.append(complaint.default_acuity)
    assert floors == sorted(floors), "the most severe floor first"


def test_every_complaint_has_a_protocol_or_a_physician_or_needs_no_regulation() -> None:
    """What needs no regulation by the centre's list (certificates) needs no protocol."""
    covered = {code for one in library.load().protocols for code in one.file.complaints}
    unregulated = set(entitlement.priority_table().unregulated.complaints)
    for complaint in R.complaints():
        known = complaint.code in covered or complaint.code in unregulated
        assert known != complaint.physician, complaint.code


def test_every_complaint_is_sent_to_partners_under_a_published_reason() -> None:
    for complaint in R.complaints():
        assert complaint.motif in MOTIFS, complaint.code


def test_every_floor_names_its_source() -> None:
    sources = {citation.id for citation in R.citations()}
    used = {cite for complaint in R.complaints() for cite in complaint.cites}
    assert used == sources
    assert all(complaint.cites for complaint in R.complaints())


def test_the_complaint_to_assume_is_the_first_and_none_for_a_physician() -> None:
    assert MOTIFS["M03.08"].complaint == "stroke"
    assert MOTIFS["M07.00"].complaint is None
