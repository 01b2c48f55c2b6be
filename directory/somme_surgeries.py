"""Surgeries of the demonstration: invented practitioners, as many GPs as the density says."""

import random
from collections.abc import Sequence
from typing import Final

import msgspec

from directory import names, seed
from directory.model import (
    Accepts,
    CareService,
    LocationId,
    Modality,
    OrganisationId,
    OrganisationKind,
)
from directory.places import Commune

_LANGUAGES: Final = ("en", "ar", "pt", "pl", "es", "de", "tr")
_GP_SKILLS: Final = (
    ("suture", 0.4), ("ecg", 0.35), ("infant_care", 0.5), ("gynaecological_exam", 0.35),
    ("vaccination", 0.8), ("plaster", 0.15), ("addiction", 0.1), ("wound_care", 0.5),
)  # fmt: skip
# Speciality, how many in the department (round figures of the demonstration), skills, needs a
# referral, youngest and first refused age in months.
_SPECIALITIES: Final[tuple[tuple[str, int, tuple[str, ...], bool, int, int | None], ...]] = (
    ("cardiology", 14, ("ecg", "ultrasound"), True, 180, None),
    ("paediatrics", 16, ("infant_care", "vaccination"), False, 0, 216),
    ("psychiatry", 16, ("addiction",), False, 180, None),
    ("imaging", 12, ("xray", "ultrasound", "ct"), True, 0, None),
    ("laboratory", 16, ("blood_test",), True, 0, None),
    ("dental", 60, (), False, 36, None),
    ("midwifery", 20, ("gynaecological_exam",), False, 144, None),
    ("gynaecology", 10, ("gynaecological_exam", "ultrasound"), False, 144, None),
    ("ophthalmology", 10, (), True, 0, None),
    ("ear_nose_throat", 8, (), True, 0, None),
    ("dermatology", 8, (), True, 0, None),
    ("neurology", 6, (), True, 180, None),
    ("orthopaedics", 8, ("plaster", "xray"), True, 0, None),
    ("pneumology", 6, (), True, 180, None),
    ("nephrology", 4, (), True, 180, None),
    ("diabetology", 5, (), True, 180, None),
    ("nursing", 40, ("wound_care", "vaccination"), False, 0, None),
    ("physiotherapy", 30, (), True, 0, None),
)
_COMMUNITIES: Final = ("Amiens", "Vimeu", "Haute-Somme", "Santerre")
_GPS_PER_SURGERY: Final = 3


