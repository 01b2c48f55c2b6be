"""A reported death closes nothing; a named physician's confirmation does, and can be taken back."""

import pytest

from kernel import errors
from kernel.actor import Actor
from kernel.database import Tx
from tests.integration.triage.centre import Centre
from triage import cases, deaths, qualification
from triage.cases import CloseCase
from triage.deaths import DeathReport, ReportDeath, ReverseDeath
from triage.model import Case


async def report(centre: Centre, case: Case, who: Actor | None = None) -> DeathReport:
    actor = who or centre.operator
    wish = ReportDeath(source="team_on_scene")
    return await centre.database.run(actor, lambda tx: deaths.report(tx, actor, case.id, wish))


async def confirm(centre: Centre, told: DeathReport, who: Actor) -> DeathReport:
    return await centre.database.run(who, lambda tx: deaths.confirm(tx, who, told.id))


async def take_back(centre: Centre, told: DeathReport, who: Actor) -> DeathReport:
    wish = ReverseDeath(reason="other_patient")
    return await centre.database.run(who, lambda tx: deaths.reverse(tx, who, told.id, wish))


async def queued(centre: Centre, case: Case) -> bool:
    who = centre.physician

    async def read(tx: Tx) -> bool:
        found = await qualification.queue(tx, who, "AMU")
        return case.id in {one.case.id for one in found.cases}

    return await centre.database.run(who, read)


async def test_a_report_closes_nothing_and_puts_the_case_before_a_physician(
    centre: Centre,
) -> None:
    case = await centre.qualify(await centre.adult("douleur thoracique"))
    await centre.decide(case)
    before = await centre.case(case)
    assert not await queued(centre, case)
    await report(centre, case)
    after = await centre.case(case)
    assert (after.state, after.closed_at) == (before.state, None)
    assert after.responsible_actor_id == before.responsible_actor_id
    assert await queued(centre, case)
    assert (await centre.kinds(case))[-1] == "death.reported"
    with pytest.raises(errors.Conflict) as refused:
        await report(centre, case)
    assert refused.value.code == "death_reported_already"


async def test_only_a_physician_confirms_and_it_is_in_a_name(centre: Centre) -> None:
    case = await centre.qualify(await centre.adult("douleur thoracique"))
    told = await report(centre, case)
    for who in (centre.operator, centre.osnp):
        with pytest.raises(errors.Forbidden):
            await confirm(centre, told, who)
        with pytest.raises(errors.Forbidden):
            await take_back(centre, told, who)
    with pytest.raises(errors.Missing):
        await confirm(centre, told, centre.neighbour)
    known = await confirm(centre, told, centre.physician)
    assert known.confirmed_by == centre.physician.id
    after = await centre.case(case)
    assert (after.state, after.close_outcome) == ("closed", "deceased")
    assert (await centre.kinds(case))[-2:] == ["death.confirmed", "case.closed"]


async def test_nothing_else_closes_a_case_as_deceased(centre: Centre) -> None:
    case = await centre.qualify(await centre.adult("douleur thoracique"))
    await centre.decide(case)
    who, wish = centre.physician, CloseCase(outcome="deceased")
    with pytest.raises(errors.Conflict) as refused:
        await centre.database.run(who, lambda tx: cases.close(tx, who, case.id, wish))
    assert refused.value.code == "death_not_confirmed"


async def test_a_confirmation_is_reversible_and_somebody_answers_for_the_patient(
    centre: Centre,
) -> None:
    case = await centre.qualify(await centre.adult("douleur thoracique"))
    await centre.decide(case)
    told = await confirm(centre, await report(centre, case), centre.physician)
    back = await take_back(centre, told, centre.colleague)
    assert (back.confirmed_by, back.reversed_by) == (centre.physician.id, centre.colleague.id)
    after = await centre.case(case)
    assert (after.state, after.closed_at) == ("awaiting_physician", None)
    assert after.responsible_actor_id == centre.colleague.id
    assert await queued(centre, case)
    with pytest.raises(errors.Conflict):
        await take_back(centre, told, centre.colleague)
    again = await report(centre, case)
    assert again.id != told.id
    assert [one.id for one in (await centre.view(case)).deaths] == [told.id, again.id]
