"""Sites of the demonstration: real hospitals with assumed services, invented firms and lines."""

from collections.abc import Mapping, Sequence
from typing import Final

from directory import gazetteer, names, places, seed
from directory.model import (
    CareService,
    Intake,
    LocationId,
    Modality,
    OpeningHours,
    OrganisationId,
    OrganisationKind,
)
from directory.places import Commune, Hospital

_SHOP_HOURS: Final = tuple(
    OpeningHours(weekday=weekday, opens_min=opens, closes_min=closes)
    for weekday in range(6)
    for opens, closes in ((9 * 60, 12 * 60 + 30), (14 * 60, 19 * 60))
)
_DAY_HOURS: Final = tuple(
    OpeningHours(weekday=weekday, opens_min=7 * 60, closes_min=20 * 60) for weekday in range(7)
)
# What our demonstration lets each kind of FINESS site offer; (service, skills, modality).
_BY_KIND: Final[Mapping[str, tuple[tuple[str, tuple[str, ...], Modality], ...]]] = {
    "Centre Hospitalier (C.H.)": (("imaging", ("xray", "ultrasound"), Modality.OFFICE),),
    "Centre Hospitalier Régional (C.H.R.)": (
        ("imaging", ("xray", "ultrasound", "ct", "mri"), Modality.OFFICE),
        ("cardiology", ("ecg", "coronary_intervention"), Modality.OFFICE),
        ("neurology", ("stroke_unit",), Modality.OFFICE),
        ("maternity", ("delivery",), Modality.OFFICE),
    ),
    "Centre Hospitalier Spécialisé lutte Maladies Mentales": (
        ("psychiatric_emergency", (), Modality.OFFICE),
    ),
    "Etablissement de Soins Chirurgicaux": (("surgery", (), Modality.OFFICE),),
    "Etablissement de Soins Pluridisciplinaire": (("surgery", (), Modality.OFFICE),),
    "Etablissement de santé privé autorisé en SSR": (("rehabilitation", (), Modality.OFFICE),),
    "Etablissement de Soins Longue Durée": (("geriatrics", (), Modality.OFFICE),),
}
# National numbers, reached by telephone from anywhere. Source: service-public.fr; of the poison
# centre of Lille, which serves the department: centres-antipoison.net.
_LINES: Final = (
    ("poison_centre", "Centre antipoison de Lille", "+33800595959"),
    ("suicide_prevention_line", "3114, prévention du suicide", "3114"),
    ("child_protection_line", "119, enfance en danger", "119"),
    ("police", "17, police et gendarmerie", "17"),
    ("fire_service", "18, sapeurs-pompiers", "18"),
    ("social_emergency", "115, urgence sociale", "115"),
)
_NEIGHBOURS: Final = (
    ("02", "Laon", "02408"), ("59", "Lille", "59350"), ("60", "Beauvais", "60057"),
    ("62", "Arras", "62041"), ("76", "Rouen", "76540"),
)  # fmt: skip
"""Neighbouring departments with the town of their centre."""
_SITE_ACCESS: Final = ("step_free", "wheelchair", "hearing_loop")
_ADULT_FROM_MONTHS: Final = 15 * 12
_CHILD_UNTIL_MONTHS: Final = 16 * 12


def build(ground: seed.Ground, communes: Sequence[Commune]) -> None:
    """Add hospitals, ambulances, pharmacies, the centre and the national lines to the ground."""
    by_code = {commune.insee: commune for commune in communes}
    for site in places.hospitals():
        _hospital(ground, site, by_code[site.commune])
    _ambulances(ground, communes)
    _pharmacies(ground, communes)
    _lines(ground, by_code)


def _hospital(ground: seed.Ground, site: Hospital, commune: Commune) -> None:
    owner = ground.organisation(
        site.finess, site.name, OrganisationKind.HOSPITAL, finess=site.finess
    )
    place = ground.location(
        site.finess,
        owner,
        site.site or site.name,
        commune,
        position=(site.lon, site.lat),
        accessibility=_SITE_ACCESS,
    )
    for service in sorted(site.assumed):
        _emergency(ground, site, owner, place, service)
    offered = _BY_KIND.get(site.kind, ())
    if site.name.startswith("HAD "):
        offered = (("hospital_at_home", (), Modality.HOME_VISIT),)
    for service, skills, modality in offered:
        ground.care_service(
            f"{site.finess}/{service}",
            CareService(
                id=seed.NO_ID,
                organisation_id=owner,
                location_id=place,
                service=service,
                name=f"{site.name} - {service}",
                skills=frozenset(skills),
                modalities=frozenset({modality}),
                intake=Intake.REFERRAL,
                coverage_m=40_000 if modality is Modality.HOME_VISIT else None,
                languages=frozenset({"fr", "en"}),
                referral_required=service != "maternity",
                phone=seed.phone(len(ground.care_services)),
            ),
        )


