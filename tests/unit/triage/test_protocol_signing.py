"""Two persons sign, each once, in two roles; what is signed cannot change unseen."""

from pathlib import Path

import pytest

from triage import commands
from triage.protocol import ProtocolError, decode
from triage.signing import Refused, Signature, sign

PLANTED = Path(__file__).parent / "protocols_planted" / "chest-pain-trap.toml"
ACTIVE = (
    PLANTED.read_bytes()
    .replace(b'status = "draft"', b'status = "active"')
    .replace(b"minutes_lasting >= 10", b"minutes_lasting >= 0")
    .replace(b'"pain_now or hours', b'"hours')
    .replace(b'pain_now = true, minutes_lasting = 9 }\nexpect = { assured = "U4" }',
             b'pain_now = true, minutes_lasting = 9 }\nexpect = { assured = "U1" }')
)  # fmt: skip
FIRST = Signature(name="Dr Maud Béchard", role="medical lead", on="2026-11-20")
SECOND = Signature(name="Dr Léo Lecœur", role="reviewer", on="2026-11-21")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "chest-pain-trap.toml"
    path.write_bytes(ACTIVE)
    return path


def test_two_signatures_bind_the_bytes_above_them(file: Path) -> None:
    once = sign(file, FIRST, ())
    twice = sign(file, SECOND, ())
    assert [entry.name for entry in twice.file.sign_offs] == [FIRST.name, SECOND.name]
    assert once.content_digest == twice.content_digest
    assert {entry.digest for entry in twice.file.sign_offs} == {twice.content_digest}
    assert file.read_bytes().startswith(ACTIVE)


def test_one_byte_changed_after_signing_is_refused(file: Path) -> None:
    sign(file, FIRST, ())
    raw = file.read_bytes()
    changed = raw.replace(b"<= 12", b"<= 13", 1)
    assert changed != raw
    with pytest.raises(ProtocolError, match="signed"):
        decode(changed)
    file.write_bytes(changed)
    with pytest.raises(ProtocolError):
        sign(file, SECOND, ())


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (Signature(name=FIRST.name.upper(), role="reviewer", on="2026-11-21"), "a second person"),
        (Signature(name="Dr Nour", role="Medical Lead", on="2026-11-21"), "another role"),
        (Signature(name=" ", role="reviewer", on="2026-11-21"), "a name and a role"),
        (Signature(name="Dr Nour", role="", on="2026-11-21"), "a name and a role"),
    ],
)
def test_the_second_signature_is_another_person_in_another_role(
    file: Path, signature: Signature, reason: str
) -> None:
    sign(file, FIRST, ())
    before = file.read_bytes()
    with pytest.raises(Refused, match=reason):
        sign(file, signature, ())
    assert file.read_bytes() == before


def test_a_draft_is_not_signed(file: Path) -> None:
    file.write_bytes(ACTIVE.replace(b'status = "active"', b'status = "draft"'))
    with pytest.raises(Refused, match="set it to shadow or active"):
        sign(file, FIRST, ())


def test_the_second_signature_waits_for_verified_sources(file: Path) -> None:
    file.write_bytes(ACTIVE.replace(b'id = "nice95"\n', b'id = "nice95"\nverified = false\n', 1))
    sign(file, FIRST, ())
    with pytest.raises(Refused, match="nice95"):
        sign(file, SECOND, ())


def test_the_second_signature_waits_for_a_sound_check(file: Path) -> None:
    file.write_bytes(PLANTED.read_bytes().replace(b'status = "draft"', b'status = "shadow"'))
    sign(file, FIRST, ())
    with pytest.raises(Refused, match="monotone pain_now"):
        sign(file, SECOND, ())


def test_signing_on_the_command_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sign", str(file), "--name", "Dr Nour", "--role", "medical lead"]
    assert commands.main([*words, "--on", "2026-11-23"]) == 0
    assert "signature 1 of 2" in capsys.readouterr().out
    assert commands.main(words) == 1
    assert "refused" in capsys.readouterr().out
    assert commands.main(["sign", str(file / "none"), "--name", "a", "--role", "b"]) == 2
