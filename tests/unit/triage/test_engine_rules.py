"""The compiled engine and the interpreter say the same, word for word, on a few varied files.

Quick enough to run on every planted fault; test_compiled_engine does every shipped file.
"""

import random
from pathlib import Path

import pytest

from triage import engine, library, oracle
from triage.acuity import Acuity
from triage.assessment import Observation
from triage.direct_reading import DirectReading
from triage.expression import names
from triage.finding import LAY_CALLER, PROFESSIONAL, Finding, ObserverContext
from triage.format import Unanswerable
from triage.proof_answers import Row
from triage.protocol import Protocol, decode
from triage.sampling import Sampler

TRAP = Path(__file__).parent / "protocols_planted" / "chest-pain-trap.toml"
FILES = [TRAP, Path(__file__).parent / "protocols_planted" / "every-kind.toml"] + [
    library.PROTOCOLS_DIRECTORY / f"{name}.toml"
    for name in ("news2", "heart-failure-remote", "iitt-adult", "first-look", "chest-pain-phone")
]
CARDS = library.read_cards()
PROTOCOLS = [decode(path.read_bytes(), CARDS) for path in FILES]
LIGHT = b"weight_kg < 60"
KINDS = FILES[1].read_bytes()
VARIANTS = [
    decode(
        raw.replace(f'id = "{name}"'.encode(), f'id = "{name}-{level}"'.encode(), 1).replace(
            b'default_acuity = "' + old, b'default_acuity = "' + level.encode(), 1
        ),
        CARDS,
    )
    for raw, name, old in (
        (TRAP.read_bytes(), "chest-pain-trap", b"U5"),
        (KINDS, "every-kind", b"U4"),
        (
            KINDS.replace(b"(age_y >= 10 or weight_kg > 30) and", b"weight_kg < 60 and"),
            "every-kind",
            b"U4",
        ),
    )
    for level in ("U1", "U2", "U3")
]
"""The same files with other defaults, and one with another population."""
GENERAL = decode(
    TRAP.read_bytes()
    .replace(b'id = "chest-pain-trap"', b'id = "general-trap"', 1)
    .replace(b'kind = "complaint"', b'kind = "general"', 1)
    .replace(b'complaints = ["chest-pain"]\ndefault_acuity = "U5"\n', b"", 1)
    .replace(b'"age_y >= 16 and not pregnant"', b'"age_y >= 0"', 1)
)
"""Fits whoever has an age."""
OXIMETER = ObserverContext(observers=("caller",), devices=("oximeter",))
CONTEXTS = (LAY_CALLER, PROFESSIONAL, OXIMETER)
WHY: tuple[Unanswerable, ...] = ("caller_cannot_know", "not_obtainable_here", "refused")


def findings(row: Row, draw: random.Random) -> list[Finding]:
    """Give a row's findings with varied reasons, in any order."""
    given = [Finding(input=key, value=value) for key, value in row.answers.items()]
    given += [Finding(input=key, unanswerable=draw.choice(WHY)) for key in sorted(row.unanswerable)]
    draw.shuffle(given)
    return given


def veiled(row: Row, protocol: Protocol, draw: random.Random) -> Row:
    """Take away what the population is told by: open, or never to be answered."""
    for key in sorted(names(protocol.gate)):
        if draw.random() < 0.5:
            row = row.without(key)
            if draw.random() < 0.3:
                row = Row(answers=row.answers, unanswerable=row.unanswerable | {key})
    return row


