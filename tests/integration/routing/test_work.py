"""The background tasks: what time and other rooms bring about, without anybody asking."""

import asyncio
from collections.abc import Awaitable, Callable

from events import handoffs, sequencer
from kernel.actor import Role
from routing import waiting, work
from tests.integration.routing.world import World


async def becomes_true(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_the_workers_tell_escalate_and_react(world: World) -> None:
    at = await world.practice()
    refused = await world.booked(at, "U2")
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    assert refused.handoff_id is not None
    handoff_id = refused.handoff_id
    await world.database.run(clinic, lambda tx: handoffs.refuse(tx, clinic, handoff_id, "full"))
    late, lapsed = await world.disposition(), await world.disposition()
    wish = waiting.Enter(disposition_id=late.id)
    await world.database.run(world.operator, lambda tx: waiting.enter(tx, world.operator, wish))
    await world.admin.execute("update routing.waiting_entry set deadline = entered_at")
    held = await world.hold(await world.slot(at), lapsed.id)
    await world.lapse(held.id)
    while await sequencer.step(world.system):
        pass

    async def all_done() -> bool:
        return (
            "waiting.escalated" in await world.kinds(late.case_id)
            and "hold.lapsed" in await world.kinds(lapsed.case_id)
            and len(await world.waits(refused.case_id)) == 1
        )

    tasks = [asyncio.create_task(act()) for act in work.workers(world.system).values()]
    try:
        await becomes_true(all_done)
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert await world.responsible(refused.case_id) == world.operator.id
