"""Holds: one winner per seat, a loser who knows where to go next, time as the only judge."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest

from kernel import errors
from kernel.actor import Actor, Role
from routing import holds
from routing.model import Hold, HoldState
from tests.integration.routing.world import OTHER_TERRITORY, World


async def attempt(world: World, slot_id: UUID, disposition_id: UUID, who: Actor) -> Hold | str:
    try:
        return await world.hold(slot_id, disposition_id, who)
    except errors.Conflict as refusal:
        best = refusal.fields["next_best"]
        assert best is None or isinstance(best, dict)
        return f"{refusal.code} {best and best['slot_id']}"


async def test_fifty_at_once_on_one_slot_have_one_winner_and_losers_learn_the_next_best(
    world: World,
) -> None:
    first, second = await world.practice(), await world.practice(north_km=8)
    wanted, other = await world.slot(first), await world.slot(second)
    decided = [await world.disposition() for _ in range(50)]
    people = [await world.actor(Role.OPERATOR) for _ in range(50)]
    for one in decided:
        given = await world.offers(one.id)
        assert [place.slot_id for place in given.places] == [wanted, other]
    told = await asyncio.gather(
        *(attempt(world, wanted, one.id, who) for one, who in zip(decided, people, strict=True))
    )
    winners = [one for one in told if isinstance(one, Hold)]
    assert len(winners) == 1
    assert Counter(one for one in told if isinstance(one, str)) == {f"slot_taken {other}": 49}
    assert await world.seat(wanted) == ("held",)


async def test_fifty_at_once_on_a_range_of_four_have_exactly_four_winners(world: World) -> None:
    wanted = await world.slot(await world.practice(), kind="range", capacity=4)
    decided = [await world.disposition() for _ in range(50)]
    people = [await world.actor(Role.OPERATOR) for _ in range(50)]
    told = await asyncio.gather(
        *(attempt(world, wanted, one.id, who) for one, who in zip(decided, people, strict=True))
    )
    seats = sorted(one.seat for one in told if isinstance(one, Hold))
    assert seats == [1, 2, 3, 4]
    assert await world.seat(wanted) == ("held",) * 4


async def test_a_hold_says_its_seat_its_end_and_is_told(world: World) -> None:
    slot_id = await world.slot(await world.practice())
    decided = await world.disposition()
    held = await world.hold(slot_id, decided.id, hold_s=60)
    assert (held.seat, held.state, held.extended) == (1, HoldState.HELD, False)
    assert await world.kinds(held.case_id) == ["hold.placed"]
    noted = await world.admin.fetchval(
        "select count(*) from kernel.audit where resource_id = $1 and action = 'hold.place'",
        held.id,
    )
    assert noted == 1


async def test_an_unknown_slot_is_missing(world: World) -> None:
    decided = await world.disposition()
    with pytest.raises(errors.Missing, match="No such slot"):
        await world.hold(decided.id, decided.id)


async def test_a_lapsed_hold_is_free_to_whoever_comes_next(world: World) -> None:
    slot_id = await world.slot(await world.practice())
    first, second = await world.disposition(), await world.disposition()
    lost = await world.hold(slot_id, first.id)
    await world.lapse(lost.id)
    taken = await world.hold(slot_id, second.id)
    assert taken.seat == lost.seat
    released = await world.database.run(
        world.operator, lambda tx: holds.release(tx, world.operator, lost.id)
    )
    assert released.state is HoldState.RELEASED
    assert await world.seat(slot_id) == ("held",)


async def test_an_actor_holds_at_most_ten_places_and_lapsed_ones_do_not_count(
    world: World,
) -> None:
    at = await world.practice()
    held = [
        await world.hold(await world.slot(at), (await world.disposition()).id) for _ in range(10)
    ]
    more, decided = await world.slot(at), await world.disposition()
    with pytest.raises(errors.Limited) as refusal:
        await world.hold(more, decided.id)
    assert refusal.value.code == "too_many_holds"
    assert await world.seat(more) == ("free",)
    await world.database.run(
        world.operator, lambda tx: holds.release(tx, world.operator, held[0].id)
    )
    await world.hold(more, decided.id)


async def test_the_limit_holds_for_an_actor_who_asks_thirty_times_at_once(world: World) -> None:
    at = await world.practice()
    slots = [await world.slot(at) for _ in range(30)]
    decided = [await world.disposition() for _ in range(30)]
    told = await asyncio.gather(
        *(world.hold(slot, one.id) for slot, one in zip(slots, decided, strict=True)),
        return_exceptions=True,
    )
    assert Counter(type(one) for one in told) == {Hold: 10, errors.Limited: 20}


async def test_release_frees_the_seat_and_repeating_it_changes_nothing(world: World) -> None:
    slot_id = await world.slot(await world.practice())
    held = await world.hold(slot_id, (await world.disposition()).id)
    for _ in range(2):
        given = await world.database.run(
            world.operator, lambda tx: holds.release(tx, world.operator, held.id)
        )
        assert given.state is HoldState.RELEASED
    assert await world.seat(slot_id) == ("free",)
    assert await world.kinds(held.case_id) == ["hold.placed", "hold.released"]


async def test_a_hold_is_prolonged_once_by_the_one_who_holds(world: World) -> None:
    slot_id = await world.slot(await world.practice())
    held = await world.hold(slot_id, (await world.disposition()).id, hold_s=30)
    other = await world.actor(Role.OPERATOR)

    async def extend(who: Actor) -> Hold:
        return await world.database.run(who, lambda tx: holds.extend(tx, who, held.id, hold_s=300))

    with pytest.raises(errors.Forbidden, match="Somebody else"):
        await extend(other)
    longer = await extend(world.operator)
    assert longer.until - held.until > timedelta(minutes=4)
    with pytest.raises(errors.Conflict) as refusal:
        await extend(world.operator)
    assert refusal.value.code == "hold_extended"


async def test_a_lapsed_hold_is_not_prolonged(world: World) -> None:
    slot_id = await world.slot(await world.practice())
    held = await world.hold(slot_id, (await world.disposition()).id)
    await world.lapse(held.id)
    with pytest.raises(errors.Expired):
        await world.database.run(
            world.operator, lambda tx: holds.extend(tx, world.operator, held.id, hold_s=60)
        )


async def test_lapsed_holds_are_told_once_and_nothing_else_changes(world: World) -> None:
    slot_id = await world.slot(await world.practice())
    held = await world.hold(slot_id, (await world.disposition()).id)
    assert await told_lapsed(world) == 0
    await world.lapse(held.id)
    assert [await told_lapsed(world), await told_lapsed(world)] == [1, 0]
    assert await world.kinds(held.case_id) == ["hold.placed", "hold.lapsed"]
    assert await world.seat(slot_id) == ("held",)


async def told_lapsed(world: World) -> int:
    from kernel import actor as actors

    return await world.system.run(
        actors.system(), lambda tx: holds.tell_lapsed(tx, actors.system())
    )


async def test_another_territory_and_a_clinic_see_no_hold(world: World) -> None:
    at = await world.practice()
    held = await world.hold(await world.slot(at), (await world.disposition()).id)
    stranger = await world.actor(Role.OPERATOR, OTHER_TERRITORY)
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    for who in (stranger, clinic):
        with pytest.raises(errors.Missing):
            await world.database.run(who, lambda tx: holds.get(tx, held.id))


async def test_a_role_that_may_not_hold_is_refused(world: World) -> None:
    clinic = await world.actor(Role.CLINIC, organisations=(UUID(int=1),))
    with pytest.raises(errors.Forbidden):
        await world.hold(UUID(int=2), UUID(int=3), clinic)
