"""Vignettes with a diagnosis and no triage label: nothing crashes, no red flag is lost.

The text read is what a caller may tell (complaint, story, what is absent, who); the diagnosis is
never read. A red flag is a diagnosis that any textbook of emergency medicine sends within two
hours; the list below was written from the diagnoses alone.
"""

import json
from pathlib import Path

import msgspec
import pytest

from triage import library, proposing, reader
from triage.acuity import most_severe
from triage.labelled import Facts

AVEY = Path(__file__).parents[4] / "shared/data/triage/avey/avey_vignettes.jsonl"
pytestmark = pytest.mark.skipif(not AVEY.exists(), reason="shared data absent: vignettes not tried")
RED_FLAGS = frozenset(
    {
        "abdominal aortic aneurysm", "abruptio placenta", "acute angle closure glaucoma",
        "acute appendicitis", "acute cholangitis", "acute cholecystitis", "acute liver failure",
        "acute pancreatitis", "acute renal failure", "adrenal insufficiency", "aortic dissection",
        "brain abscess", "cardiac tamponade", "cerebral stroke", "congestive heart failure",
        "deep venous thrombosis", "diabetic ketoacidosis", "ectopic pregnancy", "epiglottitis",
        "foreign body aspiration", "infantile meningitis", "infective endocarditis", "malaria",
        "meningitis", "myocardial infarction", "myocarditis", "pericardial effusion",
        "peritonitis", "pneumonia", "pre-eclampsia", "preterm labor",
        "primary spontaneous pneumothorax", "pulmonary embolism", "rhabdomyolysis",
        "ruptured abdominal aortic aneurysm", "ruptured ectopic pregnancy",
        "secondary spontaneous pneumothorax", "shoulder dislocation", "spontaneous abortion",
        "testicular torsion", "threatened abortion", "typical pneumonia", "unstable angina",
        "upper gastrointestinal bleeding", "variant angina", "pyelonephritis", "heart failure",
        "liver abscess", "pericarditis",
    }
)  # fmt: skip
TOLD = ("demographics", "chief_complaints", "presentation", "absent_findings", "physical_history")


class Vignette(msgspec.Struct, frozen=True):
    """What is told, and apart from it the diagnosis."""

    text: str
    diagnosis: str


def vignettes() -> list[Vignette]:
    rows = [json.loads(line) for line in AVEY.read_text("utf-8").splitlines()]
    return [
        Vignette(
            text=". ".join(str(row.get(key) or "") for key in TOLD),
            diagnosis=row["correct_diagnosis"].strip().lower(),
        )
        for row in rows
    ]


def level(loaded: library.Library, vignette: Vignette) -> str | None:
    facts = Facts(id="vignette", text=vignette.text)
    assessment = proposing.propose(loaded, reader.shipped(), facts)
    return most_severe(assessment.assured, assessment.default_acuity)


def test_every_vignette_is_read_the_same_way_twice() -> None:
    shipped = reader.shipped()
    for vignette in vignettes():
        reading = shipped.read(vignette.text)
        assert reading == shipped.read(vignette.text)
        assert reading.recognition.matches or reading.recognition.suggestions or reading.facts


def test_age_and_sex_of_nearly_every_vignette_are_read() -> None:
    shipped = reader.shipped()
    known = [{fact.input for fact in shipped.read(one.text).facts} for one in vignettes()]
    assert sum({"age_y", "sex"} <= keys for keys in known) / len(known) > 0.97


def test_red_flags_are_sent_within_two_hours() -> None:
    red = [one for one in vignettes() if one.diagnosis in RED_FLAGS]
    loaded = library.load()
    missed = [one.diagnosis for one in red if (level(loaded, one) or "U5") > "U2"]
    recall = 1 - len(missed) / len(red)
    print(f"red flags {len(red)}, recall {recall:.3f}, missed {missed}")
    assert recall >= 0.97, missed
