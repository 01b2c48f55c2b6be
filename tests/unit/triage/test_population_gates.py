"""Gates, applicability, cards and sign-offs, on protocols written for these tests."""

import hashlib
from pathlib import Path

import pytest

from triage import checks, library
from triage.assessment import Assessment, Observation
from triage.engine import assess
from triage.finding import PROFESSIONAL, Finding
from triage.protocol import Answer, Card, Protocol, ProtocolError, Text, decode, signed_part

CARD = Card(id="cpr", title=Text(fr="a", en="a"), steps=(Text(fr="b", en="b"),), cites=("x",))
HEAD = """
schema = 1
id = "{id}"
version = "1"
kind = "{kind}"
status = "draft"
licence = "Apache-2.0"
title = {{ fr = "t", en = "t" }}
citations = [{{ id = "x", text = "x" }}]
tests = []
{more}
[population]
when = "{gate}"
why = {{ fr = "w", en = "w" }}
{population}
"""
AGE = '[[inputs]]\nkey = "age_y"\ntype = "number"\nask = { fr = "?", en = "?" }\n'


def asked(key: str, more: str = "") -> str:
    return f'[[inputs]]\nkey = "{key}"\ntype = "bool"\nask = {{ fr = "?", en = "?" }}\n{more}\n'


def rule(name: str, when: str, acuity: str, more: str = 'when_unanswerable = "fire"') -> str:
    why = 'why = { fr = "w", en = "w" }\ncites = ["x"]\n'
    return f'[[rules]]\nid = "{name}"\nwhen = "{when}"\nacuity = "{acuity}"\n{why}{more}\n'


def made(
    *parts: str,
    name: str = "p",
    kind: str = "general",
    gate: str = "age_y >= 12",
    population: str = "",
    more: str = "",
) -> Protocol:
    head = HEAD.format(id=name, kind=kind, gate=gate, population=population, more=more)
    if not any("[[rules]]" in part for part in parts):
        head = head.replace("tests = []", "tests = []\nrules = []")
    return decode((head + AGE + "".join(parts)).encode(), [CARD])


def run(protocol: Protocol | list[Protocol], /, **answers: Answer | None) -> Assessment:
    chosen = protocol if isinstance(protocol, list) else [protocol]
    findings = [
        Finding(input=key, value=value, unanswerable="refused" if value is None else None)
        for key, value in answers.items()
    ]
    return assess(chosen, findings, Observation(context=PROFESSIONAL))


SIGN = made(asked("sign"), rule("alarm", "sign", "U1"))


def test_outside_of_its_population_a_protocol_is_silent() -> None:
    got = run(SIGN, age_y=11.0, sign=True)
    assert (got.assured, got.worst, got.closed) == (None, None, True)
    assert (len(got.trace.fired), len(got.trace.possible), len(got.trace.scores)) == (0, 0, 0)
    assert got.trace.gates[0].state == "unmet"
    assert got.physician_required


def test_while_the_population_is_unknown_its_rules_are_possible_and_the_gate_is_asked() -> None:
    got = run(SIGN, sign=True)
    assert (got.assured, got.worst) == (None, "U1")
    assert got.trace.possible[0].open_inputs == ("age_y",)
    assert got.next_question is not None
    assert (got.next_question.input, got.next_question.rule) == ("age_y", "population")


def test_a_population_nobody_can_tell_fires_or_holds_as_the_rule_says() -> None:
    hold = 'when_unanswerable = "hold"\nhold_reason = { fr = "h", en = "h" }'
    both = made(asked("sign"), rule("alarm", "sign", "U0"), rule("other", "sign", "U2", hold))
    got = run(both, age_y=None, sign=True)
    assert got.assured == "U1"
    assert got.worst == "U0"
    assert [entry.rule for entry in got.trace.fired] == ["alarm"]
    assert got.trace.fired[0].unanswerable == ("age_y",)
    assert [entry.rule for entry in got.trace.held] == ["other"]


def test_the_gate_is_asked_after_dispatch_questions_and_before_all_others() -> None:
    vital = made(asked("mild"), asked("vital"), rule("u1", "mild", "U1"), rule("u0", "vital", "U0"))
    first = run(vital).next_question
    second = run(vital, vital=False).next_question
    third = run(vital, vital=False, age_y=40.0).next_question
    assert [one and one.input for one in (first, second, third)] == ["vital", "age_y", "mild"]


