"""PostgreSQL at the edge: a pool under one role, one transaction a request, errors translated.

A pool's connections run under `regul_app` (rows of the actor's territory and organisations) or
`regul_system` (the service's workers). The actor's scope is set for the transaction only; the
policies of the tables read it.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Literal, TypeAlias, TypeVar

import asyncpg

from kernel import errors
from kernel.actor import Actor

Tx: TypeAlias = asyncpg.Connection
"""A connection inside the one transaction of a request or task."""

PoolRole: TypeAlias = Literal["regul_app", "regul_system", "regul_owner"]

T = TypeVar("T")

RETRY_AFTER_S: Final = 2
STATEMENT_TIMEOUT_MS: Final = 5_000
LOCK_TIMEOUT_MS: Final = 2_000

FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""Whatever asyncpg and the socket raise; `translate` says what each means."""

CONFLICTS: dict[str, tuple[type[errors.RegulError], str]] = {}
"""Constraint name -> (family, code). Rooms fill it at import: `database.refuses(...)`."""


def refuses(constraint: str, family: type[errors.RegulError], code: str) -> None:
    """Say which refusal a named constraint stands for.

    Args:
        constraint: Name in the schema, `<table>_<rule>`.
        family: What the caller gets.
        code: The stable code.
    """
    CONFLICTS[constraint] = (family, code)


class Database:
    """A pool under one role.

    Attributes:
        on_commit: Called after each committed transaction (the process' wake-up); never waits.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        """Wrap a pool made by `open_database`."""
        self.pool = pool
        self.on_commit: Callable[[], None] = lambda: None

    @contextlib.asynccontextmanager
    async def transaction(self, actor: Actor) -> AsyncIterator[Tx]:
        """Open the one transaction of a request or task.

        Args:
            actor: Whose scope the row policies apply.

        Yields:
            The connection; commits at the end, rolls back on any exception.

        Raises:
            RegulError: For a database error that has a meaning (see `translate`).
        """
        try:
            async with self.pool.acquire() as connection:
                await connection.execute(_opening(actor))
                try:
                    yield connection
                except BaseException:
                    await _roll_back(connection)
                    raise
                await connection.execute("commit")
        except FAILURES as error:
            # Not chained: the database's own message may quote values.
            raise translate(error) from None
        self.on_commit()

    @contextlib.asynccontextmanager
    async def plain(self) -> AsyncIterator[Tx]:
        """Give a connection outside any transaction: each statement commits by itself.

        Yields:
            A connection without an actor's scope.
        """
        try:
            async with self.pool.acquire() as connection:
                yield connection
        except FAILURES as error:
            # Not chained: the database's own message may quote values.
            raise translate(error) from None

    async def run(self, actor: Actor, act: Callable[[Tx], Awaitable[T]]) -> T:
        """Run a use case in one transaction, once more if the database asked for a retry.

        Args:
            actor: Whose scope applies.
            act: The use case; must not have effects outside the transaction.

        Returns:
            What the use case gives.

        Raises:
            RegulError: Its refusals, and `database_busy` when the retry failed too.
        """
        try:
            async with self.transaction(actor) as tx:
                return await act(tx)
        except errors.Unavailable as error:
            if error.code != "database_busy":
                raise
        async with self.transaction(actor) as tx:
            return await act(tx)

    async def close(self) -> None:
        """Close the pool, waiting for running transactions for at most five seconds."""
        try:
            await asyncio.wait_for(self.pool.close(), 5)
        except TimeoutError:
            self.pool.terminate()


async def open_database(dsn: str, role: PoolRole, size: int) -> Database:
    """Open a pool whose connections run under one role.

    Args:
        dsn: Of a login that is a member of the role.
        role: The role they take.
        size: Most connections.

    Returns:
        The pool; connects lazily, so a database that is away does not stop a start.
    """
    pool = await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=size,
        init=functools.partial(_take_role, role=role),
        reset=_reset,
        timeout=5,
        max_inactive_connection_lifetime=300,
        server_settings={
            "application_name": role,
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "lock_timeout": str(LOCK_TIMEOUT_MS),
            "idle_in_transaction_session_timeout": "10000",
            "timezone": "UTC",
            "jit": "off",
        },
    )
    return Database(pool)


async def _take_role(connection: Tx, *, role: str) -> None:
    await connection.execute(f"set role {role}")


async def _reset(connection: Tx) -> None:
    """Leave nothing behind: the scope is per transaction, so only one still open could be."""
    if connection.is_in_transaction():
        await connection.execute("rollback")


def _opening(actor: Actor) -> str:
    """Write the statement that opens a transaction and sets the scope in one round trip.

    Every value is a UUID object, so nothing that a client sent can stand in it.
    """
    organisations = ",".join(str(one) for one in actor.organisation_ids)
    territory = "" if actor.territory_id is None else str(actor.territory_id)
    return (
        f"begin; set local regul.actor = '{actor.id}'; set local regul.territory = '{territory}';"
        f" set local regul.organisations = '{{{organisations}}}'"
    )


async def _roll_back(connection: Tx) -> None:
    with contextlib.suppress(*FAILURES):
        if not connection.is_closed() and connection.is_in_transaction():
            await connection.execute("rollback")


_BUSY = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
)
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    # asyncpg says so when the server's farewell arrives between two statements.
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
_CONTENT = (asyncpg.DataError, asyncpg.UntranslatableCharacterError)


def translate(error: Exception) -> Exception:
    """Turn a database error into the refusal it stands for.

    Args:
        error: From asyncpg or the socket.

    Returns:
        A `RegulError` where the error has a meaning; the error itself otherwise. The database's
        own message is dropped: it may quote values.
    """
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        family, code = CONFLICTS.get(
            error.constraint_name or "", (errors.Conflict, error.constraint_name or "conflict")
        )
        refusal: errors.RegulError = family(code)
        return refusal
    if isinstance(error, _CONTENT):
        return errors.Malformed("value_not_storable", "A value can't be stored as it is.")
    if isinstance(error, asyncpg.LockNotAvailableError):
        return errors.Unavailable("row_busy", "Somebody else is changing this.", 1)
    if isinstance(error, _BUSY):
        return errors.Unavailable("database_busy", "The database asked for a retry.", 1)
    if isinstance(error, _AWAY):
        return errors.Unavailable("database_away", "The database is away.", RETRY_AFTER_S)
    return error


class Wakeup:
    """At most one NOTIFY a millisecond for a whole process, outside business transactions.

    A NOTIFY inside each transaction takes a global lock at commit and costs more than half of
    the booking rate; this one follows the commits of the process.
    """

    def __init__(self, database: Database, channel: str) -> None:
        """Prepare; `run` does the sending.

        Args:
            database: Sends the NOTIFY.
            channel: Name of the channel.
        """
        self._database = database
        self._channel = channel
        self._due = asyncio.Event()

    def __call__(self) -> None:
        """Ask for a wake-up; returns at once."""
        self._due.set()

    async def run(self) -> None:
        """Send wake-ups for as long as the process lives; a database that is away is waited for."""
        while True:
            await self._due.wait()
            await asyncio.sleep(0.001)
            self._due.clear()
            try:
                async with self._database.plain() as connection:
                    await connection.execute(NOTIFY, self._channel)
            except errors.Unavailable:
                await asyncio.sleep(0.2)


NOTIFY: Final = """
select pg_notify($1, '')
"""
