"""A FHIR bundle brings its practitioners, organisations and roles, wherever in the country."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from directory import identifiers
from directory.identifiers import System
from kernel.database import Database
from tests.integration.directory.feeds import again, register

RPPS = identifiers.make(System.RPPS, "1999700001")
FINESS = identifiers.make(System.FINESS, "80999701")
CODES = {"SM54": "general_practice"}


def bundle(path: Path, now: datetime, family: str = "Essai") -> None:
    start = now + timedelta(hours=30)
    resources: list[dict[str, Any]] = [
        {
            "resourceType": "Slot", "id": "s", "schedule": {"reference": "Schedule/d"},
            "status": "free", "start": start.isoformat(),
            "end": (start + timedelta(minutes=20)).isoformat(),
        },
        {
            "resourceType": "Schedule", "id": "d",
            "actor": [{"reference": "Practitioner/w"}, {"reference": "PractitionerRole/r"}],
        },
        {
            "resourceType": "PractitionerRole", "id": "r",
            "practitioner": {"reference": "Practitioner/w"},
            "organization": {"reference": "Organization/o"},
            "location": [{"reference": "Location/l"}],
            "specialty": [{"coding": [{"code": "SM54"}]}],
        },
        {
            "resourceType": "Location", "id": "l", "name": "Cabinet",
            "address": {"city": "Saint-Denis", "postalCode": "97400"},
        },
        {
            "resourceType": "Practitioner", "id": "w",
            "name": [{"family": family, "given": ["Aline"]}],
            "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "8" + RPPS}],
        },
        {
            "resourceType": "Organization", "id": "o", "name": "Cabinet d'essai",
            "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1" + FINESS}],
        },
    ]  # fmt: skip
    entries = [{"resource": one} for one in resources]
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": entries}))


async def test_a_bundle_brings_who_works_where_and_a_register_s_name_stays(
    admin: Any, system_database: Database, world: Any, tmp_path: Path
) -> None:
    now: datetime = await admin.fetchval("select kernel.regul_now()")
    path = tmp_path / "bundle.json"
    bundle(path, now)
    feed = await register(
        system_database, world, path, kind="fhir", publisher="an editor", country="FR",
        zone="Indian/Reunion", codes=CODES,
    )  # fmt: skip
    done = await again(system_database, feed)
    assert done.state == "done"
    people = done.people
    assert (people.practitioners, people.organisations, people.roles, people.linked) == (1, 1, 1, 1)
    (row,) = await admin.fetch(
        "select p.rpps, p.family, o.finess, l.commune, l.department, r.service, c.name"
        " from directory.care_service c join directory.role r on r.id = c.role_id"
        " join directory.practitioner p on p.id = r.practitioner_id"
        " join directory.organisation o on o.id = r.organisation_id"
        " join directory.location l on l.id = r.location_id"
    )
    assert (row["rpps"], row["finess"]) == (RPPS, FINESS)
    assert (row["commune"], row["department"]) == ("97411", "974")
    kept = await admin.fetch("select noun, key from directory.feed_alias order by noun, key")
    assert {(one["noun"], one["key"]) for one in kept} >= {
        ("practitioner", "w"), ("organisation", "o"), ("role", "r"),
    }  # fmt: skip
    bundle(path, now, family="Autre")
    again_done = await again(system_database, feed)
    assert again_done.people.linked == 0
    assert await admin.fetchval("select family from directory.practitioner") == "Essai"
    assert await admin.fetchval("select count(*) from directory.role") == 1
