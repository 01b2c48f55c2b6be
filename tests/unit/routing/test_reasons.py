"""Reasons: the same code and values read well in both languages."""

import string
from datetime import UTC, datetime

import pytest

from directory import eligibility
from routing import reasons
from routing.model import Reason

NOW = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)


def said(code: str, **values: str | int | list[str]) -> tuple[str, str]:
    told = reasons.tell(Reason(code=code, values=values), NOW, "Europe/Paris")
    return told.fr, told.en


@pytest.mark.parametrize(
    ("told", "french", "english"),
    [
        (said("travel", travel_s=720), "12 min de trajet", "12 min away"),
        (said("travel", travel_s=5700), "1 h 35 de trajet", "1 h 35 away"),
        (said("starts", start_at="2026-03-02T16:20:00+00:00"), "aujourd'hui 17:20", "today 17:20"),
        (said("starts", start_at="2026-03-03T08:00:00Z"), "demain 09:00", "tomorrow 09:00"),
        (said("starts", start_at="2026-03-05T08:00:00Z"), "jeu. 05/03 09:00", "Thu 05/03 09:00"),
        (said("late", late_s=3 * 86_400), "3 j après l'échéance", "3 d after the deadline"),
        (said("seats", free=2, capacity=4), "plage : 2 place(s) sur 4", "range: 2 of 4 places"),
        (said("accepts_overbooking"), "accepte surnuméraire", "accepts overbooking"),
        (said("change_radius_m", to_m=1500), "élargir à 1,5 km", "widen to 1.5 km"),
        (said("change_radius_m", to_m=23_400), "élargir à 24 km", "widen to 24 km"),
        (said("change_radius_m", to_m=800), "élargir à 800 m", "widen to 800 m"),
        (
            said("change_age_months", to_age=36),
            "si l'âge était de 3 ans",
            "if the age were 3 years",
        ),
        (
            said("change_age_months", to_age=3),
            "si l'âge était de 3 mois",
            "if the age were 3 months",
        ),
        (
            said("change_skills", to_codes=["suture"]),
            "se limiter à : Suture",
            "ask only for: Suture",
        ),
        (said("change_skills", to_codes=[]), "se limiter à : -", "ask only for: -"),
        (
            said("change_languages", to_codes=["en"]),
            "accepter aussi : anglais",
            "accept also: English",
        ),
        (said("change_service", to="pharmacy"), "demander : Pharmacie", "ask for: Pharmacy"),
        (said("of_another_version"), "of_another_version", "of_another_version"),
        (said("travel"), "? de trajet", "? away"),
    ],
)
def test_a_reason_reads_in_both_languages(told: tuple[str, str], french: str, english: str) -> None:
    assert told == (french, english)


def test_every_line_has_the_same_blanks_in_both_languages() -> None:
    for code, line in reasons.catalogue().items():
        blanks = [
            sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)
            for text in (line.fr, line.en)
        ]
        assert blanks[0] == blanks[1], code


def test_every_reason_and_caution_of_the_directory_has_a_line() -> None:
    known = reasons.catalogue().keys()
    assert {reason.value for reason in eligibility.Reason} <= known
    assert {caution.value for caution in eligibility.Caution} <= known


def test_every_field_that_a_change_can_name_has_a_line() -> None:
    fields = {
        "service", "active", "skills", "age_months", "referred", "languages", "accessibility",
        "modalities", "radius_m", "coverage_m", "hours", "openings", "deadline",
    }  # fmt: skip
    assert {f"change_{field}" for field in fields} <= reasons.catalogue().keys()
