"""Each kind of proof can fail: a fault is planted, and the words name it."""

from pathlib import Path

import pytest

from triage import counterexample
from triage.assessment import Observation
from triage.counterexample import breaks, confirm, explain
from triage.finding import PROFESSIONAL
from triage.oracle import assess
from triage.proof_answers import Row
from triage.proof_terms import Answered
from triage.proof_world import World
from triage.proofs import EXPLANATION, Kind, Limits, Proof, prove
from triage.protocol import Protocol, decode

TRAP = (Path(__file__).parent / "protocols_planted" / "chest-pain-trap.toml").read_bytes()
SOUND = TRAP.replace(b"minutes_lasting >= 10", b"minutes_lasting >= 0").replace(
    b'"pain_now or hours', b'"hours'
)


def refuted(protocol: Protocol) -> dict[tuple[str, str], Proof]:
    return {(p.kind, p.subject): p for p in prove(protocol) if p.verdict != "proved"}


def test_a_sound_protocol_is_proved_in_every_kind() -> None:
    protocol = decode(SOUND)
    assert refuted(protocol) == {}
    assert {p.kind for p in prove(protocol)} == set(EXPLANATION)


def test_pain_now_for_nine_minutes_is_not_milder_than_pain_that_ended_twelve_hours_ago() -> None:
    protocol = decode(TRAP)
    ((key, proof),) = refuted(protocol).items()
    assert key == ("monotone", "pain_now")
    told = confirm(protocol, proof)
    assert told is not None
    assert told.after is not None
    levels = [
        assess([protocol], row.findings(), Observation(context=PROFESSIONAL)).assured
        for row in (told.before, told.after)
    ]
    assert levels == ["U2", "U4"]
    assert told.before.answers["pain_now"] is False
    assert told.after.answers["pain_now"] is True
    assert float(told.before.answers["hours_since_last_pain"]) <= 12
    assert float(told.after.answers["minutes_lasting"]) < 10


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Is the pain there right now? [pain_now] yes", "assured U4 but with instead"]),
        ("fr", ["La douleur est-elle là en ce moment ? [pain_now] oui", "assuré U2 avec"]),
    ],
)
def test_a_counter_example_is_told_by_its_questions(
    language: counterexample.Language, words: list[str]
) -> None:
    protocol = decode(TRAP)
    (proof,) = refuted(protocol).values()
    text = "\n".join(explain(protocol, proof, language))
    assert EXPLANATION["monotone"] in text
    assert all(word in text for word in words)


PLANTED: list[tuple[str, list[tuple[bytes, bytes]], tuple[Kind, str], str]] = [
    (
        "a rule that contradicts itself is dead",
        [(b'when = "not pain_now and hours', b'when = "pain_now and not pain_now and hours')],
        ("alive", "recent"),
        "no answers make it fire",
    ),
    (
        "a rule outside of the population is dead",
        [(b'when = "not pain_now and hours', b'when = "age_y < 10 and hours')],
        ("alive", "recent"),
        "no answers make it fire",
    ),
    (
        "a rule that a graver one always outranks is shadowed",
        [(b"hours_since_last_pain <= 72", b"hours_since_last_pain <= 11")],
        ("not_shadowed", "any"),
        "recent is at least as severe",
    ),
    (
        "a rule no graver than the default is shadowed",
        [(b'default_acuity = "U5"', b'default_acuity = "U4"')],
        ("not_shadowed", "any"),
        "default is at least as severe",
    ),
    (
        "a number whose worse end counts less is not monotone",
        [(b"hours_since_last_pain <= 12", b"hours_since_last_pain >= 12")],
        ("monotone", "hours_since_last_pain"),
        "a worse answer never gives a milder level",
    ),
    (
        "a gap between two bounds is found",
        [
            (
                b"hours_since_last_pain <= 12",
                b"(hours_since_last_pain < 5 or 5 < hours_since_last_pain <= 12)",
            )
        ],
        ("monotone", "hours_since_last_pain"),
        "5 h",
    ),
]


@pytest.mark.parametrize(
    ("edits", "key", "words"), [case[1:] for case in PLANTED], ids=[case[0] for case in PLANTED]
)
def test_a_planted_fault_is_found_and_told(
    edits: list[tuple[bytes, bytes]], key: tuple[Kind, str], words: str
) -> None:
    raw = SOUND
    for old, new in edits:
        assert old in raw
        raw = raw.replace(old, new, 1)
    protocol = decode(raw)
    found = refuted(protocol)
    assert key in found
    assert words in "\n".join(explain(protocol, found[key]))


