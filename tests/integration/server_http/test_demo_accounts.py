"""Demo accounts: the same again at each start, usable by key, offered in a demo only."""

from uuid import UUID

import asyncpg
import pytest

from kernel import identity
from kernel.actor import Role
from kernel.crypto import KeyRing
from kernel.database import Database
from server import accounts, auth


async def test_making_them_again_changes_nothing(
    system_database: Database, keys: KeyRing, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    first = await accounts.ensure(system_database, keys)
    before = await admin.fetch("select id, login, api_key_hash from kernel.actor order by id")
    assert await accounts.ensure(system_database, keys) == first
    after = await admin.fetch("select id, login, api_key_hash from kernel.actor order by id")
    assert before == after


async def test_each_key_opens_its_own_account(system_database: Database, keys: KeyRing) -> None:
    for account in await accounts.ensure(system_database, keys):
        async with system_database.plain() as tx:
            found = await identity.of_key(tx, identity.digest(account.key))
        assert found is not None
        assert (found.id, found.role) == (account.actor_id, account.role)
        staff = found.territory_id == accounts.TERRITORY.id
        assert staff != bool(found.organisation_ids)


async def test_places_stand_for_the_organisations_given(
    system_database: Database, keys: KeyRing
) -> None:
    practice = UUID(int=77)
    opened = await accounts.ensure(system_database, keys, {"clinic": [practice]})
    by_login = {one.login: one for one in opened}
    assert by_login["clinic"].organisation_ids == (practice,)
    assert by_login["delegate"].organisation_ids == (practice,)
    assert by_login["clinic-2"].organisation_ids != (practice,)


async def test_they_are_offered_in_a_demo_only(system_database: Database, keys: KeyRing) -> None:
    await accounts.ensure(system_database, keys)
    offered = await accounts.offered(system_database, demo=True)
    assert [one.login for one in offered] == list(accounts.LOGINS)
    assert await accounts.offered(system_database, demo=False) == ()
    assert {Role.OPERATOR, Role.PHYSICIAN, Role.PARTNER} <= {one.role for one in offered}


def test_another_instance_has_other_keys() -> None:
    one, other = KeyRing(b"a" * 32), KeyRing(b"b" * 32)
    assert accounts.key_of(one, "operator") != accounts.key_of(other, "operator")


@pytest.mark.parametrize("password", ["", "é" * 100, "x" * 5_000], ids=["none", "accents", "long"])
def test_a_password_fits_its_own_hash_only(password: str) -> None:
    stored = auth.hash_password(password)
    assert auth.matches(stored, password)
    assert not auth.matches(stored, password + "x")
    assert not auth.matches("no hash", password)
