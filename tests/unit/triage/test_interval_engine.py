"""The guarantees of the interval, tried over random partial and refused answers."""

from hypothesis import given, settings
from hypothesis import strategies as st

from triage import library
from triage.acuity import SCALE, Acuity, most_severe
from triage.assessment import Assessment, Observation
from triage.engine import assess
from triage.finding import LAY_CALLER, PROFESSIONAL, Finding, ObserverContext
from triage.protocol import Answer, Input, Protocol, Unanswerable

LIBRARY = library.load()
PROTOCOLS = LIBRARY.choose("chest-pain", allow_draft=True)
COMPLAINTS = sorted({c for p in LIBRARY.protocols for c in p.file.complaints})
INPUTS = {entry.key: entry for protocol in PROTOCOLS for entry in protocol.file.inputs}
REASONS: tuple[Unanswerable, ...] = ("caller_cannot_know", "not_obtainable_here", "refused")


def rank(level: Acuity | None) -> int:
    return len(SCALE) if level is None else SCALE.index(level)


def answer(entry: Input) -> st.SearchStrategy[Answer]:
    if entry.type == "bool":
        return st.booleans()
    if entry.type == "choice":
        return st.sampled_from(entry.choices)
    low, high = entry.range or (0.0, 1.0)
    edges = [
        edge
        for protocol in PROTOCOLS
        for parsed in protocol.scores
        for item in parsed.items
        if item.item.input == entry.key
        for edge, _ in item.item.bands
        if low <= edge <= high
    ]
    floats = st.floats(low, high, allow_nan=False)
    return st.sampled_from(edges) | floats if edges else floats


def finding(entry: Input) -> st.SearchStrategy[Finding]:
    answered = st.builds(Finding, input=st.just(entry.key), value=answer(entry))
    refused = st.builds(Finding, input=st.just(entry.key), unanswerable=st.sampled_from(REASONS))
    return st.one_of(answered, answered, answered, refused)


@st.composite
def partial_findings(draw: st.DrawFn, *, at_least: int = 0) -> list[Finding]:
    keys = draw(st.lists(st.sampled_from(sorted(INPUTS)), unique=True, min_size=at_least))
    return [draw(finding(INPUTS[key])) for key in keys]


def run(
    findings: list[Finding],
    protocols: tuple[Protocol, ...] = PROTOCOLS,
    context: ObserverContext = PROFESSIONAL,
) -> Assessment:
    return assess(protocols, findings, Observation(context=context))


def fired(assessment: Assessment) -> set[tuple[str, str]]:
    return {(entry.protocol, entry.rule) for entry in assessment.trace.fired}


def people() -> st.SearchStrategy[list[Finding]]:
    """Give what gates ask, often enough known for protocols to speak."""
    age = st.sampled_from([0.1, 1.0, 4.0, 11.9, 12.0, 15.9, 16.0, 40.0, 70.0])
    known = st.builds(
        lambda age_y, sex, pregnant: [
            Finding(input="age_y", value=age_y),
            Finding(input="sex", value=sex),
            Finding(input="pregnant", value=pregnant),
        ],
        age,
        st.sampled_from(["F", "M"]),
        st.booleans(),
    )
    return st.one_of(st.just([]), known, known, known)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_one_more_answer_never_lowers_assured_nor_worsens_worst(data: st.DataObject) -> None:
    """For every complaint shipped: exact, gates included."""
    chosen = LIBRARY.choose(data.draw(st.sampled_from(COMPLAINTS)), allow_draft=True)
    entries = {entry.key: entry for one in chosen for entry in one.file.inputs}
    found = {one.input: one for one in data.draw(people()) if one.input in entries}
    for key in data.draw(st.lists(st.sampled_from(sorted(entries)), unique=True, min_size=1)):
        found[key] = data.draw(finding(entries[key]))
    findings = data.draw(st.permutations(list(found.values())))
    before, after = run(findings[:-1], chosen), run(findings, chosen)
    assert rank(after.assured) <= rank(before.assured)
    assert rank(after.worst) >= rank(before.worst)
    assert fired(before) <= fired(after)


