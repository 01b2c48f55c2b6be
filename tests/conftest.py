"""Fixtures: one real PostgreSQL and one real nats-server a session, a fresh database a test.

`database` and `system_database` are pools on the same fresh clone of a migrated template;
`database_dsn`, `owner_database` and `admin_dsn` are others on that clone; `module_dsn` is a clone
shared by a module. `nats_url` gives the server, every stream gone afterwards. `settings` joins
them. `running` is a whole seeded Régul with servers of its own, seen from outside.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import hypothesis
import msgspec
import nats
import pytest
import pytest_asyncio

from kernel import migrate
from kernel.crypto import KeyRing, ensure_master
from kernel.database import Database, open_database
from kernel.settings import Settings
from server.layout import Layout
from server.nats_server import NatsServer
from server.postgres_server import PostgresServer
from server.stack import throw_away_home
from tests.running import Running

LOGIN = "regul_test"
PASSWORD = "regul-of-the-tests"
TEMPLATE = "regul_template"
READY_S = 20.0

hypothesis.settings.register_profile("regul", deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("regul")
SEED = "20260302"


class Servers(msgspec.Struct, frozen=True, kw_only=True):
    """The servers of the test session."""

    postgres: PostgresServer
    nats: NatsServer

    def dsn(self, database: str, login: str = LOGIN, password: str = PASSWORD) -> str:
        """Give the DSN of the service's login on a database."""
        return f"postgresql://{login}:{password}@127.0.0.1:{self.postgres.port}/{database}"


class Clones:
    """Makes and drops clones of the migrated template."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._made = 0

    async def make(self) -> str:
        """Clone the template; give the clone's name."""
        self._made += 1
        name = f"regul_test_{self._made}"
        await self._admin(
            f"create database {name} template {TEMPLATE} strategy file_copy owner regul_owner"
        )
        return name

    async def drop(self, name: str) -> None:
        """Drop a clone, whoever is still connected."""
        await self._admin(f"drop database {name} with (force)")

    async def _admin(self, statement: str) -> None:
        connection = await asyncpg.connect(self._servers.postgres.dsn())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Fix the seed of hypothesis: each change meets the same examples; nights draw new ones."""
    if config.getoption("--hypothesis-seed", default=None) is None:
        config.option.hypothesis_seed = SEED


def pytest_report_header(config: pytest.Config) -> str:
    """Print the seed that hypothesis derives its examples from."""
    return f"repeat with: --hypothesis-seed={config.getoption('--hypothesis-seed')}"


async def until_alive(server: PostgresServer | NatsServer) -> None:
    """Wait until a server answers, or fail with what it said."""
    async with asyncio.timeout(READY_S):
        while not await server.alive():
            process = server.process
            assert process is not None
            assert process.exit_code() is None, process.said()
            await asyncio.sleep(0.01)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Start one PostgreSQL and one nats-server in a throw-away directory."""
    home = Path(tempfile.mkdtemp(prefix="regul-test-"))
    home.chmod(0o755)
    layout = Layout(home / ".regul")
    started = Servers(
        postgres=PostgresServer(layout, throw_away=True),
        nats=NatsServer(layout),
    )
    try:
        started.nats.start()
        started.postgres.start()
        asyncio.run(until_alive(started.postgres))
        asyncio.run(until_alive(started.nats))
        yield started
    finally:
        for server in (started.nats, started.postgres):
            if server.process is not None:
                server.process.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def clones(servers: Servers) -> Clones:
    """Migrate the template once; tests clone it."""

    async def make_template() -> None:
        await migrate.bootstrap(servers.postgres.dsn(), TEMPLATE, LOGIN, PASSWORD)
        await migrate.migrate(servers.dsn(TEMPLATE))

    asyncio.run(make_template())
    return Clones(servers)


@pytest_asyncio.fixture
async def database_name(clones: Clones) -> AsyncIterator[str]:
    """Give the name of a fresh migrated database."""
    name = await clones.make()
    yield name
    await clones.drop(name)


@pytest.fixture(scope="module")
def module_dsn(clones: Clones, servers: Servers) -> Iterator[str]:
    """Give the service's DSN on a migrated database that the module's tests share."""
    name = asyncio.run(clones.make())
    yield servers.dsn(name)
    asyncio.run(clones.drop(name))


@pytest.fixture
def database_dsn(servers: Servers, database_name: str) -> str:
    """Give the service's DSN: a login that is a member of the three roles, nothing more."""
    return servers.dsn(database_name)


@pytest.fixture
def admin_dsn(servers: Servers, database_name: str) -> str:
    """Give the superuser's DSN of the same fresh database: to arrange and to look."""
    return servers.postgres.dsn(database_name)


@pytest_asyncio.fixture
async def admin(admin_dsn: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """Give a superuser's connection: arranges and looks, row policies do not apply."""
    connection = await asyncpg.connect(admin_dsn)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    """Give the pool of requests (role regul_app) on a fresh database."""
    pool = await open_database(database_dsn, "regul_app", 10)
    yield pool
    await pool.close()


@pytest_asyncio.fixture
async def system_database(database_dsn: str) -> AsyncIterator[Database]:
    """Give the pool of workers (role regul_system) on the same fresh database."""
    pool = await open_database(database_dsn, "regul_system", 10)
    yield pool
    await pool.close()


@pytest_asyncio.fixture
async def owner_database(database_dsn: str) -> AsyncIterator[Database]:
    """Give a pool of the schema's owner on the same fresh database: seeding."""
    pool = await open_database(database_dsn, "regul_owner", 4)
    yield pool
    await pool.close()


@pytest_asyncio.fixture
async def nats_url(servers: Servers) -> AsyncIterator[str]:
    """Give the service's NATS URL; every stream is deleted after the test."""
    yield servers.nats.url
    connection = await nats.connect(servers.nats.url)
    jetstream = connection.jetstream()
    for stream in await jetstream.streams_info():
        await jetstream.delete_stream(str(stream.config.name))
    await connection.close()


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """Start a whole seeded Régul (API, worker, own servers) once a session, seen from outside."""
    with throw_away_home() as home:
        started = Running(home)
        try:
            yield started
        finally:
            started.stop()


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file of the session's master key."""
    path = tmp_path_factory.mktemp("keys") / "master.key"
    ensure_master(path)
    return path


@pytest.fixture
def keys(key_file: Path) -> KeyRing:
    """Give a key ring over the session's master key."""
    return KeyRing(ensure_master(key_file))


@pytest.fixture
def settings(servers: Servers, database_dsn: str, nats_url: str, key_file: Path) -> Settings:
    """Give the settings of a service on a fresh database and the session's nats-server."""
    return Settings(
        database_url=database_dsn,
        nats_url=nats_url,
        key_file=key_file,
        auth_callout_seed=str(servers.nats.seed_file),
        allow_draft_protocols=True,
    )


@pytest.fixture(scope="session")
def chromium() -> str:
    """Give the path of Chromium; skip without one, fail in CI or with REQUIRE_BROWSER=1."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("CI") or os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("Chromium is missing: apt-get install chromium")
        pytest.skip("LOUD: no Chromium here, the browser was not tested")
    return found


def with_database(dsn: str, name: str) -> str:
    """Give a DSN with another database name."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
