"""Who asks: API keys, sessions of the console, sign-in and sign-out. Deny by default.

Every address needs somebody known, except the few of `OPEN` and `OPEN_BELOW`. What a known actor
may do is decided in the use cases (`kernel.actor.require`), what it sees by the database.
"""

import asyncio
import secrets
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

import argon2
from litestar import Request, Response, post
from litestar.response import Redirect

from kernel import errors, identity
from kernel.actor import Actor
from kernel.database import Database, Tx
from kernel.settings import Settings
from server import accounts
from server.headers import Headers
from server.visits import Visit

OPEN: Final = frozenset(
    {
        "/healthz",
        "/readyz",
        "/login",
        "/session",
        "/preferences",
        "/favicon.ico",
        "/contracts/events.json",
        "/contracts/asyncapi.json",
        "/api/v1/openapi.json",
    }
)
"""Addresses that need nobody known."""
OPEN_BELOW: Final = ("/static/",)
"""Addresses below these need nobody known either."""

COOKIE: Final = "regul_session"
SECURE_COOKIE: Final = "__Host-regul_session"
_REMEMBER_S: Final = 2.0
_REMEMBERED: Final = 4_096
_FAILURES: Final = 10
_FAILURE_WINDOW_S: Final = 60.0
_LONGEST_TOKEN: Final = 200
_SEE_OTHER: Final = 303

_HASHER: Final = argon2.PasswordHasher()


class Doorkeeper:
    """Finds the actor of a request; remembers an answer for two seconds.

    A key or session that is taken away stops working within these two seconds in other processes,
    at once in this one when it signed out here.
    """

    def __init__(self) -> None:
        """Start without a database; `connect` gives one."""
        self._database: Database | None = None
        self._known: OrderedDict[bytes, tuple[float, Actor]] = OrderedDict()

    def connect(self, database: Database) -> None:
        """Give the pool that actors are looked up in.

        Args:
            database: Pool under `regul_app`.
        """
        self._database = database

    async def admit(self, headers: Headers, path: str, visit: Visit) -> None:
        """Set the visit's actor; see `server.guard.Doorkeeper`.

        Args:
            headers: Of the request.
            path: Its address.
            visit: Where the actor is put.

        Raises:
            Unauthenticated: `sign_in_needed`, `credentials_unknown`.
        """
        free = path in OPEN or path.startswith(OPEN_BELOW)
        scheme, _, key = headers.text(b"authorization").partition(" ")
        token = session_token(headers)
        try:
            if scheme:
                if scheme.lower() != "bearer":
                    raise errors.Unauthenticated("credentials_unknown", "Send a Bearer API key.")
                actor = await self._find(key.strip(), identity.of_key)
                visit.by = "key"
            elif token:
                actor = await self._find(token, identity.of_session)
                visit.by = "session"
            else:
                raise errors.Unauthenticated("sign_in_needed", "Sign in or send an API key.")
        except (errors.Unauthenticated, errors.Unavailable):
            visit.by = ""
            if free:
                return
            raise
        visit.actor = actor

    def forget(self, token: str) -> None:
        """Stop remembering a session.

        Args:
            token: Its token.
        """
        self._known.pop(b"of_session" + identity.digest(token), None)

    async def _find(
        self, secret: str, look: Callable[[Tx, bytes], Awaitable[Actor | None]]
    ) -> Actor:
        unknown = errors.Unauthenticated("credentials_unknown", "These credentials are not known.")
        if not secret.isascii() or not 0 < len(secret) <= _LONGEST_TOKEN:
            raise unknown
        digest = identity.digest(secret)
        place = look.__name__.encode() + digest
        until, actor = self._known.get(place, (0.0, None))
        if actor is not None and time.monotonic() < until:
            return actor
        if self._database is None:
            raise errors.Unavailable("starting", "The service is starting.", 1)
        async with self._database.plain() as connection:
            actor = await look(connection, digest)
        if actor is None:
            self._known.pop(place, None)
            raise unknown
        self._known[place] = (time.monotonic() + _REMEMBER_S, actor)
        self._known.move_to_end(place)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return actor


def session_token(headers: Headers) -> str:
    """Give the session token of a request; empty when it has none.

    Args:
        headers: Of the request.
    """
    found: dict[str, str] = {}
    for part in headers.text(b"cookie").split(";"):
        name, _, value = part.strip().partition("=")
        found[name] = value
    return found.get(SECURE_COOKIE) or found.get(COOKIE) or ""