@settings(max_examples=80, deadline=None)
@given(partial_findings(), st.sampled_from(sorted(INPUTS)), st.sampled_from(REASONS))
def test_a_refusal_never_lowers_anything(
    findings: list[Finding], key: str, reason: Unanswerable
) -> None:
    others = [entry for entry in findings if entry.input != key]
    before, after = run(others), run([*others, Finding(input=key, unanswerable=reason)])
    assert rank(after.assured) <= rank(before.assured)
    assert after.worst == before.worst
    assert rank(after.proposed) <= rank(before.proposed)


@settings(max_examples=80, deadline=None)
@given(partial_findings())
def test_the_interval_is_ordered_and_the_default_is_a_floor(findings: list[Finding]) -> None:
    got = run(findings)
    assert rank(got.worst) <= rank(got.assured)
    gates = {entry.protocol: entry.state for entry in got.trace.gates}
    floors = (
        entry.file.default_acuity
        for entry in PROTOCOLS
        if entry.file.kind == "complaint" and gates[entry.file.id] != "unmet"
    )
    assert got.default_acuity == most_severe(*floors)
    assert got.proposed == most_severe(got.assured, got.default_acuity)


@settings(max_examples=50, deadline=None)
@given(partial_findings())
def test_order_has_no_meaning_and_equal_inputs_give_equal_results(findings: list[Finding]) -> None:
    again = sorted(findings, key=lambda entry: entry.input, reverse=True)
    assert run(findings) == run(again)
    backwards = run(findings, tuple(reversed(PROTOCOLS)))
    forwards = run(findings)
    assert (backwards.assured, backwards.worst) == (forwards.assured, forwards.worst)
    assert backwards.closed == forwards.closed


@settings(max_examples=50, deadline=None)
@given(partial_findings())
def test_protocols_combine_by_the_most_severe(findings: list[Finding]) -> None:
    together = run(findings)
    apart = [run(findings, (protocol,)) for protocol in PROTOCOLS]
    assert together.assured == most_severe(*(entry.assured for entry in apart))
    assert together.worst == most_severe(*(entry.worst for entry in apart))


@settings(max_examples=50, deadline=None)
@given(partial_findings())
def test_a_default_never_narrows_the_interval(findings: list[Finding]) -> None:
    got = run(findings)
    recorded = {entry.input for entry in findings}
    assumed = {entry.input for entry in got.trace.assumptions}
    assert not assumed & recorded
    assert all(INPUTS[key].default is not None for key in assumed)
    told = [Finding(input=a.input, value=a.value) for a in got.trace.assumptions]
    unique = {entry.input: entry for entry in told}
    assert got.assumed == run([*findings, *unique.values()]).assured


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_asking_what_is_proposed_until_closed_leaves_nothing_that_matters(
    data: st.DataObject,
) -> None:
    findings: list[Finding] = []
    for _ in range(len(INPUTS) + 1):
        got = run(findings)
        if got.next_question is None:
            break
        key = got.next_question.input
        assert key not in {entry.input for entry in findings}
        findings.append(data.draw(finding(INPUTS[key])))
    got = run(findings)
    assert got.closed
    possible = [e for e in got.trace.possible if rank(e.acuity) < rank(got.proposed)]
    assert possible == []
    fewer = {entry.input for entry in findings}
    for key in sorted(set(INPUTS) - fewer)[:5]:
        more = run([*findings, data.draw(finding(INPUTS[key]))])
        assert more.proposed == got.proposed


def test_nothing_known_is_no_level_never_u5() -> None:
    got = run([])
    assert got.assured is None
    assert got.worst == "U0"
    assert not got.closed


def test_a_lay_caller_is_never_asked_for_a_measurement() -> None:
    findings: list[Finding] = []
    asked = []
    while (question := run(findings, context=LAY_CALLER).next_question) is not None:
        asked.append(question.input)
        findings.append(Finding(input=question.input, unanswerable="caller_cannot_know"))
    needing = {k for k, e in INPUTS.items() if e.device or e.by == ("professional",)}
    assert asked
    assert not needing & set(asked)
    assert run(findings, context=LAY_CALLER).closed


