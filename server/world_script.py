"""What happens in the demo's small live world: when calls come, who calls, with what.

Pure and seeded. Everybody here is obviously fictitious: names say so, telephone numbers come from
the range that ARCEP keeps for fiction (06 39 98 xx xx).
"""

import random
from datetime import datetime
from typing import Final

import msgspec

from server.replay_cases import RecordedCase

DOSSIERS_PER_DAY: Final = 836
"""Case files a day per million inhabitants. Source: DREES 2022, 20.7 million a year in France."""
URGENT_SHARE: Final = 0.35
"""Of the dossiers; the rest is unscheduled care. Source: the simulator defaults of the project."""
WEEKEND: Final[dict[int, float]] = {5: 1.45, 6: 1.6}
"""Factor by weekday (5 Saturday, 6 Sunday); other days count as they are."""
MILLION: Final = 1_000_000
DAY_H: Final = 24


class Stretch(msgspec.Struct, frozen=True):
    """Hours [start, end) of a local day with a factor on the mean rate."""

    start: int
    end: int
    factor: float


URGENT: Final = (Stretch(0, 3, 0.7), Stretch(3, 6, 0.4), Stretch(6, 10, 0.9), Stretch(10, 21, 1.3))
"""Flat, with a trough around four o'clock and a plateau by day."""
UNSCHEDULED: Final = (
    Stretch(0, 7, 0.3),
    Stretch(9, 12, 1.5),
    Stretch(18, 21, 1.9),
    Stretch(22, 24, 0.3),
)
"""A hump in the morning and one in the evening, quiet nights."""


class Presentation(msgspec.Struct, frozen=True, kw_only=True):
    """Why somebody calls: a recorded case without an id, and how often it occurs.

    Attributes:
        weight: Share among the presentations, relative.
        recorded: What the caller says or measures; the rest stays open.
    """

    weight: float
    recorded: RecordedCase


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A caller who does not exist."""

    family: str
    given: str
    phone: str


def _case(complaint: str, **recorded: object) -> RecordedCase:
    values = {"id": "world", "complaint_text": complaint, **recorded}
    return msgspec.convert(values, RecordedCase)


PRESENTATIONS: Final = (
    Presentation(weight=4, recorded=_case("fièvre", age_y=34, sex="F", avpu="A", temp_c=38.6)),
    Presentation(weight=4, recorded=_case("toux et fièvre", age_y=61, sex="M", temp_c=38.9)),
    Presentation(weight=3, recorded=_case("douleur abdominale", age_y=27, sex="F", pain_nrs=6)),
    Presentation(weight=3, recorded=_case("mal de dos", age_y=45, sex="M", pain_nrs=5)),
    Presentation(weight=3, recorded=_case("mal de gorge", age_y=19, sex="F", avpu="A")),
    Presentation(
        weight=2, recorded=_case("entorse de la cheville", age_y=31, sex="M", injury=True)
    ),
    Presentation(weight=2, recorded=_case("vertiges", age_y=72, sex="F", avpu="A", sbp=150)),
    Presentation(weight=2, recorded=_case("vomissements", age_y=24, sex="M", avpu="A")),
    Presentation(weight=2, recorded=_case("douleur thoracique", age_y=58, sex="M", pain_nrs=7)),
    Presentation(
        weight=1, recorded=_case("essoufflement", age_y=77, sex="F", rr=26, spo2=91, avpu="A")
    ),
    Presentation(
        weight=1, recorded=_case("plaie de la main", age_y=40, sex="M", injury=True, pain_nrs=4)
    ),
    Presentation(weight=0.3, recorded=_case("ne répond pas", age_y=69, sex="M", avpu="U", rr=8)),
)
"""About the mix of an evening of unscheduled care with a few emergencies in it."""

FAMILY: Final = ("Exemple", "Modèle", "Fictif", "Témoin", "Essai", "Échantillon", "Maquette")
GIVEN: Final = ("Alix", "Camille", "Dominique", "Lou", "Maxence", "Noa", "Sacha", "Yaël")


def calls_per_hour(local: datetime, inhabitants: int, speed: float = 1.0) -> float:
    """Give the mean rate of calls that become a case.

    Args:
        local: Moment on the wall clock of the territory.
        inhabitants: Of the territory.
        speed: How much busier than reality the world is.
    """
    mean = DOSSIERS_PER_DAY * inhabitants / MILLION / DAY_H * WEEKEND.get(local.weekday(), 1.0)
    urgent = URGENT_SHARE * _factor(URGENT, local.hour)
    unscheduled = (1 - URGENT_SHARE) * _factor(UNSCHEDULED, local.hour)
    return mean * (urgent + unscheduled) * speed


def wait_s(dice: random.Random, per_hour: float, shortest_s: float) -> float:
    """Draw the time to the next call: exponential, bounded below so that nothing floods.

    Args:
        dice: Seeded.
        per_hour: Mean rate, above 0.
        shortest_s: Never sooner than this.
    """
    return max(shortest_s, dice.expovariate(per_hour / 3600))


def presentation(dice: random.Random) -> RecordedCase:
    """Draw why somebody calls, with an age near the one written down.

    Args:
        dice: Seeded.
    """
    weights = [one.weight for one in PRESENTATIONS]
    recorded = dice.choices(PRESENTATIONS, weights)[0].recorded
    age = max(16, (recorded.age_y or 40) + dice.randint(-8, 8))
    return msgspec.structs.replace(recorded, age_y=age)


def person(dice: random.Random) -> Person:
    """Invent a caller.

    Args:
        dice: Seeded.
    """
    return Person(
        family=f"{dice.choice(FAMILY)} (fictif)",
        given=dice.choice(GIVEN),
        phone=f"+3363998{dice.randrange(10_000):04d}",
    )


def _factor(stretches: tuple[Stretch, ...], hour: int) -> float:
    return next((one.factor for one in stretches if one.start <= hour < one.end), 1.0)
