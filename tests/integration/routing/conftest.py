"""Fixture: a small territory on a fresh database."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from kernel.crypto import KeyRing
from kernel.database import Database
from tests.integration.routing.world import World


@pytest_asyncio.fixture
async def world(
    database: Database,
    system_database: Database,
    admin: Any,
    keys: KeyRing,
) -> AsyncIterator[World]:
    """Give the territory with one physician."""
    built = World(database, system_database, admin, keys)
    await built.begin()
    yield built
