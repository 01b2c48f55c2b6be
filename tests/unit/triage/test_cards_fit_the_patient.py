"""The instruction on the screen fits the patient: none that would harm, none that is missing."""

import pytest

from triage import library
from triage.assessment import Observation
from triage.engine import assess
from triage.finding import LAY_CALLER, Finding
from triage.protocol import Answer

LIBRARY = library.load()


def cards(complaint: str, facts: dict[str, Answer]) -> set[str]:
    found = assess(
        LIBRARY.choose(complaint, allow_draft=True),
        [Finding(input=key, value=value) for key, value in facts.items()],
        Observation(context=LAY_CALLER),
    )
    return {card.id for card in found.cards}


@pytest.mark.parametrize("complaint", ["cardiac-arrest", "altered-consciousness", "syncope"])
def test_nobody_who_needs_a_massage_is_turned_on_the_side(complaint: str) -> None:
    shown = cards(complaint, {"age_y": 70, "responds": False, "breathes_normally": False})
    assert "cpr-adult" in shown
    assert "recovery-position" not in shown


def test_who_gasps_for_air_and_is_awake_is_not_laid_down() -> None:
    facts: dict[str, Answer] = {
        "age_y": 70,
        "responds": True,
        "breathes_normally": False,
        "blue_lips": True,
        "cannot_speak_sentence": True,
    }
    assert "recovery-position" not in cards("dyspnoea", facts)


def test_who_sleeps_and_breathes_is_turned_on_the_side() -> None:
    facts: dict[str, Answer] = {"age_y": 70, "responds": False, "breathes_normally": True}
    assert "recovery-position" in cards("altered-consciousness", facts)


def test_a_chest_pain_that_lasts_has_its_card() -> None:
    facts: dict[str, Answer] = {"age_y": 60, "sex": "M", "pain_now": True}
    assert "chest-pain" in cards("chest-pain", facts)