def test_a_gate_that_can_change_nothing_is_not_asked() -> None:
    score = made(asked("sign"), rule("mild", "sign", "U3"), name="s", kind="score")
    everyone = made(
        asked("bad"),
        rule("worse", "bad", "U1"),
        name="e",
        gate="true",
        population="everyone = true",
    )
    got = run([everyone, score], bad=True, sign=True)
    assert got.assured == "U1"
    assert got.closed
    assert not run([everyone, score], bad=False, sign=True).closed


def test_a_protocol_for_everyone_says_nothing_about_fit() -> None:
    everyone = made(name="e", gate="true", population="everyone = true")
    assert run([everyone], age_y=40.0).physician_required
    assert not run([everyone, SIGN], age_y=40.0).physician_required


def test_of_the_complaints_protocols_one_must_fit() -> None:
    def complaint(name: str, gate: str) -> Protocol:
        return made(
            name=name, kind="complaint", gate=gate, more='complaints = ["c"]\ndefault_acuity = "U2"'
        )

    child, adult = complaint("c", "age_y < 16"), complaint("a", "age_y >= 16")
    assert not run([SIGN, child, adult], age_y=40.0).physician_required
    assert run([SIGN, child], age_y=40.0).physician_required
    assert run([child, adult], age_y=40.0).physician_required
    score = made(name="s", kind="score", gate="age_y >= 99")
    assert not run([SIGN, adult, score], age_y=40.0).physician_required


def test_the_default_of_a_protocol_that_excludes_the_patient_does_not_count() -> None:
    more = 'complaints = ["c"]\ndefault_acuity = "U2"'
    child = made(name="c", kind="complaint", gate="age_y < 16", more=more)
    assert run([child]).proposed == "U2"
    assert run([child], age_y=3.0).proposed == "U2"
    assert run([child], age_y=40.0).proposed is None


PAIN = made(
    asked("pain"),
    asked("long", 'when = "pain"'),
    asked("longer", 'when = "long"'),
    rule("lasting", "long", "U1"),
    rule("short", "pain and not long", "U2"),
    rule("ages", "longer", "U0"),
)


def test_an_answer_that_does_not_apply_counts_for_nothing_and_is_not_asked() -> None:
    got = run(PAIN, age_y=40.0, pain=False, long=True, longer=True)
    assert (got.assured, got.worst, got.closed) == (None, None, True)
    assert run(PAIN, age_y=40.0, pain=False).closed
    assert run(PAIN, age_y=40.0, pain=True, long=False, longer=True).assured == "U2"


def test_what_decides_whether_a_question_applies_is_asked_before_it() -> None:
    turned = made(
        asked("long", 'when = "pain"'), asked("pain"), rule("lasting", "long and age_y > 1", "U0")
    )
    question = run(turned).next_question
    assert question is not None
    assert question.input == "age_y"
    question = run(turned, age_y=40.0).next_question
    assert question is not None
    assert question.input == "pain"
    question = run(turned, age_y=40.0, pain=None).next_question
    assert question is not None
    assert question.input == "long"


def test_an_item_of_a_score_counts_nothing_where_its_input_does_not_apply() -> None:
    item = (
        '[[scores]]\nid = "s"\ntitle = { fr = "s", en = "s" }\n[[scores.items]]\nid = "i"\n'
        'input = "long"\nmap = { true = 2, false = 1 }\n'
    )
    scored = made(asked("pain"), asked("long", 'when = "pain"'), item, rule("high", "s >= 2", "U1"))

    def total(**answers: Answer | None) -> tuple[int, int]:
        (result,) = run(scored, age_y=40.0, **answers).trace.scores
        return result.result.low, result.result.high

    assert total() == (0, 2)
    assert total(pain=False, long=True) == (0, 0)
    assert total(pain=True) == (1, 2)
    assert total(long=True) == (0, 2)
    assert total(pain=True, long=True) == (2, 2)


@pytest.mark.parametrize(
    ("gates", "problem"),
    [
        ({"a": "b", "b": "a"}, "applies only when it applies"),
        ({"a": "a"}, "applies only when it applies"),
        ({"a": "c"}, "unknown name"),
    ],
)
def test_circular_or_unknown_applicability_is_refused(gates: dict[str, str], problem: str) -> None:
    with pytest.raises(ProtocolError, match=problem):
        made(*(asked(key, f'when = "{when}"') for key, when in gates.items()))


def test_everyone_is_said_twice_or_not_at_all() -> None:
    for gate, population in (("true", ""), ("age_y >= 0", "everyone = true")):
        with pytest.raises(ProtocolError, match="everyone"):
            made(gate=gate, population=population)


