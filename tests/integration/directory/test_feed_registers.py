"""National registers taken in: FINESS and RPPS in their public layouts, rows of our own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from directory import feed_intake, feed_letter, feed_registers, feed_store, identifiers
from directory.feed_registers import Findings
from directory.feed_rows import BrokenRow, FeedOrganisation, FeedPerson
from directory.feed_store import Feed
from directory.identifiers import System
from interop import registers
from kernel import actor as actors
from kernel import errors
from kernel.database import Database
from kernel.ids import uuid7
from server import feed_runs, feed_sources

FIRST = "finess;etalab;98;2026-03-01"
CODES = {"355": "hospital", "620": "pharmacy"}
RPPS_HEADER = (
    "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Code civilité d'exercice|"
    "Libellé civilité d'exercice|Code civilité|Libellé civilité|Nom d'exercice|Prénom d'exercice|"
    "Code profession|Libellé profession|"
)

# The header of an extraction of 2026, as far as what somebody does where.
WORK_HEADER = (
    RPPS_HEADER + "Code catégorie professionnelle|Libellé catégorie professionnelle|"
    "Code type savoir-faire|Libellé type savoir-faire|Code savoir-faire|Libellé savoir-faire|"
    "Code mode exercice|Libellé mode exercice|Numéro SIRET site|Numéro SIREN site|"
    "Numéro FINESS site|Numéro FINESS établissement juridique|"
    "Identifiant technique de la structure|Raison sociale site|Code postal (coord. structure)|"
    "Code commune (coord. structure)|Libellé commune (coord. structure)|"
)


def site(number: int, name: str = "CH D'ESSAI", category: str = "355", siret: str = "") -> str:
    finess = identifiers.make(System.FINESS, f"8099{number:04}")
    fields = [
        "structureet", finess, "800000000", name, "", "", "", "1", "R", "DE L'ESSAI", "", "", "021",
        "80", "SOMME", "80000 AMIENS", "0353010000", "", category, "libellé", "1102", "libellé",
        siret, "8610Z", "03", "libellé", "1", "libellé", "1979-02-13", "1979-02-13", "2026-01-05",
        "",
    ]  # fmt: skip
    return ";".join(fields)


def person(number: int, family: str = "ESSAI", kind: str = "8") -> str:
    rpps = identifiers.make(System.RPPS, f"1099{number:06}")
    return f"{kind}|{rpps}|8{rpps}|DR|Docteur|M|Monsieur|{family}|Aline|10|Médecin|"


def working(number: int, place: str, **said: str) -> str:
    """Give a line of somebody who works somewhere: `place` is "postcode|commune|name"."""
    cells = ["C", "Civil", "S", "", said.get("skill", "SM54"), "", "L", "Libéral"]
    cells += [said.get("siret", ""), "", said.get("finess", ""), "", said.get("structure", "")]
    return person(number) + "|".join([*cells, "CABINET D'ESSAI", place, ""])


def write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


async def register(
    system: Database, world: Any, kind: Any, path: Path, codes: Mapping[str, str] | None = None
) -> Feed:
    feed = Feed(
        id=uuid7(), kind=kind, address=str(path), publisher=kind, zone="Europe/Paris",
        country="FR", territory_id=world.territory_id, organisation_id=None,
        codes=codes or (CODES if kind == "finess" else {}),
    )  # fmt: skip
    async with system.transaction(actors.system()) as tx:
        await feed_intake.register(tx, actors.system(), feed)
    return feed


async def again(system: Database, feed: Feed) -> feed_sources.Outcome:
    async with system.transaction(actors.system()) as tx:
        (known,) = await feed_store.feeds(tx, feed.id)
    return await feed_runs.run(system, known)


def test_a_line_of_finess_is_read_by_its_place(tmp_path: Path) -> None:
    siret = identifiers.make(System.SIRET, "8099000010001")
    path = write(tmp_path / "f.csv", FIRST, site(1, "HÔPITAL", siret=siret), encoding="cp1252")
    (row,) = registers.finess(path)
    assert isinstance(row, FeedOrganisation)
    assert (row.name, row.category, row.siret, row.line) == ("HÔPITAL", "355", siret, 2)


def test_broken_lines_of_finess_are_left_out_with_their_number(tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.csv", FIRST, "structureet;1;2", "other;1", "geolocalisation;1;2",
        site(1).replace("CH D'ESSAI", "=HYPERLINK(1)"), site(2), site(3) + ";",
        "x" * (1 << 20),
    )  # fmt: skip
    found = [row for row in registers.finess(path) if isinstance(row, BrokenRow)]
    assert [(row.line, row.reason) for row in found] == [
        (2, "fields"), (3, "not_a_site"), (5, "formula"), (8, "line_too_long"),
    ]  # fmt: skip


@pytest.mark.parametrize("reader", [registers.finess, registers.rpps])
def test_a_file_of_something_else_is_refused(tmp_path: Path, reader: Any) -> None:
    with pytest.raises(errors.Invalid) as refused:
        list(reader(write(tmp_path / "x", "name;code", "a;b")))
    assert refused.value.code == "feed_columns_missing"


def test_people_are_read_by_the_names_of_the_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "p.txt", RPPS_HEADER, person(1), person(2, kind="0"), "8|1|2")
    first, other, broken = registers.rpps(path)
    assert isinstance(first, FeedPerson)
    assert (first.family, first.given, len(first.rpps)) == ("ESSAI", "Aline", 11)
    assert isinstance(other, BrokenRow)
    assert isinstance(broken, BrokenRow)
    assert (other.reason, broken.reason, broken.line) == ("not_rpps", "cells_missing", 4)


def test_a_zero_comes_back_only_where_the_check_digit_fits() -> None:
    feed = Feed(
        id=uuid7(), kind="finess", address="x", publisher="x", zone="Europe/Paris", country="FR",
        territory_id=uuid7(), organisation_id=None, codes=CODES,
    )  # fmt: skip
    whole = identifiers.make(System.FINESS, "01999999")
    wrong = whole[1:-1] + str((int(whole[-1]) + 1) % 10)
    rows = [
        FeedOrganisation(finess=one, name="x", category="355", siret="2,601E+13", line=n)
        for n, one in enumerate((whole[1:], wrong, whole), 2)
    ]
    found = Findings()
    (entry,) = feed_registers.entries(rows, feed, found)
    assert entry.key == whole
    assert [(fault.code, fault.line, fault.repaired) for fault in found.faults] == [
        ("lost_leading_zero", 2, whole), ("malformed_identifier", 2, None),
        ("malformed_identifier", 3, None), ("malformed_identifier", 4, None),
    ]  # fmt: skip


async def test_sites_are_written_once_and_stored_bare(
    admin: Any, system_database: Database, world: Any, tmp_path: Path
) -> None:
    path = write(tmp_path / "f.csv", FIRST, *(site(n) for n in range(20)), site(99, category="500"))
    feed = await register(system_database, world, "finess", path)
    done = await again(system_database, feed)
    assert (done.state, done.written) == ("done", 20)
    rows = await admin.fetch(
        "select o.id, o.finess, o.kind, a.key from directory.organisation o"
        " join directory.feed_alias a on a.id = o.id and a.noun = 'organisation'"
    )
    assert len(rows) == 20
    assert all(row["finess"] == row["key"] and row["kind"] == "hospital" for row in rows)
    assert (await again(system_database, feed)).state == "unchanged"
    write(path, FIRST, *(site(n, "CH RENOMMÉ" if n == 3 else "CH D'ESSAI") for n in range(20)))
    assert (await again(system_database, feed)).written == 1
    kept = await admin.fetchval("select id from directory.organisation where name = 'CH RENOMMÉ'")
    assert kept in {row["id"] for row in rows}
    async with system_database.transaction(actors.system()) as tx:
        told = await feed_letter.letter(tx, actors.system(), feed.id)
    assert told.tallies == {"rows": 20, "taken": 20}


async def test_a_site_that_is_known_keeps_its_id(
    admin: Any, system_database: Database, world: Any, tmp_path: Path
) -> None:
    finess = site(1).split(";")[1]
    await admin.execute(
        "update directory.organisation set finess = $2 where id = $1", world.organisation_id, finess
    )
    path = write(tmp_path / "f.csv", FIRST, site(1))
    await again(system_database, await register(system_database, world, "finess", path))
    alias = await admin.fetchval("select id from directory.feed_alias where key = $1", finess)
    assert alias == world.organisation_id


async def test_a_register_that_shrinks_much_is_held(
    admin: Any, system_database: Database, world: Any, tmp_path: Path
) -> None:
    path = write(tmp_path / "p.txt", RPPS_HEADER, *(person(n) for n in range(2_500)), person(7))
    feed = await register(system_database, world, "rpps", path)
    done = await again(system_database, feed)
    assert (done.state, done.written) == ("done", 2_500)
    assert await admin.fetchval("select position from directory.feed_run") == 3
    write(path, RPPS_HEADER, *(person(n) for n in range(1_000)))
    done = await again(system_database, feed)
    assert done.state == "held"
    assert done.run is not None
    assert 0.59 < done.run.share < 0.61
    async with system_database.transaction(actors.system()) as tx:
        await feed_intake.release(tx, actors.system(), done.run.id, "Mme Essai")
    assert (await again(system_database, feed)).state == "done"
    gone = await admin.fetchval(
        "select count(*) from directory.feed_alias where gone_at is not null"
    )
    assert gone == 1_500
    assert await admin.fetchval("select count(*) from directory.practitioner") == 2_500


async def test_a_register_that_was_interrupted_goes_on_where_it_was(
    admin: Any, system_database: Database, world: Any, tmp_path: Path
) -> None:
    path = write(tmp_path / "p.txt", RPPS_HEADER, *(person(n) for n in range(3_500)))
    feed = await register(system_database, world, "rpps", path)
    stop = "create function public.stop() returns trigger language plpgsql as $$ begin"
    stop += " if new.rpps = '" + person(2_100).split("|")[1] + "' then"
    stop += " raise exception using errcode = '57P01'; end if; return new; end $$;"
    stop += " create trigger stop before insert on directory.practitioner for each row"
    stop += " execute function public.stop()"
    await admin.execute(stop)
    with pytest.raises(errors.Unavailable):
        await again(system_database, feed)
    assert await admin.fetchval("select position from directory.feed_run") == 2
    await admin.execute("drop trigger stop on directory.practitioner")
    done = await again(system_database, feed)
    assert (done.state, done.written) == ("done", 1_500)
    assert await admin.fetchval("select count(*) from directory.practitioner") == 3_500
    assert await admin.fetchval("select count(*) from directory.feed_run") == 1


async def test_a_category_means_a_kind_of_ours(
    system_database: Database, world: Any, tmp_path: Path
) -> None:
    path = write(tmp_path / "f.csv", FIRST)
    feed = await register(system_database, world, "finess", path)
    strange = Feed(
        id=uuid7(), kind="finess", address="y", publisher="x", zone=feed.zone, country="FR",
        territory_id=feed.territory_id, organisation_id=None, codes={"355": "castle"},
    )  # fmt: skip
    with pytest.raises(errors.Invalid) as refused:
        async with system_database.transaction(actors.system()) as tx:
            await feed_intake.register(tx, actors.system(), strange)
    assert refused.value.code == "organisation_kind_unknown"


async def test_people_bring_their_roles_organisations_and_places_over_the_whole_country(
    admin: Any, system_database: Database, world: Any, tmp_path: Path
) -> None:
    finess = site(1).split(";")[1]
    siret = identifiers.make(System.SIRET, "8099000010001")
    await admin.execute(
        "update directory.organisation set finess = $2 where id = $1", world.organisation_id, finess
    )
    lines = [
        working(1, "80000|80021|AMIENS", finess=finess),
        working(1, "97400|97411|SAINT DENIS", siret=siret),
        working(2, "25300||PONTARLIER", structure="C49940088500020"),
        working(3, "80000|80021|AMIENS", finess=finess, skill="SM99"),
        working(4, "00000|99999|NOWHERE", structure="C1"),
        person(5) + "|" * 16,
    ]
    path = write(tmp_path / "p.txt", WORK_HEADER, *lines)
    feed = await register(system_database, world, "rpps", path, {"SM54": "general_practice"})
    done = await again(system_database, feed)
    assert (done.state, done.written) == ("done", 8)
    rows = await admin.fetch(
        "select o.id, o.kind, l.commune, l.department, l.zone, r.service, a.key"
        " from directory.role r join directory.organisation o on o.id = r.organisation_id"
        " join directory.location l on l.id = r.location_id"
        " join directory.feed_alias a on a.id = r.id and a.noun = 'role'"
        " order by l.commune"
    )
    assert [(row["commune"], row["department"], row["zone"]) for row in rows] == [
        ("25462", "25", "Europe/Paris"),
        ("80021", "80", "Europe/Paris"),
        ("97411", "974", "Indian/Reunion"),
    ]
    assert {row["service"] for row in rows} == {"general_practice"}
    assert rows[1]["id"] == world.organisation_id
    async with system_database.transaction(actors.system()) as tx:
        told = (await feed_letter.letter(tx, actors.system(), feed.id)).tallies
    assert told["exercises.taken"] == 3
    assert (told["exercises.service_unmapped"], told["exercises.place_unknown"]) == (1, 1)
    assert (await again(system_database, feed)).state == "unchanged"
    write(path, WORK_HEADER, *lines[1:], person(6) + "|" * 16)
    assert (await again(system_database, feed)).written == 1
    assert await admin.fetchval("select count(*) from directory.role") == 3
    gone = await admin.fetch("select noun, key from directory.feed_alias where gone_at is not null")
    assert [(row["noun"], row["key"].split("/")[1]) for row in gone] == [("role", "finess")]
