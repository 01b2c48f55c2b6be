"""What a care service says of itself, who is on call, who stands in, what numbers mean."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from directory import identifiers, loading, rotas
from directory.identifiers import System
from directory.model import Accepts, CareServiceId, Interval, Need, Sector
from directory.rotas import Shift
from kernel import actor as actors
from kernel.actor import Actor, Role
from kernel.database import Database
from kernel.ids import uuid7
from tests.integration.directory.conftest import insert_actor

Client = httpx.AsyncClient
PARIS = ZoneInfo("Europe/Paris")


@pytest_asyncio.fixture
async def administrator(system_database: Database, world: Any) -> Actor:
    who = Actor(id=uuid7(), role=Role.ADMINISTRATOR, territory_id=world.territory_id)
    return await insert_actor(system_database, who)


def of(world: Any, what: str = "") -> str:
    return f"/api/v1/care-services/{world.care_service_id}{what}"


async def audited(admin: Any, action: str) -> list[str]:
    rows = await admin.fetch(
        "select detail from kernel.audit where action = $1 order by id", action
    )
    return [row["detail"] for row in rows]


async def test_an_owner_describes_its_service_once_and_searches_go_by_it(
    client: Client, world: Any, system_database: Database, admin: Any
) -> None:
    said = {
        "accepts": ["walk_in"], "equipment": ["oxygen"], "sector": "sector_2_optam",
        "languages": ["en", "fr"], "min_age_months": 36, "phone": "+33322000000",
        "transfer_phone": "+33322000001", "skills": ["ecg"],
    }  # fmt: skip
    first = await client.put(of(world, "/profile"), json=said)
    assert first.status_code == 200, first.text
    again = await client.put(of(world, "/profile"), json=said)
    shown = (await client.get(of(world))).json()
    assert first.json() == again.json() == shown
    assert {key: shown[key] for key in said} == said
    assert shown["accepts_children"] is True
    assert len(await audited(admin, "care_service.describe")) == 1
    async with system_database.transaction(actors.system()) as tx:
        service = (await loading.load(tx)).service(world.care_service_id)
    assert service is not None
    assert service.sector is Sector.SECTOR_2_OPTAM
    assert service.accepts == frozenset({Accepts.WALK_IN})
    assert service.equipment == frozenset({"oxygen"})


async def test_a_search_refuses_who_lacks_what_is_asked_and_says_so(
    client: Client, world: Any
) -> None:
    assert world
    for wish, reason in (
        ({"equipment": "helipad"}, "equipment_missing"),
        ({"accepts": "walk_in"}, "not_accepted"),
    ):
        asked = {"service": "general_practice", **wish}
        found = (await client.get("/api/v1/search", params=asked)).json()
        assert found["places"] == []
        assert found["refused"][0]["reasons"][0]["code"] == reason


BROKEN: tuple[tuple[str, dict[str, Any], int, str | None], ...] = (
    ("/profile", {"equipment": ["no_such"]}, 422, "equipment_unknown"),
    ("/profile", {"min_age_months": 20, "max_age_months": 20}, 422, "age_range"),
    ("/profile", {"sector": "sector_9"}, 400, None),
    ("/profile", {"languages": []}, 400, None),
    ("/hours", {"weekly": [{"weekday": 0, "opens_min": 60, "closes_min": 60}]}, 422, "hours_range"),
    (
        "/hours",
        {"weekly": [{"weekday": 0, "opens_min": start, "closes_min": 600} for start in (60, 90)]},
        422,
        "hours_overlap",
    ),
    ("/hours", {"exceptions": [{"day": "2199-01-01"}]}, 422, "hours_range"),
    ("/referral-links", {"targets": [str(UUID(int=7))]}, 404, "care_service_missing"),
)


async def test_what_cannot_be_so_is_a_problem_with_its_code(client: Client, world: Any) -> None:
    for what, body, status, code in BROKEN:
        refused = await client.put(of(world, what), json=body)
        assert refused.status_code == status, refused.text
        assert code is None or refused.json()["code"] == code


async def test_another_clinic_and_the_centre_do_not_describe_a_service(
    client: Client, world: Any, speaker: Any
) -> None:
    for who, code in (
        (world.stranger, "other_organisation"),
        (world.operator, "action_not_allowed"),
    ):
        speaker.actor = who
        refused = await client.put(of(world, "/hours"), json={})
        assert (refused.status_code, refused.json()["code"]) == (403, code)


async def test_hours_are_kept_with_their_exceptions_and_past_ones_vanish(
    client: Client, world: Any, admin: Any, system_database: Database
) -> None:
    today: date = await admin.fetchval(
        "select (kernel.regul_now() at time zone 'Europe/Paris')::date"
    )
    said = {
        "weekly": [{"weekday": 0, "opens_min": 540, "closes_min": 720}],
        "holidays": "closed",
        "exceptions": [
            {"day": str(today - timedelta(days=3))},
            {"day": str(today + timedelta(days=9))},
            {"day": str(today + timedelta(days=10)), "opens_min": 600, "closes_min": 660},
        ],
    }
    put = await client.put(of(world, "/hours"), json=said)
    assert put.status_code == 200, put.text
    shown = put.json()
    assert [one["day"] for one in shown["exceptions"]] == [
        str(today + timedelta(days=days)) for days in (9, 10)
    ]
    assert (shown["holidays"], shown["openings"]) == ("closed", said["weekly"])
    assert (await client.put(of(world, "/hours"), json=said)).json() == shown
    assert len(await audited(admin, "care_service.describe")) == 1
    async with system_database.transaction(actors.system()) as tx:
        service = (await loading.load(tx)).service(world.care_service_id)
    assert service is not None
    assert [one.closes_min for one in service.exceptions] == [0, 660]
    assert (await client.put(of(world, "/hours"), json={})).json()["openings"] is None


def zone(**values: Any) -> dict[str, Any]:
    return {"name": "Amiens", "line": "doctor", "communes": ["80021"], **values}


def shift(world: Any, start: datetime, hours: float = 12, **values: Any) -> dict[str, Any]:
    return {
        "starts_at": start.isoformat(),
        "ends_at": (start + timedelta(hours=hours)).isoformat(),
        "care_service_id": str(world.care_service_id),
        **values,
    }


async def test_who_is_on_call_is_known_for_a_commune_at_an_instant(
    client: Client, world: Any, speaker: Any, administrator: Actor, system_database: Database
) -> None:
    speaker.actor = administrator
    here = f"/api/v1/coverage-zones/{uuid4()}"
    assert (await client.put(here, json=zone())).status_code == 200
    night = world.tomorrow + timedelta(hours=19)
    window = {
        "starts_at": world.tomorrow.isoformat(),
        "ends_at": (world.tomorrow + timedelta(days=2)).isoformat(),
    }
    rota = {**window, "shifts": [shift(world, night, phone="+33322000009")]}
    published = await client.put(here + "/shifts", json=rota)
    assert published.status_code == 200, published.text
    assert len(published.json()["gaps"]) == 2
    assert published.json() == (await client.get(here + "/shifts", params=window)).json()

    speaker.actor = world.operator
    for at, phones in (
        (night - timedelta(seconds=1), []),
        (night, ["+33322000009"]),
        (night + timedelta(hours=12), []),
    ):
        asked = {"commune": "80021", "line": "doctor", "at": at.isoformat()}
        (there,) = (await client.get("/api/v1/on-call", params=asked)).json()["zones"]
        assert [one["phone"] for one in there["now"]] == phones
    elsewhere = (await client.get("/api/v1/on-call", params={"commune": "80001"})).json()
    assert elsewhere == {"zones": []}
    async with system_database.transaction(actors.system()) as tx:
        service = (await loading.load(tx)).service(world.care_service_id)
    assert service is not None
    assert [one.start for one in service.shifts] == [night]


async def test_a_rota_is_refused_when_two_of_one_rank_clash_or_reach_out_of_it(
    client: Client, world: Any, speaker: Any, administrator: Actor
) -> None:
    speaker.actor = administrator
    here = f"/api/v1/coverage-zones/{uuid4()}"
    await client.put(here, json=zone())
    start, end = world.tomorrow, world.tomorrow + timedelta(days=1)
    window = {"starts_at": start.isoformat(), "ends_at": end.isoformat()}
    both = [shift(world, start), shift(world, start + timedelta(hours=1))]
    refused = await client.put(here + "/shifts", json={**window, "shifts": both})
    assert refused.json()["code"] == "shifts_clash"
    outside = [shift(world, end)]
    refused = await client.put(here + "/shifts", json={**window, "shifts": outside})
    assert refused.json()["code"] == "shift_outside_window"
    both[1]["rank"] = 2
    taken = await client.put(here + "/shifts", json={**window, "shifts": both})
    assert [one["rank"] for one in taken.json()["shifts"]] == [1, 2]
    assert (await client.put(here, json=zone(communes=["99999"]))).json()["code"] == "place_unknown"
    other = f"/api/v1/coverage-zones/{uuid4()}"
    assert (await client.put(other, json=zone())).json()["code"] == "zone_exists"
    speaker.actor = world.clinic
    assert (await client.put(here, json=zone())).status_code == 403


async def practitioner(admin: Any, serial: int, family: str) -> str:
    rpps = identifiers.make(System.RPPS, f"1999{serial:06d}")
    await admin.execute(
        "insert into directory.practitioner (id, rpps, family, given) values ($1, $2, $3, 'Ada')",
        uuid7(), rpps, family,
    )  # fmt: skip
    return rpps


async def test_a_substitute_is_shown_while_it_stands_in(
    client: Client, world: Any, admin: Any
) -> None:
    await practitioner(admin, 900_001, "Holder")
    substitute = await practitioner(admin, 900_002, "Substitute")
    role_id = uuid7()
    await admin.execute(
        "insert into directory.role (id, practitioner_id, organisation_id, location_id, service)"
        " select $1, p.id, c.organisation_id, c.location_id, c.service"
        " from directory.practitioner p, directory.care_service c"
        " where p.family = 'Holder' and c.id = $2",
        role_id, world.care_service_id,
    )  # fmt: skip
    await admin.execute(
        "update directory.care_service set role_id = $1 where id = $2",
        role_id, world.care_service_id,
    )  # fmt: skip
    here = f"/api/v1/roles/{role_id}/substitutions"
    now: datetime = await admin.fetchval("select kernel.regul_now()")
    span = {
        "starts_at": (now - timedelta(hours=1)).isoformat(),
        "ends_at": (now + timedelta(days=5)).isoformat(),
    }
    put = await client.put(here, json={"substitutions": [{"rpps": "8" + substitute, **span}]})
    assert put.status_code == 200, put.text
    assert put.json() == (await client.get(here)).json()
    assert put.json()["substitutions"][0]["number"] == "8" + substitute
    shown = (await client.get(of(world))).json()
    assert (shown["practitioner"], shown["substitute"]) == ("Ada Holder", "Ada Substitute")
    twice = [{"rpps": substitute, **span}, {"rpps": substitute, **span}]
    refused = await client.put(here, json={"substitutions": twice})
    assert refused.json()["code"] == "substitutions_overlap"
    await client.put(here, json={"substitutions": []})
    assert (await client.get(of(world))).json()["substitute"] is None


async def test_an_organisation_shows_its_groups_and_its_numbers_with_prefixes(
    client: Client, world: Any, speaker: Any, administrator: Actor, admin: Any
) -> None:
    group = uuid7()
    finess = identifiers.make(System.FINESS, "80999001")
    await admin.execute(
        "insert into directory.organisation (id, name, kind, finess)"
        " values ($1, 'CPTS', 'community', $2)",
        group, finess,
    )  # fmt: skip
    speaker.actor = administrator
    here = f"/api/v1/organisations/{world.organisation_id}"
    groups = {"groups": [{"group_id": str(group), "since": "2020-01-01"}]}
    joined = (await client.put(here + "/affiliations", json=groups)).json()
    assert [one["name"] for one in joined["belongs_to"]] == ["CPTS"]
    assert joined["belongs_to"][0]["until"] is None
    other = (await client.get(f"/api/v1/organisations/{group}")).json()
    assert [one["organisation_id"] for one in other["members"]] == [str(world.organisation_id)]
    assert [one["shown"] for one in other["numbers"]] == ["1" + finess]

    backwards = {"groups": [{"group_id": here.rsplit("/", 1)[1]}]}
    refused = await client.put(here + "/affiliations", json=backwards)
    assert refused.json()["code"] == "not_a_group"


async def test_a_number_is_found_bare_or_prefixed_and_stands_for_one_thing(
    client: Client, world: Any, speaker: Any, administrator: Actor
) -> None:
    speaker.actor = administrator
    rank = identifiers.make(System.RPPS, "1999900003") + "001"
    alias = {"noun": "organisation", "id": str(world.organisation_id), "system": "rpps_rank"}
    kept = await client.put("/api/v1/identifiers", json={**alias, "value": "4" + rank})
    assert kept.status_code == 200, kept.text
    assert kept.json()["number"]["value"] == rank
    own = {**alias, "system": "own", "source": "an editor", "value": "agenda/17"}
    assert (await client.put("/api/v1/identifiers", json=own)).status_code == 200
    for text in (rank, "4" + rank, "agenda/17"):
        found = (await client.get("/api/v1/identifiers", params={"value": text})).json()
        assert [one["id"] for one in found["meanings"]] == [str(world.organisation_id)]
    wrong = str(int(rank[:11]) + 1) + "001"
    refused = await client.put("/api/v1/identifiers", json={**alias, "value": wrong})
    assert refused.json()["code"] == "check_digit_wrong"
    other = {**alias, "noun": "care_service", "value": rank}
    assert (await client.put("/api/v1/identifiers", json=other)).json()[
        "code"
    ] == "alias_target_missing"


ONE, TWO = CareServiceId(UUID(int=1)), CareServiceId(UUID(int=2))


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(0, 1439), st.integers(0, 400))
@settings(max_examples=60)
def test_days_and_nights_of_a_rota_leave_no_instant_uncovered_whatever_the_clock_does(
    first: date, minute: int, days: int
) -> None:
    begins, ends = 8 * 60, 20 * 60
    days = days % 8 + 1
    by_day = rotas.nightly(first, [ONE] * days, PARIS, begins_min=begins, ends_min=ends)
    by_night = rotas.nightly(first, [TWO] * days, PARIS, begins_min=ends, ends_min=begins)
    shifts: list[Shift] = [*by_day, *by_night]
    whole = Interval(start=by_day[0].interval.start, end=by_night[-1].interval.end)
    assert rotas.gaps(shifts, whole) == []
    assert rotas.clash(shifts) is None
    for day in range(days):
        wall = datetime(first.year, first.month, first.day, tzinfo=PARIS) + timedelta(
            days=day, minutes=minute
        )
        moment = wall.astimezone(UTC)
        if not whole.contains(moment):
            continue
        expected = ONE if begins <= minute < ends else TWO
        assert [one.care_service_id for one in rotas.on_call(shifts, moment)] == [expected]


async def test_a_duty_pharmacy_is_eligible_at_night_by_its_shift(
    client: Client, world: Any, speaker: Any, administrator: Actor, admin: Any,
    system_database: Database,
) -> None:  # fmt: skip
    await admin.execute(
        "update directory.care_service set service = 'pharmacy', intake = 'referral' where id = $1",
        world.care_service_id,
    )
    await client.put(of(world, "/hours"), json={"weekly": []})
    need = Need(service="pharmacy", earliest=world.tomorrow + timedelta(hours=2))

    async def eligible() -> bool:
        async with system_database.transaction(actors.system()) as tx:
            shot = await loading.load(tx)
        return bool(shot.search(need, need.earliest).eligible)

    assert not await eligible()
    speaker.actor = administrator
    here = f"/api/v1/coverage-zones/{uuid4()}"
    await client.put(here, json=zone(line="pharmacy"))
    window = {
        "starts_at": world.tomorrow.isoformat(),
        "ends_at": (world.tomorrow + timedelta(days=1)).isoformat(),
        "shifts": [shift(world, world.tomorrow, 8)],
    }
    assert (await client.put(here + "/shifts", json=window)).status_code == 200
    assert await eligible()