def _emergency(
    ground: seed.Ground, site: Hospital, owner: OrganisationId, place: LocationId, service: str
) -> None:
    """Add an emergency department (adult, paediatric or for all ages) or a SMUR."""
    paediatric = service == "paediatric_emergency"
    split = "paediatric_emergency" in site.assumed
    mobile = service == "smur"
    large = split
    skills = {"ecg", "suture", "plaster", "xray", "ultrasound", "ct", "blood_test"}
    if large:
        skills |= {"intensive_care", "trauma", "stroke_unit"}
    if paediatric:
        skills = {"paediatric_emergency", "suture", "plaster", "xray", "blood_test", "infant_care"}
    elif not split:
        skills |= {"infant_care"}
    ground.care_service(
        f"{site.finess}/{service}",
        CareService(
            id=seed.NO_ID,
            organisation_id=owner,
            location_id=place,
            service="smur" if mobile else "emergency_department",
            name=f"{site.name} - {'SMUR' if mobile else 'urgences'}"
            + (" pédiatriques" if paediatric else ""),
            skills=frozenset({"ecg", "intensive_care"} if mobile else skills),
            modalities=frozenset({Modality.HOME_VISIT if mobile else Modality.OFFICE}),
            intake=Intake.REFERRAL,
            coverage_m=60_000 if mobile else None,
            min_age_months=_ADULT_FROM_MONTHS if split and not paediatric and not mobile else 0,
            max_age_months=_CHILD_UNTIL_MONTHS if paediatric else None,
            languages=frozenset({"fr", "en"}),
            referral_required=mobile,
            phone=seed.phone(len(ground.care_services)),
        ),
    )


def _ambulances(ground: seed.Ground, communes: Sequence[Commune]) -> None:
    rng = ground.dice("ambulances")
    for number, commune in enumerate(seed.towns(rng, communes, 26, 1_500)):
        owner = ground.organisation(
            f"ambulance/{number}",
            f"Ambulances {names.sign(rng)} {names.MARK}",
            OrganisationKind.AMBULANCE,
            finess=seed.finess(len(ground.organisations)),
        )
        place = ground.location(
            f"ambulance/{number}", owner, commune.name, commune, position=seed.scatter(rng, commune)
        )
        on_duty = number < 12  # noqa: PLR2004 - twelve of 26 firms take the emergency duty
        ground.care_service(
            f"ambulance/{number}",
            CareService(
                id=seed.NO_ID,
                organisation_id=owner,
                location_id=place,
                service="ambulance",
                name=f"Ambulance {commune.name} {names.MARK}",
                skills=frozenset({"duty"} if on_duty else ()),
                modalities=frozenset({Modality.HOME_VISIT}),
                intake=Intake.REFERRAL,
                coverage_m=45_000 if on_duty else 25_000,
                referral_required=True,
                hours=None if on_duty else _DAY_HOURS,
                phone=seed.phone(1_000 + number),
            ),
        )


def _pharmacies(ground: seed.Ground, communes: Sequence[Commune]) -> None:
    rng = ground.dice("pharmacies")
    for number, commune in enumerate(seed.towns(rng, communes, 120, 800)):
        owner = ground.organisation(
            f"pharmacy/{number}",
            f"Pharmacie {names.sign(rng)} {names.MARK}",
            OrganisationKind.PHARMACY,
            finess=seed.finess(len(ground.organisations)),
        )
        place = ground.location(
            f"pharmacy/{number}",
            owner,
            commune.name,
            commune,
            position=seed.scatter(rng, commune),
            accessibility=("step_free",) if rng.random() < 0.8 else (),  # noqa: PLR2004 - four in five
        )
        on_duty = number < 6  # noqa: PLR2004 - one per sector of the department
        ground.care_service(
            f"pharmacy/{number}",
            CareService(
                id=seed.NO_ID,
                organisation_id=owner,
                location_id=place,
                service="pharmacy",
                name=f"Pharmacie {commune.name} {names.MARK}",
                intake=Intake.REFERRAL,
                skills=frozenset({"vaccination", "duty"} if on_duty else {"vaccination"}),
                hours=None if on_duty else _SHOP_HOURS,
                phone=seed.phone(2_000 + number),
            ),
        )


def _lines(ground: seed.Ground, communes: Mapping[str, Commune]) -> None:
    amiens = communes["80021"]
    centre = ground.organisation("centre", "SAMU-SAS 80 (démonstration)", OrganisationKind.CENTRE)
    place = ground.location(
        "centre", centre, "Centre 15", amiens, position=(amiens.lon, amiens.lat)
    )
    for service, name, number in (("regulation_centre", "Régulation 80", "15"), *_LINES):
        ground.care_service(
            f"line/{service}",
            CareService(
                id=seed.NO_ID,
                organisation_id=centre,
                location_id=place,
                name=name,
                service=service,
                modalities=frozenset({Modality.TELEPHONE}),
                intake=Intake.REFERRAL,
                languages=frozenset({"fr", "en"}),
                phone=number or seed.phone(9_000),
            ),
        )


def neighbours(ground: seed.Ground) -> None:
    """Add the centres of the neighbouring departments, to whom a call is handed over.

    What callers dial is 15 everywhere; the numbers between centres are not public, so those of the
    demonstration are invented.
    """
    for serial, (department, town, insee) in enumerate(_NEIGHBOURS):
        (there,) = (one for one in gazetteer.communes() if one.insee == insee)
        owner = ground.organisation(
            f"centre/{department}",
            f"SAMU-SAS {department} (démonstration)",
            OrganisationKind.CENTRE,
        )
        commune = Commune(
            insee=insee, name=there.name, population=there.population, lon=there.lon,
            lat=there.lat, postcodes=there.postcodes,
        )  # fmt: skip
        place = ground.location(
            f"centre/{department}", owner, town, commune, position=(there.lon, there.lat),
            department=department,
        )  # fmt: skip
        ground.care_service(
            f"line/neighbour/{department}",
            CareService(
                id=seed.NO_ID,
                organisation_id=owner,
                location_id=place,
                name=f"Régulation {department}, {town}",
                service="regulation_centre",
                modalities=frozenset({Modality.TELEPHONE}),
                intake=Intake.REFERRAL,
                phone="15",
                transfer_phone=seed.phone(9_100 + serial),
            ),
        )
