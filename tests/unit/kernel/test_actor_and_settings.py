"""Deny by default; settings are read once and never printed."""

from pathlib import Path
from uuid import UUID

import pytest

from kernel import actor, errors, settings, telemetry
from kernel.actor import Actor, Role

CLINIC = Actor(id=UUID(int=1), role=Role.CLINIC, organisation_ids=(UUID(int=9),))
PHYSICIAN = Actor(id=UUID(int=2), role=Role.PHYSICIAN, territory_id=UUID(int=80))


def test_an_action_nobody_wrote_down_is_refused_to_all() -> None:
    for role in Role:
        assert not actor.may(Actor(id=UUID(int=1), role=role), "no.such.action")


def test_every_action_names_known_roles_only_and_none_is_for_all() -> None:
    assert actor.permissions()
    for action, roles in actor.permissions().items():
        assert 0 < len(roles) < len(Role), action


def test_nobody_outside_the_centre_decides() -> None:
    decide = actor.permissions()["disposition.decide"]
    assert {Role.OSNP, Role.PHYSICIAN} <= decide
    assert decide.isdisjoint({Role.CLINIC, Role.DELEGATE, Role.PARTNER, Role.SUPERVISOR})


def test_a_role_without_the_right_is_refused() -> None:
    with pytest.raises(errors.Forbidden) as refused:
        actor.require(CLINIC, "disposition.decide")
    assert refused.value.code == "action_not_allowed"


def test_an_actor_acts_for_its_own_organisations_only() -> None:
    actor.require(CLINIC, "schedule.publish", organisation_id=UUID(int=9))
    with pytest.raises(errors.Forbidden) as refused:
        actor.require(CLINIC, "schedule.publish", organisation_id=UUID(int=8))
    assert refused.value.code == "other_organisation"
    actor.require(PHYSICIAN, "appointment.cancel", organisation_id=UUID(int=8))


def test_settings_come_from_the_environment() -> None:
    read = settings.load(
        {"REGUL_PORT": "9000", "REGUL_ALLOWED_HOSTS": "a.example,b.example", "REGUL_DEMO": "true"}
    )
    assert (read.port, read.allowed_hosts, read.demo) == (9000, ("a.example", "b.example"), True)
    assert settings.load({}) == settings.Settings()


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("postgresql://regul:secret@db/regul\n", "utf-8")
    assert settings.load({"DATABASE_URL_FILE": str(path)}).database_url.endswith("@db/regul")
    with pytest.raises(settings.SettingsError, match="DATABASE_URL_FILE"):
        settings.load({"DATABASE_URL_FILE": str(tmp_path / "none")})


def test_a_setting_that_cannot_be_read_is_named_without_its_value() -> None:
    with pytest.raises(settings.SettingsError) as refused:
        settings.load({"REGUL_PORT": "secret-word"})
    assert "REGUL_PORT" in str(refused.value)
    assert "secret-word" not in str(refused.value)


def test_every_setting_has_a_variable() -> None:
    assert set(settings.VARIABLES.values()) == set(settings.Settings.__struct_fields__)


def test_a_log_line_drops_what_is_not_allowed() -> None:
    line = telemetry.keep_allowed(None, "info", {"event": "x", "name": "n", "phone": "06"})
    assert "phone" not in line
    assert line["dropped"] == ["phone"]
