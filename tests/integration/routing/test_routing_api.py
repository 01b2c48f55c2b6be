"""The routes of routing as a client sees them: statuses, codes, idempotency."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx

from kernel.actor import Role
from kernel.settings import Settings
from tests.integration.routing.serving import Service, serving
from tests.integration.routing.world import World


async def offered(service: Service, disposition_id: UUID) -> Any:
    answer = await service.ask("POST", "/offers", {"disposition_id": str(disposition_id)})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def hold(
    service: Service, slot_id: str, disposition_id: UUID, key: str, **options: Any
) -> httpx.Response:
    body = {"slot_id": slot_id, "disposition_id": str(disposition_id)}
    return await service.ask("POST", "/holds", body, key=key, **options)


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_from_offer_to_outcome(world: World, settings: Settings) -> None:
    at = await world.practice()
    await world.slot(at)
    decided = await world.disposition()
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    async with serving(world, settings) as service:
        offer = await offered(service, decided.id)
        place = offer["places"][0]
        assert {"code", "values", "fr", "en"} == place["reasons"][0].keys()
        read = await service.ask("GET", f"/offers/{offer['id']}")
        assert read.json() == offer
        held = await hold(service, place["slot_id"], decided.id, "hold")
        assert held.status_code == 201
        longer = await service.ask("POST", f"/holds/{held.json()['id']}/extend")
        assert (longer.status_code, longer.json()["extended"]) == (200, True)
        body = {"hold_id": held.json()["id"], "instructions": "Deuxième étage."}
        booked = await service.ask("POST", "/appointments", body, key="book")
        assert (booked.status_code, booked.json()["state"]) == (201, "booked")
        path = f"/appointments/{booked.json()['id']}"
        seen = await service.ask("GET", path, who=clinic)
        assert seen.json()["instructions"] == "Deuxième étage."
        starts = booked.json()["starts_at"][:10]
        listed = await service.ask(
            "GET", f"/appointments?organisation={at.organisation_id}&day={starts}", who=clinic
        )
        assert listed.status_code == 200
        settled = await service.ask("POST", f"{path}/outcome", {"outcome": "fulfilled"}, who=clinic)
        assert (settled.status_code, settled.json()["state"]) == (200, "fulfilled")
        late = await service.ask("POST", f"{path}/cancel", {"reason": "x"}, key="late")
        assert problem(late) == (409, "appointment_state")


async def test_a_repeated_booking_has_one_effect_and_one_answer(
    world: World, settings: Settings
) -> None:
    slot_id = str(await world.slot(await world.practice()))
    decided = await world.disposition()
    async with serving(world, settings) as service:
        twins = await asyncio.gather(
            *(hold(service, slot_id, decided.id, "same") for _ in range(6))
        )
        assert {one.status_code for one in twins} == {201}
        assert len({one.json()["id"] for one in twins}) == 1
        body = {"hold_id": twins[0].json()["id"]}
        booked = await asyncio.gather(
            *(service.ask("POST", "/appointments", body, key="book") for _ in range(6))
        )
        later = await service.ask("POST", "/appointments", body, key="book")
        assert {one.status_code for one in (*booked, later)} == {201}
        assert len({one.text for one in (*booked, later)}) == 1
        other = await service.ask("POST", "/appointments", {"hold_id": str(decided.id)}, key="book")
        assert problem(other) == (422, "idempotency_key_reused")
        missing = await service.ask("POST", "/appointments", body)
        assert problem(missing) == (400, "idempotency_key_missing")
        assert await world.admin.fetchval("select count(*) from routing.appointment") == 1


async def test_the_loser_of_a_race_is_told_the_next_best(world: World, settings: Settings) -> None:
    wanted = str(await world.slot(await world.practice()))
    other = str(await world.slot(await world.practice(north_km=9)))
    first, second = await world.disposition(), await world.disposition()
    async with serving(world, settings) as service:
        await offered(service, second.id)
        assert (await hold(service, wanted, first.id, "a")).status_code == 201
        lost = await hold(service, wanted, second.id, "b")
        assert problem(lost) == (409, "slot_taken")
        assert lost.json()["next_best"]["slot_id"] == other
        assert (await hold(service, other, second.id, "c")).status_code == 201
        again = await hold(service, other, first.id, "d")
        assert again.json().get("next_best") is None


async def test_expired_released_and_unknown_holds_have_their_own_codes(
    world: World, settings: Settings
) -> None:
    at = await world.practice()
    slots = [str(await world.slot(at)) for _ in range(2)]
    decided = [await world.disposition() for _ in range(2)]
    async with serving(world, settings) as service:
        lapsed = (await hold(service, slots[0], decided[0].id, "1")).json()["id"]
        await world.lapse(UUID(lapsed))
        late = await service.ask("POST", "/appointments", {"hold_id": lapsed}, key="2")
        assert problem(late) == (410, "hold_expired")
        given = (await hold(service, slots[1], decided[1].id, "3")).json()["id"]
        for _ in range(2):
            released = await service.ask("DELETE", f"/holds/{given}")
            assert (released.status_code, released.json()["state"]) == (200, "released")
        after = await service.ask("POST", "/appointments", {"hold_id": given}, key="4")
        assert problem(after) == (409, "hold_released")
        unknown = await service.ask("DELETE", f"/holds/{decided[0].id}")
        assert problem(unknown) == (404, "hold_missing")


async def test_too_many_holds_are_refused_with_429(world: World, settings: Settings) -> None:
    slot_id = str(await world.slot(await world.practice(), kind="range", capacity=12))
    async with serving(world, settings) as service:
        told = [
            await hold(service, slot_id, (await world.disposition()).id, str(number))
            for number in range(11)
        ]
    assert [one.status_code for one in told] == [201] * 10 + [429]
    assert problem(told[-1]) == (429, "too_many_holds")


async def test_referrals_and_the_waiting_list_over_http(world: World, settings: Settings) -> None:
    at = await world.practice("emergency_department", intake="referral")
    urgent, without = (
        await world.disposition("U1", "emergency_department"),
        await world.disposition(),
    )
    clinic = await world.actor(Role.CLINIC, organisations=(at.organisation_id,))
    async with serving(world, settings) as service:
        body = {"disposition_id": str(urgent.id), "care_service_id": str(at.care_service_id)}
        sent = await service.ask("POST", "/referrals", body, key="refer")
        assert sent.status_code == 201
        again = await service.ask("POST", "/referrals", body, key="refer")
        assert again.json() == sent.json()
        path = f"/referrals/{sent.json()['id']}"
        assert (await service.ask("GET", path, who=clinic)).json()["state"] == "sent"
        done = await service.ask("POST", f"{path}/outcome", {"outcome": "completed"}, who=clinic)
        assert done.json()["state"] == "completed"
        wish = {"disposition_id": str(without.id)}
        entered = await service.ask("POST", "/waiting-entries", wish, key="wait")
        assert (entered.status_code, entered.json()["constraint"]) == (201, "no_place_published")
        listed = await service.ask("GET", "/waiting-entries")
        assert [one["id"] for one in listed.json()["items"]] == [entered.json()["id"]]
        refused = await service.ask("GET", "/waiting-entries", who=clinic)
        assert problem(refused) == (403, "action_not_allowed")


async def test_hostile_bodies_are_refused_with_their_place(
    world: World, settings: Settings
) -> None:
    decided = await world.disposition()
    soon = (timedelta(days=1)).total_seconds()
    bodies: list[tuple[str, Any]] = [
        ("/offers", {"disposition_id": str(decided.id), "count": 11}),
        ("/offers", {"disposition_id": str(decided.id), "radius_m": 2**70}),
        ("/offers", {"disposition_id": str(decided.id), "unknown": 1}),
        ("/offers", {"disposition_id": str(decided.id), "languages": ["a b"]}),
        ("/holds", {"slot_id": "x", "disposition_id": str(decided.id)}),
        ("/appointments", {"hold_id": str(decided.id), "instructions": "a\u0000b"}),
        ("/appointments", {"hold_id": str(decided.id), "instructions": "a" * 4001}),
        ("/referrals", {"disposition_id": str(decided.id)}),
        ("/waiting-entries", {"disposition_id": str(decided.id), "deadline": soon}),
        ("/waiting-entries", {"disposition_id": str(decided.id), "deadline": "2026-01-01T00:00"}),
    ]
    async with serving(world, settings) as service:
        for path, body in bodies:
            answer = await service.ask("POST", path, body, key="x")
            assert answer.status_code == 400, (path, body, answer.text)
        extreme = {"disposition_id": str(decided.id), "deadline": "0001-01-01T00:00:00+14:00"}
        answer = await service.ask("POST", "/waiting-entries", extreme, key="y")
        assert answer.status_code == 400
        for query in ("organisation=x&day=2026-01-01", f"organisation={decided.id}&day=2026-13-01"):
            assert (await service.ask("GET", f"/appointments?{query}")).status_code == 400
        assert (await service.ask("GET", "/waiting-entries?limit=0")).status_code == 400
