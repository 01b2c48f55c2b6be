"""The directory over HTTP: shapes, refusals with stable codes, never a 500."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest

from directory.api import CareServicePage
from directory.model import Visibility
from kernel.ids import uuid7

Client = httpx.AsyncClient


def body(world: Any, *slots: dict[str, Any], sequence: int = 1) -> dict[str, Any]:
    return {
        "starts_at": world.window.start.isoformat(),
        "ends_at": world.window.end.isoformat(),
        "sequence": sequence,
        "slots": list(slots),
    }


def slot(world: Any, **values: Any) -> dict[str, Any]:
    built = world.slot("a")
    return {
        "key": "a",
        "starts_at": built.start.isoformat(),
        "ends_at": built.end.isoformat(),
        **values,
    }


def path(world: Any) -> str:
    return f"/api/v1/schedules/{world.schedule_id}/slots"


async def test_a_clinic_publishes_reads_and_withdraws(client: Client, world: Any) -> None:
    put = await client.put(path(world), json=body(world, slot(world)))
    assert put.status_code == 200, put.text
    assert put.json()["added"] == 1
    window = {key: body(world)[key] for key in ("starts_at", "ends_at")}
    found = (await client.get(path(world), params=window)).json()
    assert found["next_after"] is None
    (shown,) = found["slots"]
    assert (shown["free"], shown["taken"], shown["kind"]) == (1, 0, "slot")
    gone = await client.delete(f"/api/v1/slots/{shown['id']}")
    assert gone.json() == {"slot_id": shown["id"], "displaced": 0}
    assert (await client.get(path(world), params=window)).json()["slots"] == []


async def test_a_lower_sequence_is_a_409_with_the_current_one(client: Client, world: Any) -> None:
    await client.put(path(world), json=body(world, sequence=5))
    refused = await client.put(path(world), json=body(world, slot(world), sequence=4))
    assert refused.status_code == 409
    assert refused.json()["code"] == "sequence_not_newer"
    assert refused.json()["current"] == 5


BROKEN: tuple[tuple[dict[str, Any], int, str | None], ...] = (
    ({"capacity": 0}, 400, None),
    ({"capacity": 10**30}, 400, None),
    ({"starts_at": "2026-11-24T09:00:00"}, 400, None),
    ({"starts_at": "0001-01-01T00:00:00+23:59"}, 400, "time_out_of_range"),
    ({"key": "a\x00b"}, 400, None),
    ({"key": ""}, 400, None),
    ({"surprise": 1}, 400, None),
    ({"kind": "party"}, 400, None),
    ({"capacity": 3}, 422, "slot_capacity"),
)


@pytest.mark.parametrize(("change", "status", "code"), BROKEN)
async def test_a_broken_slot_is_a_problem_never_a_500(
    client: Client, world: Any, change: dict[str, Any], status: int, code: str | None
) -> None:
    refused = await client.put(path(world), json=body(world, slot(world, **change)))
    assert refused.status_code == status, refused.text
    assert code is None or refused.json()["code"] == code


async def test_broken_questions_are_problems(client: Client, world: Any) -> None:
    window = body(world)
    services = "/api/v1/care-services"
    year = {"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z"}
    naive = {"starts_at": "2026-01-01T00:00:00", "ends_at": "2026-01-02T00:00:00Z"}
    backwards = {"starts_at": window["ends_at"], "ends_at": window["starts_at"]}
    questions: tuple[tuple[str, dict[str, str], str | None], ...] = (
        (path(world), backwards, "window_empty"),
        (path(world), year, "window_too_long"),
        (path(world), naive, "time_without_offset"),
        (path(world), {}, None),
        (services, {"near": "nan,1"}, "near_malformed"),
        (services, {"near": "2.3"}, "near_malformed"),
        (services, {"near": "2.3,49.9,1"}, "near_malformed"),
        (services, {"radius_m": "100"}, "near_needed"),
        (services, {"limit": "0"}, None),
        (services, {"limit": "201"}, None),
        (services, {"after": "x"}, None),
        (services, {"near": "1,1", "after": str(uuid7())}, "after_without_order"),
    )
    for address, query, code in questions:
        refused = await client.get(address, params=query)
        assert refused.status_code == 400, (address, query, refused.text)
        assert code is None or refused.json()["code"] == code
    unknown = await client.get("/api/v1/care-services", params={"service": "magic"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "service_unknown")


async def test_a_clinic_lists_its_own_schedules(client: Client, world: Any, speaker: Any) -> None:
    (one,) = (await client.get("/api/v1/schedules")).json()["schedules"]
    assert (one["id"], one["zone"]) == (str(world.schedule_id), "Europe/Paris")
    assert (one["ownership"], one["sequence"], one["paused"]) == ("owned", 0, False)
    speaker.actor = world.operator
    assert (await client.get("/api/v1/schedules")).json()["schedules"] == []
    named = {"organisation": str(world.organisation_id)}
    assert len((await client.get("/api/v1/schedules", params=named)).json()["schedules"]) == 1


async def test_what_is_not_there_is_a_404(client: Client) -> None:
    for address in (f"/api/v1/care-services/{uuid7()}", "/api/v1/care-services/x"):
        assert (await client.get(address)).status_code == 404
    assert (await client.delete(f"/api/v1/slots/{uuid7()}")).status_code == 404


async def test_another_clinic_and_the_centre_may_not_publish(
    client: Client, world: Any, speaker: Any
) -> None:
    for actor, code in (
        (world.stranger, "other_organisation"),
        (world.operator, "action_not_allowed"),
    ):
        speaker.actor = actor
        refused = await client.put(path(world), json=body(world))
        assert (refused.status_code, refused.json()["code"]) == (403, code)


async def test_care_services_are_listed_and_read(client: Client, world: Any) -> None:
    listed = await client.get(
        "/api/v1/care-services",
        params={"service": "general_practice", "near": "2.3,49.9", "radius_m": "5000"},
    )
    assert listed.status_code == 200, listed.text
    (one,) = listed.json()["care_services"]
    assert UUID(one["id"]) == world.care_service_id
    assert one["distance_m"] == pytest.approx(0, abs=1)
    read = await client.get(f"/api/v1/care-services/{one['id']}")
    assert read.json()["schedules"] == [str(world.schedule_id)]
    assert set(CareServicePage.__struct_fields__) == set(listed.json())


def session(world: Any, **values: Any) -> dict[str, Any]:
    first = world.window.start.astimezone(ZoneInfo("Europe/Paris")).replace(tzinfo=None, hour=9)
    return {
        "key": "morning",
        "first": first.replace(minute=0, second=0, microsecond=0).isoformat(),
        "minutes": 15,
        "places": 4,
        "rule": "FREQ=DAILY",
        **values,
    }


async def test_a_session_that_comes_back_is_published_by_the_clock_of_the_place(
    client: Client, world: Any
) -> None:
    whole = body(world) | {"recurring": [session(world)]}
    put = await client.put(path(world), json=whole)
    assert put.status_code == 200, put.text
    days = put.json()["added"] // 4
    assert days >= 1
    again = await client.put(path(world), json=whole)
    assert again.json() == put.json()
    window = {key: whole[key] for key in ("starts_at", "ends_at")}
    found = (await client.get(path(world), params=window)).json()["slots"]
    paris = ZoneInfo("Europe/Paris")
    starts = [datetime.fromisoformat(one["starts_at"]).astimezone(paris) for one in found]
    assert {f"{start:%H:%M}" for start in starts} == {"09:00", "09:15", "09:30", "09:45"}

    away = {"since": starts[0].date().isoformat(), "until": starts[-1].date().isoformat()}
    gone = await client.put(path(world), json=whole | {"absences": [away], "sequence": 99})
    assert gone.json()["withdrawn"] == put.json()["added"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"rule": "FREQ=SECONDLY"}, 422, "recurrence_rule"),
        ({"rule": "a\x00b"}, 400, None),
        ({"first": "1990-01-01T09:00:00"}, 422, "recurrence_too_far"),
        ({"first": "9999-12-31T23:59:00"}, 422, "recurrence_too_far"),
        ({"first": "2026-03-02T09:00:00+01:00"}, 400, None),
        ({"minutes": 1440, "places": 200}, 422, "recurrence_too_long"),
        ({"places": 0}, 400, None),
        ({"but_on": ["never"]}, 400, None),
    ],
)
async def test_a_session_that_cannot_come_back_is_a_problem_never_a_500(
    client: Client, world: Any, change: dict[str, Any], status: int, code: str | None
) -> None:
    whole = body(world) | {"recurring": [session(world, **change)]}
    refused = await client.put(path(world), json=whole)
    assert refused.status_code == status, refused.text
    assert code in {None, refused.json()["code"]}


async def test_one_search_reads_words_and_places_and_explains(
    client: Client, world: Any, speaker: Any, publish: Any
) -> None:
    await publish([world.slot("a"), world.slot("b", 10, visibility=Visibility.SNP)])
    speaker.actor = world.operator
    query = {"text": "médecin généralliste", "place": "80000 Amiens", "within_h": "72", "seed": "4"}
    found = (await client.get("/api/v1/search", params=query)).json()
    assert (found["service"], found["seed"]) == ("general_practice", 4)
    assert (found["around"]["commune"], found["radius_m"]) == ("80021", 111_000)
    (place,) = found["places"]
    assert place["care_service_id"] == str(world.care_service_id)
    assert [one["code"] for one in place["reasons"]] == ["travel", "distance", "starts", "seats"]
    assert len(place["slots"]) == 2
    assert found["refused"] == []
    speaker.actor = world.stranger
    (place,) = (await client.get("/api/v1/search", params=query)).json()["places"]
    assert len(place["slots"]) == 1, "another professional is not shown what is for centres"
    query = {"service": "general_practice", "near": "2.3,49.9", "language": "en", "seed": "4"}
    found = (await client.get("/api/v1/search", params=query)).json()
    assert found["places"] == []
    (refused,) = found["refused"]
    assert (refused["reasons"][0]["code"], refused["reasons"][0]["value"]) == (
        "language_not_spoken",
        ["en", "fr"],
    )


async def test_a_search_that_cannot_be_read_says_which_part(client: Client) -> None:
    asked: tuple[tuple[dict[str, str], int, str | None], ...] = (
        ({}, 400, "service_or_text"),
        ({"service": "dental", "text": "dentiste"}, 400, "service_or_text"),
        ({"service": "magic"}, 422, "service_unknown"),
        ({"text": "zzz"}, 422, "text_not_understood"),
        ({"text": "dentiste", "place": "Nulle-Part-sur-Rien"}, 422, "place_unknown"),
        ({"text": "dentiste", "place": "Saint-Denis"}, 422, "place_ambiguous"),
        ({"text": "dentiste", "place": "Amiens", "near": "2,49"}, 400, "near_or_place"),
        ({"text": "dentiste", "near": "x"}, 400, "near_malformed"),
        ({"text": "dentiste", "skill": "juggling"}, 422, "skill_unknown"),
        ({"text": "dentiste", "accessibility": "wings"}, 422, "accessibility_unknown"),
        ({"text": "dentiste", "limit": "51"}, 400, None),
        ({"text": "dentiste", "within_h": "nan"}, 400, None),
    )
    for query, status, code in asked:
        refused = await client.get("/api/v1/search", params=query)
        assert refused.status_code == status, (query, refused.text)
        assert code is None or refused.json()["code"] == code


async def test_a_consent_is_set_and_shown_and_others_are_refused(
    client: Client, speaker: Any, world: Any
) -> None:
    consent = f"/api/v1/schedules/{world.schedule_id}/consent"
    wanted = {"paused": False, "quota_per_day": 4, "release_before_s": 86_400, "release_min": 1080}
    put = await client.put(consent, json=wanted)
    assert (put.status_code, put.json()) == (200, wanted)
    (seen,) = (await client.get("/api/v1/schedules")).json()["schedules"]
    assert {name: seen[name] for name in wanted} == wanted
    missing = await client.put(f"/api/v1/schedules/{uuid7()}/consent", json={})
    assert (missing.status_code, missing.json()["code"]) == (404, "schedule_missing")
    for bad in (
        {"quota_per_day": -1},
        {"release_min": 1440},
        {"release_before_s": 10**9},
        {"x": 1},
    ):
        assert (await client.put(consent, json=bad)).status_code == 400
    for who in (world.stranger, world.operator):
        speaker.actor = who
        assert (await client.put(consent, json=wanted)).status_code == 403


async def test_days_are_emptied_over_http(client: Client, world: Any) -> None:
    await client.put(path(world), json=body(world, slot(world)))
    day = world.tomorrow.date().isoformat()
    away = {"since": day, "until": day}
    done = await client.post(f"/api/v1/schedules/{world.schedule_id}/absences", json=away)
    assert (done.status_code, done.json()) == (
        200,
        {"schedules": 1, "withdrawn": 1, "displaced": 0},
    )
    none = await client.post(f"/api/v1/roles/{uuid7()}/absences", json=away)
    assert (none.status_code, none.json()["code"]) == (404, "schedule_missing")
    far = {"since": "9999-12-31", "until": "9999-12-31"}
    refused = await client.post(f"/api/v1/schedules/{world.schedule_id}/absences", json=far)
    assert (refused.status_code, refused.json()["code"]) == (422, "absence_range")


async def test_trust_is_shown_to_whom_it_concerns_and_contested_by_them(
    client: Client, speaker: Any, world: Any
) -> None:
    figure = f"/api/v1/organisations/{world.organisation_id}/trust"
    for who, status in ((world.clinic, 200), (world.operator, 200), (world.stranger, 403)):
        speaker.actor = who
        assert (await client.get(figure)).status_code == status
    contest = {"reason": "technical_fault"}
    speaker.actor = world.operator
    assert (await client.post(f"{figure}/contests", json=contest)).status_code == 403
    missing = await client.get(f"/api/v1/organisations/{uuid7()}/trust")
    assert (missing.status_code, missing.json()["code"]) == (404, "organisation_missing")
    speaker.actor = world.clinic
    assert (await client.post(f"{figure}/contests", json={"reason": "?"})).status_code == 400
    made = await client.post(f"{figure}/contests", json=contest)
    assert (made.status_code, made.json()["contests"][0]["reason"]) == (201, "technical_fault")
