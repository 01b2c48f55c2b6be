"""The secrets of a new centre fit what reads them, and are never replaced."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from events import nkeys
from kernel import crypto, settings
from server import deployment_secrets
from server.refusal import Refusal

COMPOSE = yaml.safe_load(
    (Path(__file__).resolve().parents[3] / "deploy" / "compose.yaml").read_text("utf-8")
)


def test_every_secret_that_compose_names_is_made(tmp_path: Path) -> None:
    deployment_secrets.write(tmp_path / "secrets")
    for secret in COMPOSE["secrets"].values():
        assert (tmp_path / secret["file"]).exists()
    for service in COMPOSE["services"].values():
        assert all((tmp_path / one).exists() for one in service.get("env_file", ()))


def test_the_service_reads_what_was_made(tmp_path: Path) -> None:
    deployment_secrets.write(tmp_path)
    found = settings.load(
        {
            "DATABASE_URL_FILE": str(tmp_path / "database_url"),
            "NATS_URL_FILE": str(tmp_path / "nats_url"),
        }
    )
    lines = (tmp_path / "nats.env").read_text("ascii").splitlines()
    env = dict(line.split("=", 1) for line in lines)
    admin = urlsplit((tmp_path / "database_admin_url").read_text("ascii").strip())
    assert urlsplit(found.nats_url).password == env["REGUL_NATS_PASSWORD"]
    assert env["REGUL_NATS_PASSWORD"][0].isalpha()
    seed = (tmp_path / "callout_seed").read_text("ascii")
    assert nkeys.Signer(seed).public_key == env["REGUL_CALLOUT_ISSUER"]
    assert len(crypto.read_master(tmp_path / "master_key")) == 32
    assert urlsplit(found.database_url).username == "regul"
    assert admin.password == (tmp_path / "postgres_password").read_text("ascii").strip()
    assert admin.hostname in COMPOSE["services"]


def test_nobody_else_enters_the_folder_and_containers_read_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    deployment_secrets.write(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o644}


def test_what_exists_is_never_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "master_key").write_text("kept")
    with pytest.raises(Refusal, match="master_key already"):
        deployment_secrets.main([str(tmp_path)])
    assert [one.name for one in tmp_path.iterdir()] == ["master_key"]
    (tmp_path / "master_key").unlink()
    assert deployment_secrets.main([str(tmp_path)]) == 0
    assert "Keep a copy" in capsys.readouterr().out
    assert (tmp_path / "master_key").read_text() != "kept"