class Attempts:
    """Failed sign-ins per login, in this process: ten a minute, then 429."""

    def __init__(self) -> None:
        """Start with none."""
        self._failed: dict[str, deque[float]] = defaultdict(deque)

    def check(self, login: str) -> None:
        """Refuse when there were too many.

        Args:
            login: As typed.

        Raises:
            Limited: `sign_in_limited`.
        """
        times = self._failed.get(login, deque())
        while times and times[0] < time.monotonic() - _FAILURE_WINDOW_S:
            times.popleft()
        if len(times) >= _FAILURES:
            raise errors.Limited(
                "sign_in_limited", "Too many failed sign-ins.", retry_after_s=int(_FAILURE_WINDOW_S)
            )

    def failed(self, login: str) -> None:
        """Count one failure.

        Args:
            login: As typed.
        """
        if len(self._failed) > _REMEMBERED:
            self._failed.clear()
        self._failed[login].append(time.monotonic())


def hash_password(password: str) -> str:
    """Give the argon2id hash of a password, with the library's present parameters.

    Args:
        password: In clear.
    """
    return _HASHER.hash(password)


@cache
def _nobody() -> str:
    """Give a hash that nothing fits: an unknown login takes as long as a known one."""
    return _HASHER.hash(secrets.token_hex())


def matches(stored: str, password: str) -> bool:
    """Tell whether a password fits its hash; takes tens of milliseconds, so run it in a thread.

    Args:
        stored: argon2id hash.
        password: As typed.
    """
    try:
        return _HASHER.verify(stored, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


async def sign_in(
    database: Database, settings: Settings, form: dict[str, str], attempts: Attempts
) -> str | None:
    """Begin a session for a login and password, or in a demo for an account's name alone.

    Args:
        database: Pool under `regul_app`.
        settings: Tells whether this is a demo.
        form: `login` and `password`, or `account`.
        attempts: Failures so far.

    Returns:
        The session's token, or None when refused.

    Raises:
        Limited: Too many failures for this login.
    """
    account = form.get("account", "")
    login = form.get("login", "")
    attempts.check(login)
    actor_id: UUID | None = None
    if account:
        async with database.plain() as connection:
            offered = settings.demo and account in accounts.LOGINS
            actor_id = await identity.id_of_login(connection, account) if offered else None
    else:
        async with database.plain() as connection:
            known = await identity.credential_of(connection, login)
        # No connection is held meanwhile: a wave of wrong passwords must not stop the service.
        stored = known.password_hash if known else await asyncio.to_thread(_nobody)
        fits = await asyncio.to_thread(matches, stored, form.get("password", ""))
        actor_id = known.actor_id if known and fits else None
    if actor_id is None:
        attempts.failed(login)
        return None
    token = secrets.token_urlsafe(32)
    async with database.plain() as connection:
        await identity.sweep_sessions(connection)
        await identity.begin_session(connection, identity.digest(token), actor_id)
    return token


def safe_next(target: str) -> str:
    """Give where to go after a sign-in: a path of this service, never another site.

    Args:
        target: As sent.
    """
    plain = target.startswith("/") and not target.startswith("//") and "\\" not in target
    return target if plain and target.isascii() and target.isprintable() else "/"


async def _form(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Read a small form; the guard has checked its bytes."""
    body = (await request.body()).decode("utf-8")
    return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=20))


@post("/session", status_code=_SEE_OTHER, include_in_schema=False)
async def begin(request: Request[Any, Any, Any]) -> Response[None]:
    """Sign in from the console's form; answers with a redirect."""
    services = request.app.state.services
    try:
        form = await _form(request)
    except ValueError as error:
        raise errors.Malformed("form_unreadable", "The form can't be read.") from error
    target = safe_next(form.get("next", "/"))
    token = await sign_in(services.database, services.settings, form, services.attempts)
    if token is None:
        return Redirect("/login?refused=1", status_code=_SEE_OTHER)
    answer = Redirect(target, status_code=_SEE_OTHER)
    secure = request.headers.get("origin", "").startswith("https://")
    answer.set_cookie(
        key=SECURE_COOKIE if secure else COOKIE,
        value=token,
        max_age=int(identity.SESSION_LASTS.total_seconds()),
        path="/",
        httponly=True,
        secure=secure,
        samesite="strict",
    )
    return answer


@post("/session/end", status_code=_SEE_OTHER, include_in_schema=False)
async def end(request: Request[Any, Any, Any]) -> Response[None]:
    """Sign out; answers with a redirect to the sign-in page."""
    services = request.app.state.services
    token = session_token(Headers(request.scope["headers"]))
    if token:
        async with services.database.plain() as connection:
            await identity.end_session(connection, identity.digest(token))
        services.doorkeeper.forget(token)
    answer = Redirect("/login", status_code=_SEE_OTHER)
    answer.delete_cookie(COOKIE, path="/")
    answer.delete_cookie(SECURE_COOKIE, path="/")
    return answer


ROUTES: Final = [begin, end]
