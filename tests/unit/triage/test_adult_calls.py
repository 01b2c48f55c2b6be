"""Calls about adults, through everything that is chosen for their complaint."""

import pytest

from triage import library
from triage.acuity import Acuity
from triage.assessment import Assessment, Observation
from triage.engine import assess
from triage.finding import LAY_CALLER, Finding
from triage.protocol import Answer, Input

LIBRARY = library.load()
MAN: dict[str, Answer] = {"age_y": 40, "sex": "M"}
CALLS: tuple[tuple[str, str, dict[str, Answer], Acuity], ...] = (
    (
        "a diabetic woman of 78 with nausea and a burning that stopped three hours ago",
        "chest-pain",
        {
            "age_y": 78,
            "sex": "F",
            "pain_now": False,
            "hours_since_last_pain": 3,
            "quality": "burning",
            "nausea_vomiting": True,
            "diabetic": True,
        },
        "U1",
    ),
    (
        "a faint in the toilet with black stools since yesterday",
        "syncope",
        {"age_y": 61, "sex": "M", "black_or_bloody_stool": True},
        "U1",
    ),
    (
        "a first colic at 71",
        "flank-pain",
        {"age_y": 71, "sex": "M", "flank_pain": True, "similar_before": False},
        "U1",
    ),
    (
        "a headache of the whole family",
        "headache",
        {"age_y": 35, "sex": "M", "co_suspected": True},
        "U1",
    ),
    (
        "an arm weak for twenty minutes, well again",
        "stroke",
        {
            "age_y": 59,
            "sex": "M",
            "focal_deficit": True,
            "deficit_gone": True,
            "hours_since_well": 2,
        },
        "U1",
    ),
    (
        "a period five days late and a little blood",
        "abdominal-pain",
        {"age_y": 24, "sex": "F", "pregnant": False, "late_period": True, "vaginal_bleeding": True},
        "U1",
    ),
    (
        "no fever, only weak, ten days after chemotherapy",
        "febrile-neutropenia",
        {"age_y": 62, "sex": "F", "chemo_recent": True, "fever": False, "general_weakness": True},
        "U1",
    ),
    (
        "a head that hit the floor on a blood thinner",
        "fall",
        {"age_y": 79, "sex": "F", "head_hit": True, "anticoagulant": True},
        "U1",
    ),
    (
        "heart tablets taken two hours ago, well",
        "poisoning",
        {"age_y": 50, "sex": "M", "dangerous_medicine": True, "intentional": True},
        "U1",
    ),
    (
        "a sciatica that sits on cotton wool",
        "back-pain",
        {"age_y": 44, "sex": "M", "saddle_numbness": True},
        "U1",
    ),
    (
        "a father who fainted in the garage and is still inside",
        "carbon-monoxide",
        {"age_y": 45, "sex": "M", "recent_faint": True, "still_exposed": True},
        "U0",
    ),
)
COMPLAINTS = sorted(
    {
        complaint
        for protocol in LIBRARY.protocols
        if protocol.file.kind == "complaint" and protocol.file.population.when == "age_y >= 16"
        for complaint in protocol.file.complaints
    }
)


def told(complaint: str, facts: dict[str, Answer]) -> Assessment:
    """Assess what was told, by everything chosen for the complaint."""
    return assess(
        LIBRARY.choose(complaint, allow_draft=True),
        [Finding(input=key, value=value) for key, value in facts.items()],
        Observation(context=LAY_CALLER),
    )


def calm(entry: Input) -> Answer:
    """Give the most harmless answer to a question."""
    if entry.type == "bool":
        return entry.worse == "false"
    if entry.type == "choice":
        return entry.choices[0 if entry.worse == "listed" else -1]
    low, high = entry.range or (0.0, 0.0)
    if entry.normal is not None:
        return entry.normal[0]
    return low if entry.worse == "up" else high


@pytest.mark.parametrize(
    ("complaint", "facts", "level"), [call[1:] for call in CALLS], ids=[call[0] for call in CALLS]
)
def test_a_call_reaches_its_level(complaint: str, facts: dict[str, Answer], level: Acuity) -> None:
    assert told(complaint, facts).assured == level


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_an_adult_with_the_complaint_has_a_pathway(complaint: str) -> None:
    assert not told(complaint, dict(MAN)).physician_required


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_an_interview_of_a_caller_ends_and_calm_answers_give_no_emergency(complaint: str) -> None:
    chosen = LIBRARY.choose(complaint, allow_draft=True)
    facts: dict[str, Answer] = dict(MAN)
    for _ in range(120):
        question = told(complaint, facts).next_question
        if question is None:
            break
        assert question.input not in facts
        entry = next(e for p in chosen if (e := p.input(question.input)) is not None)
        assert entry.device is None
        facts[question.input] = calm(entry)
    got = told(complaint, facts)
    assert got.closed
    assert got.assured is None or got.assured > "U1"
