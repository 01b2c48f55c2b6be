"""What offers choose from is what judging every row in reach gives, in the same order."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from directory import consent, distance
from directory.finder import Wish
from directory.model import CareService, Intake, Modality, Need
from tests.unit.directory.test_finder import NOW, World, frozen, needs, shown, verdict, worlds


def metres(world: World, need: Need, service: CareService) -> float:
    if need.lon is None or need.lat is None:
        return 0.0
    place = world.place(service)
    return distance.one(need.lon, need.lat, place.lon, place.lat)


def in_reach(world: World, need: Need, refused_limit: int, far_limit: int) -> list[CareService]:
    """Give all within the radius; beyond it the nearest offices and the nearest who roam."""
    every = sorted(
        (one for one in world.rows.care_services if one.service == need.service),
        key=lambda one: (metres(world, need, one), one.id),
    )
    radius = need.radius_m
    if need.lon is None or radius is None:
        return every
    near = [one for one in every if metres(world, need, one) <= radius]
    beyond = [one for one in every if metres(world, need, one) > radius]
    offices = [one for one in beyond if one.modalities == {Modality.OFFICE}]
    others = [one for one in beyond if one.modalities != {Modality.OFFICE}]
    return near + offices[:refused_limit] + others[:far_limit]


@settings(max_examples=60, deadline=None)
@given(
    worlds(),
    needs(),
    st.sampled_from([consent.Audience.CENTRE, consent.Audience.PUBLIC]),
    st.tuples(st.integers(0, 8), st.integers(0, 8)),
    st.booleans(),
)
def test_offers_choose_from_what_judging_everybody_gives(
    world: World, need: Need, audience: consent.Audience, limits: tuple[int, int], late: bool
) -> None:
    refused_limit, far_limit = limits
    found = frozen(world, late=late).search(
        need, NOW, audience=audience, refused_limit=refused_limit, far_limit=far_limit
    )
    wish = Wish(audience=audience)
    judged = [
        (verdict(world, one, need, wish), one)
        for one in in_reach(world, need, refused_limit, far_limit)
    ]
    eligible = sorted(
        (one for one in judged if one[0].eligible),
        key=lambda one: (one[0].straight_m or 0.0, one[1].id),
    )
    refused = sorted(
        (one for one, _ in judged if not one.eligible),
        key=lambda one: (len(one.refusals), one.straight_m or 0.0, one.care_service_id),
    )
    assert [one.verdict for one in found.eligible] == [one for one, _ in eligible]
    assert list(found.refused) == refused[:refused_limit]
    assert found.considered == found.refused_total + len(found.eligible)
    for candidate, (_, service) in zip(found.eligible, eligible, strict=True):
        wanted = [
            slot
            for slot in shown(world, service, need, wish)
            if slot.modality in candidate.verdict.fitting
            and (need.deadline is None or slot.start <= need.deadline)
        ]
        assert list(candidate.slots) == ([] if service.intake is Intake.REFERRAL else wanted)


@settings(max_examples=30, deadline=None)
@given(worlds(), needs())
def test_counting_faults_in_columns_counts_the_reasons_of_the_judge(
    world: World, need: Need
) -> None:
    seen = frozen(world, late=False)
    capability = seen.capability(need.service)
    if capability is None:
        return
    anywhere = msgspec.structs.replace(
        need, lon=None, lat=None, deadline=None, modalities=frozenset()
    )
    counted = seen.screen.faults(anywhere, capability.rows).tolist()
    for row, faults in zip(capability.rows.tolist(), counted, strict=True):
        service = msgspec.structs.replace(seen.services[row], hours=None, intake=Intake.REFERRAL)
        assert len(verdict(world, service, anywhere, Wish()).refusals) == faults