def rows(protocol: Protocol, count: int) -> list[Row]:
    sampler = Sampler(protocol, 11)
    shares = [(1.0, 0.0), (0.7, 0.3), (0.5, 0.2), (0.2, 0.1), (0.0, 0.5), (0.9, 0.05)]
    return [
        sampler.row(answered=a, unanswerable=u, calm=(0.0, 0.6, 0.9)[turn % 3])
        for turn in range(count)
        for a, u in [shares[turn % len(shares)]]
    ]


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.file.id)
def test_one_protocol_is_read_alike(protocol: Protocol) -> None:
    draw = random.Random(3)
    for turn, full in enumerate(rows(protocol, 90)):
        row = veiled(full, protocol, draw) if turn % 2 else full
        defaults: tuple[Acuity | None, ...] = (None, "U1", "U3", "U5")
        observation = Observation(
            context=CONTEXTS[turn % 3], default_acuity=defaults[turn // 3 % 4]
        )
        given = findings(row, draw)
        assert engine.assess([protocol], given, observation) == oracle.assess(
            [protocol], given, observation
        )


def test_several_protocols_are_combined_alike() -> None:
    draw = random.Random(4)
    together = PROTOCOLS[1:]
    for turn in range(150):
        answers: dict[str, bool | float | str] = {}
        never: set[str] = set()
        for protocol in together:
            calm = (0.5, 0.8, 0.95, 1.0)[turn % 4]
            row = Sampler(protocol, turn).row(answered=0.6, unanswerable=0.2, calm=calm)
            row = veiled(row, protocol, draw) if turn % 3 else row
            answers |= row.answers
            never |= row.unanswerable
        given = findings(Row(answers=answers, unanswerable=frozenset(never - answers.keys())), draw)
        chosen = draw.sample(together, draw.randint(0, len(together)))
        defaults: tuple[Acuity | None, ...] = (None, "U1", "U3", "U5")
        default = draw.choice(defaults)
        observation = Observation(context=draw.choice(CONTEXTS), default_acuity=default)
        whole = oracle.assess(chosen, given, observation)
        assert engine.assess(chosen, given, observation) == whole
        short = engine.evaluate(chosen, given, observation)
        assert (short.assured, short.worst, short.proposed) == (
            whole.assured,
            whole.worst,
            whole.proposed,
        )
        assert short.next_question == whole.next_question
        assert (short.closed, short.physician_required) == (whole.closed, whole.physician_required)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_fully_answered_patient_gets_what_the_file_says(path: Path) -> None:
    protocol = decode(path.read_bytes(), CARDS)
    direct = DirectReading(path.read_bytes())
    sampler = Sampler(protocol, 12)
    for turn in range(40):
        row = sampler.row(calm=(0.0, 0.6, 0.9)[turn % 3])
        read = direct.read(row.answers)
        for judge in (engine.assess, oracle.assess):
            got = judge([protocol], row.findings(), Observation(context=PROFESSIONAL))
            assert got.assured == read.level
            assert {entry.rule for entry in got.trace.fired} == read.fired
            assert got.closed


def test_defaults_hold_the_level_up_alike_while_populations_are_unknown() -> None:
    draw = random.Random(5)
    for turn in range(300):
        chosen = draw.sample([*VARIANTS, GENERAL], draw.randint(1, 3))
        chosen += [GENERAL] if turn % 2 and GENERAL not in chosen else []
        answers: dict[str, bool | float | str] = {}
        for protocol in chosen:
            calm = (0.5, 0.9, 1.0)[turn % 3]
            row = Sampler(protocol, turn).row(answered=0.6, calm=calm)
            answers |= veiled(row, protocol, draw).answers
        if turn % 4 == 1:
            answers |= {"age_y": 40.0, "weight_kg": 90.0, "responds": True, "spo2": 97.0}
        if turn % 4 == 3:  # only the weight is missing
            answers |= {"age_y": 40.0, "pregnant": False, "responds": True, "spo2": 97.0}
            answers.pop("weight_kg", None)
        given = findings(Row(answers=answers), draw)
        observation = Observation(context=draw.choice(CONTEXTS))
        assert engine.assess(chosen, given, observation) == oracle.assess(
            chosen, given, observation
        )


def test_nothing_is_assessed_by_no_protocol() -> None:
    for judge in (engine.assess, oracle.assess):
        got = judge([], [], Observation())
        assert (got.assured, got.worst, got.proposed, got.closed) == (None, None, None, True)
        assert got.physician_required
