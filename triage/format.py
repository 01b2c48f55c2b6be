"""The shape of a protocol file: every table and key that one TOML file may hold, decoded strictly.

docs/protocols.md explains each key to those who write protocols.
"""

from typing import Literal, TypeAlias

import msgspec

from triage.acuity import Acuity

Status: TypeAlias = Literal["draft", "shadow", "active", "retired"]
Unanswerable: TypeAlias = Literal["caller_cannot_know", "not_obtainable_here", "refused"]
Observer: TypeAlias = Literal["caller", "bystander", "professional"]
Points: TypeAlias = int
Answer: TypeAlias = bool | float | str
"""What an answered input holds."""
Worsening: TypeAlias = Literal[
    "up", "down", "away", "true", "false", "listed", "conditional", "none"
]
"""Which way of an input the patient is worse; docs/protocols.md says what each means."""


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every table of the file: an unknown key is an error."""


class Text(Strict, frozen=True, kw_only=True):
    """One sentence in both languages."""

    fr: str
    en: str


class Citation(Strict, frozen=True, kw_only=True):
    """A source; `verified` is false while the fact stands from memory of it."""

    id: str
    text: str
    url: str | None = None
    verified: bool = True


class WorseIf(Strict, frozen=True, kw_only=True):
    """One direction of an input whose direction depends on others: the first that holds.

    `when` may name inputs that this file lacks: the direction then holds whatever they are.
    `normal` is the range that `away` means here.
    """

    when: str
    worse: Literal["up", "down", "away", "true", "false", "listed", "none"]
    normal: tuple[float, float] | None = None


class Input(Strict, frozen=True, kw_only=True):
    """One question: type, unit (UCUM), range (both ends allowed), code, who can obtain it.

    `when` says under which other answers the question makes sense; elsewhere the input counts
    for nothing and is not asked. `worse` says which way the patient is worse: up, down, away
    (from `normal`), true, false, listed (choices stand mildest first), conditional (the first
    of `worse_if` that holds, none when none does) or none. `device` names what is needed to
    measure it. `default` is only ever shown as an assumption. `valid_for_min` is how long an
    answer stays true, in minutes.
    """

    key: str
    type: Literal["number", "bool", "choice"]
    ask: Text
    unit: str | None = None
    range: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    code: str | None = None
    when: str | None = None
    worse: Worsening = "none"
    worse_if: tuple[WorseIf, ...] = ()
    normal: tuple[float, float] | None = None
    by: tuple[Observer, ...] = ("caller", "bystander", "professional")
    device: str | None = None
    valid_for_min: int | None = None
    default: Answer | None = None


class Gate(Strict, frozen=True, kw_only=True):
    """Whom the protocol is for; elsewhere it is silent, where unknown it assures nothing.

    `everyone` says that it holds whatever the age and the pregnancy (`when` is then "true");
    `covers_pregnancy` that it holds for the pregnant as well, so the gate need not ask.
    """

    when: str
    why: Text
    everyone: bool = False
    covers_pregnancy: bool = False


class Item(Strict, frozen=True, kw_only=True):
    """One term of a score: bands of an input, a map of its choices, or conditional points.

    `bands` are (upper bound included, points) in ascending order, the last bound is inf.
    `when` gates the item; of the items that share a `one_of` group exactly one is ever gated
    in, so the group counts once while its gates are unknown.
    """

    id: str
    input: str | None = None
    when: str | None = None
    one_of: str | None = None
    bands: tuple[tuple[float, Points], ...] = ()
    map: dict[str, Points] | None = None
    points_if: str | None = None
    points: Points = 0
    code: str | None = None


class Score(Strict, frozen=True, kw_only=True):
    """A sum of items; the name of the score and `<id>_max_item` may be used in conditions."""

    id: str
    title: Text
    items: tuple[Item, ...]
    code: str | None = None
    cites: tuple[str, ...] = ()


class Rule(Strict, frozen=True, kw_only=True):
    """When the condition holds the level is at least this; order carries no meaning.

    `when_unanswerable` says what happens once only unanswerable inputs keep the condition
    unknown: `fire` it, or `hold` it (listed as not excluded) for `hold_reason`.
    """

    id: str
    when: str
    acuity: Acuity
    why: Text
    cites: tuple[str, ...]
    when_unanswerable: Literal["fire", "hold"]
    hold_reason: Text | None = None
    means: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()


class Advice(Strict, frozen=True, kw_only=True):
    """Words to read out to the caller."""

    id: str
    text: Text


class Card(Strict, frozen=True, kw_only=True):
    """A life-saving instruction to read out step by step; cards stand in their own file."""

    id: str
    title: Text
    steps: tuple[Text, ...]
    cites: tuple[str, ...]


class SafetyNet(Strict, frozen=True, kw_only=True):
    """What must be said before a patient is left: the signs, and when to call back."""

    worsening_signs: Text
    call_back: Text


class Need(Strict, frozen=True, kw_only=True):
    """What to look for in the directory at the levels named: service code and skills."""

    acuity: tuple[Acuity, ...]
    service: str
    skills: tuple[str, ...] = ()


class SignOff(Strict, frozen=True, kw_only=True):
    """A named person who approved the file, in which role, on which day (ISO date).

    `digest` is the sha256 (hex) of every byte before the first sign-off: what was approved.
    """

    name: str
    role: str
    on: str
    digest: str


class Expectation(Strict, frozen=True, kw_only=True):
    """What a test of the file expects; only the fields given are compared."""

    assured: Acuity | Literal["none"] | None = None
    worst: Acuity | Literal["none"] | None = None
    proposed: Acuity | Literal["none"] | None = None
    closed: bool | None = None
    physician_required: bool | None = None
    ask: str | None = None
    fired: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    not_fired: tuple[str, ...] = ()
    scores: dict[str, tuple[int, int]] | None = None


class Example(Strict, frozen=True, kw_only=True):
    """A worked case inside the file: what is answered, what cannot be, what must follow."""

    name: str
    given: dict[str, Answer]
    expect: Expectation
    unanswerable: dict[str, Unanswerable] | None = None


class ProtocolFile(Strict, frozen=True, kw_only=True):
    """The whole file as written."""

    schema: Literal[1]
    id: str
    version: str
    kind: Literal["score", "general", "complaint"]
    title: Text
    status: Status
    licence: str
    population: Gate
    citations: tuple[Citation, ...]
    inputs: tuple[Input, ...]
    rules: tuple[Rule, ...]
    tests: tuple[Example, ...]
    complaints: tuple[str, ...] = ()
    default_acuity: Acuity | None = None
    scores: tuple[Score, ...] = ()
    advice: tuple[Advice, ...] = ()
    safety_net: SafetyNet | None = None
    needs: tuple[Need, ...] = ()
    sign_offs: tuple[SignOff, ...] = ()
