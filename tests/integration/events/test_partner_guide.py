"""Every command of docs/partners.md works, in the order of the page."""

import asyncio
import os
import re
import socket
import sys
from pathlib import Path

import msgspec

from events import handoffs
from kernel.database import Database
from tests.integration.events.place import Place
from tests.integration.events.world import World, append_case, key_of

ROOT = Path(__file__).resolve().parents[3]
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def hand_over(database: Database, world: World) -> None:
    request = world.request()
    await database.run(world.physician, lambda tx: handoffs.request(tx, world.physician, request))


async def test_every_command_of_the_guide_works(
    database: Database, world: World, place: Place, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "partners.md").read_text("utf-8")
    blocks = BLOCK.findall(page)
    assert "".join(blocks).count("curl") >= 15
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    port = free_port()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "REGUL": place.api,
        "NATS": place.bus,
        "KEY": key_of(world.partner),
        "PORT": str(port),
        "ENDPOINT": f"http://127.0.0.1:{port}/regul",
    }
    shell = await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        cwd=tmp_path,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert shell.stdin is not None
    assert shell.stdout is not None
    told = ""
    for number, block in enumerate(blocks):
        if "subscriber.py" in block:
            await append_case(database, world, organisations=(world.organisations[0],))
            await hand_over(database, world)
        shell.stdin.write(f"{block}\necho\necho END-OF-{number}\n".encode())
        async with asyncio.timeout(60):
            while (line := (await shell.stdout.readline()).decode()) != f"END-OF-{number}\n":
                assert line, f"block {number} failed:\n{block}\n{told}"
                told += line
    shell.stdin.close()
    assert await shell.wait() == 0

    def kept(name: str) -> str:
        return (tmp_path / name).read_text("utf-8")

    assert "number=1" in kept("got.txt")
    assert "regul.handoff.requested" in kept("got.txt")
    assert "id: 2" in kept("stream.txt")
    assert "regul.subscription.test" in kept("received.txt")
    assert msgspec.json.decode(kept("accepted.json"))["state"] == "accepted"
    assert len(msgspec.json.decode(kept("rotated.json"))["keys"]) == 2