def test_a_fired_rule_brings_its_card_and_an_unknown_card_is_refused() -> None:
    more = 'when_unanswerable = "fire"\ncards = ["cpr"]'
    got = run(made(asked("sign"), rule("alarm", "sign", "U0", more)), age_y=40.0, sign=True)
    assert got.cards == (CARD,)
    assert run(SIGN, age_y=40.0, sign=True).cards == ()
    with pytest.raises(ProtocolError, match="unknown cards"):
        made(asked("sign"), rule("alarm", "sign", "U0", more.replace("cpr", "none")))


NEWS2 = (library.PROTOCOLS_DIRECTORY / "news2.toml").read_bytes()


def signed(raw: bytes) -> bytes:
    digest = hashlib.sha256(signed_part(raw)).hexdigest()
    who = '[[sign_offs]]\nname = "A"\nrole = "physician"\non = "2026-01-01"\n'
    return raw + f'{who}digest = "{digest}"\n'.encode()


def test_a_signed_file_reads_and_a_second_person_signs_the_same_bytes() -> None:
    once = signed(NEWS2)
    twice = decode(signed(once))
    assert len({entry.digest for entry in twice.file.sign_offs}) == 1
    assert twice.content_digest == decode(NEWS2).content_digest == decode(NEWS2).digest
    assert twice.digest != twice.content_digest


def test_an_active_file_counts_only_once_two_persons_have_signed(tmp_path: Path) -> None:
    path = tmp_path / "news2.toml"
    raw = NEWS2.replace(b'status = "draft"', b'status = "active"', 1)
    one = signed(raw)
    both = one + one[len(raw) :].replace(b'name = "A"', b'name = "B"')
    for text, status in ((raw, "draft"), (one, "draft"), (one + one[len(raw) :], "draft")):
        path.write_bytes(text)
        assert library.load(tmp_path).protocols[0].status == status
        assert library.load(tmp_path).choose(None, allow_draft=False) == ()
    path.write_bytes(both)
    (chosen,) = library.load(tmp_path).choose(None, allow_draft=False)
    assert assess([chosen], [], Observation()).protocols[0].status == "active"


@pytest.mark.parametrize("place", [0, 200, 4000, -300])
def test_a_file_edited_by_one_byte_after_sign_off_is_refused(place: int) -> None:
    raw = bytearray(signed(NEWS2))
    raw[place:place] = b" "
    with pytest.raises(ProtocolError):
        decode(bytes(raw))


def test_nothing_hides_behind_or_beside_a_sign_off(tmp_path: Path) -> None:
    beside = b'[[needs]]\nacuity = ["U1"]\nservice = "x"\n'
    inline = b'sign_offs = [{ name = "A", role = "r", on = "2026-01-01", digest = "0" }]\n'
    for raw in (signed(NEWS2) + beside, inline + NEWS2):
        with pytest.raises(ProtocolError):
            decode(raw)
    (tmp_path / "news2.toml").write_bytes(signed(NEWS2).replace(b"7", b"8", 1))
    with pytest.raises(ProtocolError, match="news2"):
        library.load(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('id = "choking"', 'id = "bleeding"'),
        ('cites = ["local"]', 'cites = ["nobody"]'),
        ('cites = ["local"]', "cites = []"),
        ("steps = [", "steps = []\nother = ["),
        ('fr = "Étouffement"', 'fr = ""'),
    ],
)
def test_a_faulty_card_is_refused(tmp_path: Path, old: str, new: str) -> None:
    text = """schema = 1
[[citations]]
id = "local"
text = "t"
[[cards]]
id = "choking"
cites = ["local"]
title = { fr = "Étouffement", en = "Choking" }
steps = [{ fr = "a", en = "a" }]
[[cards]]
id = "bleeding"
cites = ["local"]
title = { fr = "Saignement", en = "Bleeding" }
steps = [{ fr = "a", en = "a" }]
"""
    path = tmp_path / "cards.toml"
    path.write_text(text, "utf-8")
    assert [card.id for card in library.read_cards(path)] == ["choking", "bleeding"]
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ProtocolError):
        library.read_cards(path)


def test_the_example_of_the_documentation_is_sound() -> None:
    page = (Path(__file__).parents[3] / "docs" / "protocols.md").read_text("utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    protocol = decode(example.encode(), library.load().cards)
    assert checks.problems(protocol) == ()
    assert [result.problems for result in checks.run_tests(protocol)] == [()] * 4