def test_a_caller_with_an_oximeter_is_asked_for_the_saturation() -> None:
    context = ObserverContext(devices=("oximeter",))
    findings: list[Finding] = []
    asked = []
    while (question := run(findings, context=context).next_question) is not None:
        asked.append(question.input)
        value: Answer = INPUTS[question.input].worse == "false"
        if question.input == "spo2":
            break
        if question.type == "number":
            value = 40.0 if question.input == "age_y" else 0.0
        if question.type == "choice":
            value = question.choices[1] if question.input == "sex" else "burning"
        findings.append(Finding(input=question.input, value=value))
    assert asked[-1] == "spo2"


ADULT = [Finding(input="age_y", value=40.0), Finding(input="sex", value="M")]


def test_a_dispatch_rule_that_fires_on_refusals_counts_as_physician_now() -> None:
    unknown = ("responds", "breathes_normally")
    refused = [Finding(input=key, unanswerable="caller_cannot_know") for key in unknown]
    got = run([*ADULT, *refused])
    assert got.assured == "U1"
    assert got.worst == "U0"
    arrests = [entry for entry in got.trace.fired if entry.rule == "arrest"]
    assert arrests
    assert all(entry.acuity == "U1" and entry.unanswerable == unknown for entry in arrests)


def test_a_rule_on_a_score_waits_for_the_open_inputs_of_the_score() -> None:
    news2 = LIBRARY.get("news2")
    assert news2 is not None
    vitals = ["rr", "spo2", "on_oxygen", "hypercapnic_target", "sbp", "hr", "temp_c"]
    refused = [*ADULT, *(Finding(input=key, unanswerable="refused") for key in vitals)]
    waiting = run(refused, (news2,))
    assert waiting.trace.held == ()
    assert waiting.trace.fired == ()
    asked = waiting.trace.possible
    assert asked
    assert all("acvpu" in entry.open_inputs for entry in asked)
    closed = run([*refused, Finding(input="acvpu", unanswerable="refused")], (news2,))
    assert closed.trace.possible == ()
    settled = {e.rule for e in closed.trace.fired} | {e.rule for e in closed.trace.held}
    assert settled >= {entry.rule for entry in asked}


def test_a_held_rule_stays_listed_as_not_excluded() -> None:
    got = run([*ADULT, Finding(input="spo2", unanswerable="not_obtainable_here")])
    held = [entry for entry in got.trace.held if entry.unanswerable == ("spo2",)]
    assert held
    assert held[0].reason.fr
    assert held[0].reason.en


def test_every_fired_rule_says_why_in_both_languages_and_cites() -> None:
    got = run([Finding(input="age_y", value=60.0), Finding(input="pain_now", value=True)])
    assert got.trace.fired
    assert all(entry.why.fr and entry.why.en and entry.cites for entry in got.trace.fired)


def test_unknown_age_child_and_possible_pregnancy_require_a_physician() -> None:
    adult = [Finding(input="age_y", value=40.0), Finding(input="sex", value="M")]
    woman = [Finding(input="age_y", value=30.0), Finding(input="sex", value="F")]
    assert run([]).physician_required
    assert run([Finding(input="age_y", value=15.9)]).physician_required
    assert run(woman).physician_required
    assert run([*woman, Finding(input="pregnant", value=True)]).physician_required
    assert not run([*woman, Finding(input="pregnant", value=False)]).physician_required
    assert not run(adult).physician_required
    assert run(adult, ()).physician_required


def test_the_pain_that_is_there_never_ranks_below_the_same_pain_gone() -> None:
    base = [Finding(input="age_y", value=40.0), Finding(input="sex", value="M")]
    for quality in ("pressure", "burning", "stabbing", "tearing", "other"):
        for pressing in (True, False):
            same = [
                *base,
                Finding(input="quality", value=quality),
                Finding(input="minutes_lasting", value=9.0),
                Finding(input="reproduced_by_pressing", value=pressing),
                Finding(input="spreads", value=False),
                Finding(input="nausea_vomiting", value=False),
                Finding(input="vascular_disease", value=False),
                Finding(input="thinks_heart", value=True),
                Finding(input="worse_on_effort", value=False),
            ]
            now = run([*same, Finding(input="pain_now", value=True)])
            gone = run(
                [
                    *same,
                    Finding(input="pain_now", value=False),
                    Finding(input="hours_since_last_pain", value=12.0),
                ]
            )
            assert rank(now.assured) <= rank(gone.assured)
