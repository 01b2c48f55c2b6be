"""Offers: what was found, why, why not, with what seed; kept as it was given."""

from collections.abc import Awaitable
from datetime import timedelta

import pytest

from directory import capacity_reports
from directory.capacity import CapacityKind, Cause
from directory.capacity_reports import Said
from kernel import errors, ids
from kernel.actor import Role
from routing import answers, candidates, offers, waiting
from tests.integration.routing.world import OTHER_TERRITORY, Practice, World


async def test_an_offer_is_kept_with_its_seed_version_and_counts(world: World) -> None:
    near, far = await world.practice(), await world.practice(north_km=9)
    slots = [await world.slot(near), await world.slot(far)]
    empty = await world.practice()
    decided = await world.disposition()
    offer = await world.offers(decided.id)
    assert [place.slot_id for place in offer.places] == slots
    assert (offer.considered, offer.refused_total) == (3, 1)
    assert [one.care_service_id for one in offer.refused] == [empty.care_service_id]
    kept = await world.database.run(
        world.operator, lambda tx: offers.last(tx, world.operator, decided.id)
    )
    assert kept == offer
    shaped = answers.of_offer(offer, None)
    assert shaped.places[0].reasons[0].fr.endswith("min de trajet")
    assert shaped.refused[0].reason.en == "no published opening"
    assert shaped.refused[0].changes[0].en.startswith("if a place were published from")


async def test_the_same_seed_gives_the_same_order_again(world: World) -> None:
    for _ in range(5):
        await world.slot(await world.practice())
    decided = await world.disposition()
    first = await world.offers(decided.id, seed=42)
    # The first offer counts for fairness; a need that nobody was offered yet is asked here.
    await world.admin.execute("update routing.offer set asked_at = asked_at - interval '2 days'")
    again = await world.offers(decided.id, seed=42)
    assert [one.slot_id for one in first.places] == [one.slot_id for one in again.places]
    assert first.seed == again.seed == 42


async def test_who_came_first_lately_stands_behind_its_equals(world: World) -> None:
    for _ in range(3):
        await world.slot(await world.practice())
    firsts = []
    for _ in range(6):
        offer = await world.offers((await world.disposition()).id)
        firsts.append(offer.places[0].care_service_id)
    assert sorted(firsts.count(one) for one in set(firsts)) == [2, 2, 2]


async def test_an_offer_without_places_names_what_binds_for_the_waiting_entry(
    world: World,
) -> None:
    await world.practice()
    decided = await world.disposition()
    offer = await world.offers(decided.id)
    assert offer.places == ()
    wish = waiting.Enter(disposition_id=decided.id)
    entry = await world.database.run(
        world.operator, lambda tx: waiting.enter(tx, world.operator, wish)
    )
    assert entry.constraint == candidates.constraint(offer.refused) == "no_opening"


async def test_places_after_the_deadline_are_offered_last_of_all_and_say_so(world: World) -> None:
    await world.slot(await world.practice(), begins_in=timedelta(hours=5))
    late = await world.offers((await world.disposition("U2")).id)
    assert late.places[0].late_s > 2.5 * 3600
    assert "late" in {reason.code for reason in late.places[0].reasons}


async def test_an_urgent_need_finds_a_department_without_a_slot(world: World) -> None:
    at = await world.practice("emergency_department", intake="referral")
    offer = await world.offers((await world.disposition("U1", "emergency_department")).id)
    assert [(one.care_service_id, one.slot_id) for one in offer.places] == [
        (at.care_service_id, None)
    ]
    assert offer.places[0].late_s == 0


async def test_a_mirrored_diary_needs_agreement(world: World) -> None:
    await world.slot(await world.practice(ownership="mirrored"))
    offer = await world.offers((await world.disposition()).id)
    assert offer.places[0].agreement


async def test_a_place_the_patient_refuses_is_explained_not_offered(world: World) -> None:
    at = await world.practice()
    await world.slot(at)
    offer = await world.offers((await world.disposition()).id, refused=(at.care_service_id,))
    assert offer.places == ()
    assert offer.refused[0].reason.code == "refused_by_patient"


async def test_an_offer_is_seen_by_its_own_territory_only(world: World) -> None:
    await world.slot(await world.practice())
    offer = await world.offers((await world.disposition()).id)
    stranger = await world.actor(Role.OPERATOR, OTHER_TERRITORY)
    with pytest.raises(errors.Missing):
        await world.database.run(stranger, lambda tx: offers.get(tx, stranger, offer.id))


async def test_a_disposition_that_asks_for_no_place_has_no_offers(world: World) -> None:
    decided = await world.disposition()
    await world.admin.execute(
        "insert into triage.disposition (id, case_id, territory_id, kind, acuity, decided_by,"
        " decided_role) values ($1, $2, $3, 'PASPLUS', 'U5', $4, 'physician')",
        (advice := ids.uuid7()),
        decided.case_id,
        world.operator.territory_id,
        world.operator.id,
    )
    with pytest.raises(errors.Invalid, match="asks for no place"):
        await world.offers(advice)


async def test_a_hospital_that_says_it_is_full_comes_after_one_with_beds_and_tells_both(
    world: World,
) -> None:
    def hospital(north_km: float) -> Awaitable[Practice]:
        return world.practice("emergency_department", north_km=north_km, intake="referral")

    near, far, silent = await hospital(5), await hospital(9), await hospital(30)
    who = await world.actor(Role.CLINIC, None, (near.organisation_id, far.organisation_id))
    for at, occupied in ((near, 12), (far, 9)):
        said = Said(sequence=1, total=12, occupied=occupied, cause=Cause.CENSUS)
        async with world.database.transaction(who) as tx:
            await capacity_reports.report(
                tx, who, at.care_service_id, CapacityKind.EMERGENCY_PLACE, said
            )
    decided = await world.disposition("U3", "emergency_department")
    offer = await world.offers(decided.id)
    assert [one.care_service_id for one in offer.places] == [
        far.care_service_id, near.care_service_id, silent.care_service_id,
    ]  # fmt: skip
    shaped = answers.of_offer(offer, None)
    told = [[one.fr for one in place.reasons if "urgences" in one.fr] for place in shaped.places]
    assert told == [
        ["places aux urgences libres : 3 sur 12, dit il y a 1 min"],
        ["places aux urgences : complet (12 sur 12), dit il y a 1 min"],
        [],
    ]
