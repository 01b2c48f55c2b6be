"""A supervisor sees which subscriber fails and takes it; a partner sees its own and no other."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg

from tests.e2e.test_console_consent import until_loaded
from tests.e2e.test_console_pages import violations
from tests.running import Running

Desks = Callable[..., Any]
Apis = Callable[[str], Any]


async def let_time_pass(dsn: str, subscription: str) -> None:
    """Let the first failure be a minute ago."""
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(60):
            while not await connection.fetchval(
                "update events.progress set failing_since = clock_timestamp() - interval '1 min'"
                " where subscription_id = $1 and failing_since is not null returning true",
                subscription,
            ):
                await asyncio.sleep(0.1)
    finally:
        await connection.close()


def test_a_supervisor_takes_a_webhook_that_fails(desk: Desks, api: Apis, running: Running) -> None:
    until_loaded(api)
    kinds = ["case.opened"]
    centre, partner = api("supervisor"), api("partner-a")
    own = partner.send("POST", "/subscriptions", {"kinds": kinds})["id"]
    dead = centre.send(
        "POST",
        "/subscriptions",
        {"kinds": kinds, "delivery": "webhook", "endpoint": "https://regul.invalid/hook"},
    )["id"]
    api("operator").open_case("douleur thoracique")

    office = desk("supervisor")
    office.page.goto(office.base_url + "/abonnements")
    row = f"#s-{dead}"
    office.page.wait_for_selector(f"{row}:has-text('En échec')")
    with ThreadPoolExecutor(1) as beside:  # the browser holds this thread's loop
        beside.submit(asyncio.run, let_time_pass(running.told.admin_dsn, dead)).result()
    office.page.locator(f"{row} button").press("Enter")
    office.page.wait_for_selector(f"{row}:has-text('Pris en charge')")
    assert violations(office.page) == []

    outside = desk("partner-a")
    outside.page.goto(outside.base_url + "/abonnements")
    outside.page.wait_for_selector(f"#s-{own}")
    assert outside.page.locator(row).count() == 0
    assert outside.page.locator("button:has-text('occupe')").count() == 0
    assert violations(outside.page) == []
    for who, one in ((centre, dead), (partner, own)):
        who.send("DELETE", f"/subscriptions/{one}")
