"""Fixture: a centre on a fresh database."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from kernel.crypto import KeyRing
from kernel.database import Database
from tests.integration.triage.centre import Centre


@pytest_asyncio.fixture
async def centre(
    database: Database, system_database: Database, admin: Any, keys: KeyRing
) -> AsyncIterator[Centre]:
    """Give the centre with its staff."""
    built = Centre(database, system_database, admin, keys)
    await built.begin()
    yield built