def twisted(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Make worlds say what no engine of ours says, so that the structural proofs must fail."""
    original_assured, original_worst = World.assured, World.worst

    def unanswered(world: World) -> int:
        return world.circuit.both(-entry.known for entry in world.answers.values())

    if name == "assured":
        monkeypatch.setattr(
            World,
            "assured",
            lambda self, level: self.circuit.either(
                [original_assured(self, level), unanswered(self)]
            ),
        )
    if name == "worst":
        monkeypatch.setattr(
            World,
            "worst",
            lambda self, level: self.circuit.both([original_worst(self, level), -unanswered(self)]),
        )


@pytest.mark.parametrize(
    ("name", "kinds"), [("assured", {"removal"}), ("worst", {"removal", "taking_back"})]
)
def test_a_world_that_forgets_open_answers_is_caught(
    monkeypatch: pytest.MonkeyPatch, name: str, kinds: set[str]
) -> None:
    twisted(monkeypatch, name)
    protocol = decode(SOUND)
    found = refuted(protocol)
    assert kinds <= {kind for kind, _ in found}
    lines = [explain(protocol, found[kind, ""])[0] for kind in kinds]
    assert all("a fault of the proofs" in line for line in lines)


@pytest.mark.parametrize("kind", ["complete", "giving_up"])
def test_an_engine_that_waits_for_what_nobody_can_answer_is_caught(
    monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    original = World.is_open

    def impatient(self: World, answer: Answered) -> int:
        return self.circuit.either([original(self, answer), answer.unanswerable])

    monkeypatch.setattr(World, "is_open", impatient)
    if kind == "giving_up":  # opening a question: open inputs do not wait, unanswerable ones do
        monkeypatch.setattr(World, "is_open", lambda _self, answer: answer.unanswerable)
    assert (kind, "") in refuted(decode(SOUND))


def test_two_items_of_one_group_leave_a_score_undetermined() -> None:
    score = b"""
[[scores]]
id = "twice"
title = { fr = "Deux fois", en = "Twice" }
[[scores.items]]
id = "one"
one_of = "both"
points_if = "pregnant"
points = 1
[[scores.items]]
id = "two"
one_of = "both"
points_if = "not pregnant"
points = 3
[[rules]]
id = "by_score"
when = "twice >= 2"
acuity = "U3"
cites = ["nice95"]
when_unanswerable = "fire"
why = { fr = "Score", en = "Score" }
[safety_net]
"""
    protocol = decode(SOUND.replace(b"[safety_net]\n", score.lstrip(), 1))
    found = refuted(protocol)
    assert ("determinate", "") in found
    assert "every rule holds or does not" in explain(protocol, found["determinate", ""])[0]


def test_what_cannot_be_encoded_is_refused_by_name() -> None:
    score = b"""
[[scores]]
id = "odd"
title = { fr = "Bizarre", en = "Odd" }
[[scores.items]]
id = "one"
points_if = "pain_now"
points = 1
[[rules]]
id = "by_score"
when = "odd >= age_y"
acuity = "U3"
cites = ["nice95"]
when_unanswerable = "fire"
why = { fr = "Score", en = "Score" }
[safety_net]
"""
    protocol = decode(SOUND.replace(b"[safety_net]\n", score.lstrip(), 1))
    ((key, proof),) = refuted(protocol).items()
    assert key == ("encodable", "")
    assert "compares a score" in explain(protocol, proof)[0]


def test_running_out_of_time_is_a_failure_that_says_so() -> None:
    protocol = decode(TRAP)
    proofs = prove(protocol, Limits(seconds=0.0), wanted=lambda kind: kind == "monotone")
    late = [proof for proof in proofs if proof.verdict == "unknown"]
    assert late
    assert "not decided within the time limit" in explain(protocol, late[0])[0]


def test_a_row_the_engine_finds_nothing_wrong_with_is_a_fault_of_the_proofs() -> None:
    protocol = decode(SOUND)
    row = Row(answers={"age_y": 40.0, "pregnant": False})
    kinds: tuple[Kind, ...] = ("complete", "determinate")
    for kind in kinds:
        proof = Proof(kind=kind, verdict="refuted", before=row)
        assert breaks(protocol, proof, row, None)
    full = Row(answers={"age_y": 40.0, "pregnant": False, "pain_now": True, "minutes_lasting": 1.0})
    for kind in EXPLANATION:
        if kind in {"encodable", "alive", "not_shadowed"}:
            continue
        proof = Proof(kind=kind, verdict="refuted", before=full, after=full)
        assert confirm(protocol, proof) is None
        assert "a fault of the proofs" in explain(protocol, proof)[0]


@pytest.mark.parametrize("kind", ["removal", "giving_up", "taking_back"])
def test_the_engine_sees_a_level_that_falls_with_an_answer_less(kind: Kind) -> None:
    protocol = decode(SOUND)
    rich = Row(answers={"age_y": 40.0, "pregnant": False, "pain_now": True, "minutes_lasting": 1.0})
    poor = Row(answers={"age_y": 10.0, "pregnant": False})
    before, after = (poor, rich) if kind == "removal" else (rich, poor)
    proof = Proof(kind=kind, verdict="refuted", before=before, after=after)
    assert breaks(protocol, proof, before, after)


def test_a_shorter_row_keeps_its_levels() -> None:
    protocol = decode(TRAP)
    (proof,) = refuted(protocol).values()
    told = confirm(protocol, proof)
    assert told is not None
    assert proof.before is not None
    assert set(told.before.answers) <= set(proof.before.answers)
