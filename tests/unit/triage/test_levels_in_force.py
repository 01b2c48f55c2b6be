"""The level in force rises at once and falls only by a human's word."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.actor import Role
from triage.acuity import SCALE, Acuity, most_severe
from triage.entitlement import (
    closing_refusal,
    confirmation_refusal,
    deferral_refusal,
    physician_reasons,
    priority_refusal,
    proposed_priority,
)
from triage.model import Case
from triage.recalls import minutes, recall_table
from triage.standing import Levels, stand

acuities = st.sampled_from([None, *SCALE])
levels = st.builds(Levels, assured=acuities, proposed=acuities)
CASE = msgspec.convert(
    {
        "id": uuid4(), "territory_id": uuid4(), "incident_id": None, "key_id": uuid4(),
        "opened_by": uuid4(), "opened_at": "2026-01-01T00:00:00Z", "state": "taken",
        "complaint": None, "sex": None, "age_years": 40.0, "place": None, "default_acuity": None,
        "assessment_id": uuid4(), "acuity_assured": None, "acuity_worst": "U4",
        "acuity_proposed": "U4", "interval_closed": True, "physician_required": False,
        "priority": None, "stream": None, "qualified_at": None, "awaiting_since": None,
        "taken_by": None, "decided_at": None, "care_level": None,
        "responsible_actor_id": uuid4(), "responsible_organisation_id": None, "closed_at": None,
        "close_outcome": None, "heard_at": "2026-01-01T00:00:00Z",
    },
    Case,
)  # fmt: skip


def case(**fields: Any) -> Case:
    return msgspec.structs.replace(CASE, **fields)


def severity(level: Acuity | None) -> int:
    return len(SCALE) if level is None else SCALE.index(level)


@given(levels, levels, levels, acuities)
def test_no_assessment_lowers_what_is_in_force(
    before: Levels, fresh: Levels, whole: Levels, worst: Acuity | None
) -> None:
    after = stand(before, fresh, whole, worst)
    assert severity(after.assured) <= severity(before.assured)
    assert severity(after.proposed) <= severity(before.proposed)
    assert severity(after.worst) <= severity(after.assured)


@given(levels, levels, levels, acuities)
def test_a_worse_assessment_is_in_force_at_once(
    before: Levels, fresh: Levels, whole: Levels, worst: Acuity | None
) -> None:
    after = stand(before, fresh, whole, worst)
    assert severity(after.assured) <= severity(fresh.assured)
    assert severity(after.proposed) <= severity(fresh.proposed)


@given(levels, levels, acuities)
def test_something_waits_exactly_when_the_answers_say_less(
    before: Levels, fresh: Levels, worst: Acuity | None
) -> None:
    after = stand(before, fresh, fresh, worst)
    less = severity(fresh.assured) > severity(before.assured) or severity(
        fresh.proposed
    ) > severity(before.proposed)
    assert (after.lower is not None) == less
    if after.lower is not None:
        assert after.lower == fresh


def test_an_answer_that_grew_too_old_lowers_nothing_and_proposes_nothing() -> None:
    before = Levels(assured="U1", proposed="U1")
    after = stand(before, Levels(), before, "U0")
    assert (after.assured, after.proposed, after.lower) == ("U1", "U1", None)


@given(acuities, acuities, st.booleans(), st.sampled_from(list(Role)))
def test_u0_to_u2_is_lowered_by_a_physician_only_and_never_without_a_reason(
    assured: Acuity | None, proposed: Acuity | None, has_reason: bool, role: Role
) -> None:
    one = case(acuity_assured=assured, acuity_proposed=proposed)
    refusal = confirmation_refusal(role, one, has_reason=has_reason)
    urgent = most_severe(assured, proposed) in {"U0", "U1", "U2"}
    if urgent and role is not Role.PHYSICIAN:
        assert refusal == "physician_only"
    else:
        assert refusal == (None if has_reason else "reason_missing")


@pytest.mark.parametrize(
    "fields",
    [
        {"interval_closed": False, "acuity_worst": "U1"},
        {"physician_required": True, "physician_reasons": ("no_matching_protocol",)},
        {"physician_required": True, "physician_reasons": ("third_call",)},
    ],
)
def test_an_open_case_is_deferred_by_a_physician_only(fields: dict[str, Any]) -> None:
    one = case(**fields)
    for role in (Role.OPERATOR, Role.OSNP):
        assert deferral_refusal(role, one) == "physician_only"
        assert priority_refusal(role, one, "P3", has_reason=True) == "physician_only"
    assert deferral_refusal(Role.PHYSICIAN, one) is None
    assert priority_refusal(Role.PHYSICIAN, one, "P3", has_reason=False) is None
    assert proposed_priority(one) == "P2"
    assert proposed_priority(CASE) == "P3"
    assert priority_refusal(Role.OPERATOR, CASE, "P3", has_reason=False) is None


def test_an_open_case_that_no_physician_decided_is_closed_by_one_only() -> None:
    decided = case(decided_at=CASE.opened_at)
    reopened = case(decided_at=CASE.opened_at, interval_closed=False, acuity_worst="U1")
    assert closing_refusal(Role.OPERATOR, decided, by_physician=False) is None
    assert closing_refusal(Role.OPERATOR, reopened, by_physician=False) == "physician_only"
    assert closing_refusal(Role.OPERATOR, reopened, by_physician=True) is None
    assert closing_refusal(Role.PHYSICIAN, reopened, by_physician=False) is None


def test_what_a_human_raised_is_lowered_with_a_reason() -> None:
    raised = case(priority="P0")
    assert priority_refusal(Role.OPERATOR, raised, "P2", has_reason=False) == "reason_missing"
    assert priority_refusal(Role.OPERATOR, raised, "P2", has_reason=True) is None
    assert priority_refusal(Role.OPERATOR, case(priority="P2"), "P1", has_reason=False) is None


def test_the_third_call_needs_a_physician() -> None:
    assert physician_reasons(unmatched=False, calls_96h=2) == ()
    assert physician_reasons(unmatched=False, calls_96h=3) == ("third_call",)
    assert physician_reasons(unmatched=True, calls_96h=9) == ("no_matching_protocol", "third_call")


def test_no_third_call_goes_without_regulation() -> None:
    paper = case(complaint="administrative", acuity_proposed=None)
    assert priority_refusal(Role.OPERATOR, paper, "NR", has_reason=False) is None
    third = case(
        complaint="administrative", acuity_proposed=None, physician_reasons=("third_call",)
    )
    assert (
        priority_refusal(Role.OPERATOR, third, "NR", has_reason=False) == "unregulated_not_listed"
    )


def test_the_more_urgent_is_called_again_the_sooner() -> None:
    times = [minutes(level, vital_possible=False) for level in SCALE]
    assert times == sorted(times)
    assert all(one > 0 for one in times)
    assert set(recall_table().minutes) == set(SCALE)


@given(acuities)
def test_a_possible_danger_is_never_called_later_than_an_assured_u1(level: Acuity | None) -> None:
    assert minutes(level, vital_possible=True) <= minutes("U1", vital_possible=False)