def build(ground: seed.Ground, communes: Sequence[Commune], density_per_100k: float) -> None:
    """Add communities, surgeries and their practitioners to the ground.

    Args:
        ground: Receives the rows.
        communes: Of the department.
        density_per_100k: General practitioners per 100,000 inhabitants.
    """
    communities = [
        ground.organisation(
            f"community/{name}", f"CPTS {name} {names.MARK}", OrganisationKind.COMMUNITY
        )
        for name in _COMMUNITIES
    ]
    people = sum(commune.population for commune in communes)
    wanted = round(density_per_100k * people / 100_000)
    rng = ground.dice("surgeries")
    surgeries = seed.towns(rng, communes, -(-wanted // _GPS_PER_SURGERY), 600)
    for number, commune in enumerate(surgeries):
        owner, place = _surgery(ground, rng, f"surgery/{number}", commune, rng.choice(communities))
        first = number * _GPS_PER_SURGERY
        for serial in range(first, min(first + _GPS_PER_SURGERY, wanted)):
            _general_practitioner(ground, rng, f"gp/{serial}", owner, place)
    for speciality in _SPECIALITIES:
        _specialists(ground, communes, speciality)
    _permanent_care(ground, communes)


def _surgery(
    ground: seed.Ground,
    rng: random.Random,
    key: str,
    commune: Commune,
    parent_id: OrganisationId | None,
) -> tuple[OrganisationId, LocationId]:
    owner = ground.organisation(
        key,
        f"Cabinet {names.sign(rng)}, {commune.name} {names.MARK}",
        OrganisationKind.PRACTICE,
        finess=seed.finess(len(ground.organisations)),
        parent_id=parent_id,
    )
    access = [code for code in ("step_free", "wheelchair") if rng.random() < 0.7]  # noqa: PLR2004
    place = ground.location(
        key, owner, commune.name, commune, position=seed.scatter(rng, commune), accessibility=access
    )
    return owner, place


def _spoken(rng: random.Random) -> frozenset[str]:
    return frozenset({"fr", *(code for code in _LANGUAGES if rng.random() < 0.12)})  # noqa: PLR2004


def _general_practitioner(
    ground: seed.Ground, rng: random.Random, key: str, owner: OrganisationId, place: LocationId
) -> None:
    role_id, name = ground.practitioner(key, rng, owner, place, "general_practice")
    modalities = {Modality.OFFICE}
    if rng.random() < 0.3:  # noqa: PLR2004 - three in ten
        modalities.add(Modality.TELECONSULTATION)
    visits = rng.random() < 0.25  # noqa: PLR2004 - one in four
    if visits:
        modalities.add(Modality.HOME_VISIT)
    accepts = {
        wish
        for wish, share in ((Accepts.OVERBOOKING, 0.4), (Accepts.WALK_IN, 0.1))
        if rng.random() < share
    }
    ground.care_service(
        key,
        CareService(
            id=seed.NO_ID,
            organisation_id=owner,
            location_id=place,
            role_id=role_id,
            name=f"Dr {name}",
            service="general_practice",
            skills=frozenset(skill for skill, share in _GP_SKILLS if rng.random() < share),
            modalities=frozenset(modalities),
            accepts=frozenset(accepts),
            coverage_m=rng.randrange(5_000, 13_000, 1_000) if visits else None,
            languages=_spoken(rng),
            phone=seed.phone(3_000 + len(ground.care_services)),
        ),
    )


def _specialists(
    ground: seed.Ground,
    communes: Sequence[Commune],
    speciality: tuple[str, int, tuple[str, ...], bool, int, int | None],
) -> None:
    service, count, skills, needs_referral, youngest, refused_from = speciality
    rng = ground.dice(service)
    home = service in {"nursing", "midwifery", "physiotherapy"}
    for number, commune in enumerate(seed.towns(rng, communes, count, 1_500)):
        key = f"{service}/{number}"
        owner, place = _surgery(ground, rng, key, commune, None)
        role_id, name = ground.practitioner(key, rng, owner, place, service)
        ground.care_service(
            key,
            CareService(
                id=seed.NO_ID,
                organisation_id=owner,
                location_id=place,
                role_id=role_id,
                name=name,
                service=service,
                skills=frozenset(skills),
                modalities=frozenset(
                    {Modality.OFFICE, Modality.HOME_VISIT} if home else {Modality.OFFICE}
                ),
                coverage_m=15_000 if home else None,
                min_age_months=youngest,
                max_age_months=refused_from,
                languages=_spoken(rng),
                referral_required=needs_referral,
                phone=seed.phone(5_000 + len(ground.care_services)),
            ),
        )


def _permanent_care(ground: seed.Ground, communes: Sequence[Commune]) -> None:
    """Add duty surgeries, home-visit doctors and teleconsultation, open when surgeries are not."""
    by_name = {commune.name: commune for commune in communes}
    rng = ground.dice("permanent")
    duty = ("Amiens", "Abbeville", "Péronne", "Montdidier", "Doullens", "Albert")
    for town in duty:
        offer = _offer(f"Maison de garde {town}", Modality.OFFICE, ("suture", "infant_care"))
        _permanent(ground, rng, f"duty/{town}", by_name[town], offer)
    for town in ("Amiens", "Abbeville"):
        offer = _offer(f"Médecins mobiles {town}", Modality.HOME_VISIT, ("infant_care",))
        _permanent(ground, rng, f"visits/{town}", by_name[town], offer)
    for number in range(1, 5):
        offer = _offer(f"Téléconsultation {number}", Modality.TELECONSULTATION, ())
        _permanent(ground, rng, f"tele/{number}", by_name["Amiens"], offer)


def _offer(name: str, modality: Modality, skills: tuple[str, ...]) -> CareService:
    """Give an on-call general-practice offer; `_permanent` gives it its place."""
    remote = modality is Modality.TELECONSULTATION
    return CareService(
        id=seed.NO_ID,
        organisation_id=_NOBODY,
        location_id=_NOWHERE,
        name=f"{name} {names.MARK}",
        service="general_practice",
        skills=frozenset({"duty", *skills, *(() if remote else ("ecg",))}),
        modalities=frozenset({modality}),
        coverage_m=25_000 if modality is Modality.HOME_VISIT else None,
        min_age_months=24 if remote else 0,
        languages=frozenset({"fr", "en"}),
    )


_NOBODY: Final = OrganisationId(seed.NO_ID)
_NOWHERE: Final = LocationId(seed.NO_ID)


def _permanent(
    ground: seed.Ground,
    rng: random.Random,
    key: str,
    commune: Commune,
    offer: CareService,
) -> None:
    kind = (
        OrganisationKind.TELEHEALTH if key.startswith("tele/") else OrganisationKind.HEALTH_CENTRE
    )
    owner = ground.organisation(
        key, offer.name, kind, finess=seed.finess(len(ground.organisations))
    )
    place = ground.location(
        key,
        owner,
        commune.name,
        commune,
        position=seed.scatter(rng, commune),
        accessibility=("step_free", "wheelchair"),
    )
    ground.care_service(
        key,
        msgspec.structs.replace(
            offer,
            organisation_id=owner,
            location_id=place,
            phone=seed.phone(8_000 + len(ground.care_services)),
        ),
    )
