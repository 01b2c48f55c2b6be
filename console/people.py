"""Who a case is about, in the reader's words: complaint, age, place, and what may be opened."""

from functools import cache
from uuid import UUID

import msgspec

from console.catalogue import Words
from directory import codes, places
from kernel.database import Tx
from kernel.edge import Edge
from triage import dossier, recogniser
from triage.dossier import CaseView
from triage.model import Case, Place
from triage.people import Identity


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One patient as a clinic or a colleague reads of them.

    Attributes:
        complaint: Label of the complaint.
        line: Name as far as it is known, age and sex.
        phone: To call, E.164; empty when unknown.
    """

    complaint: str
    line: str
    phone: str = ""


@cache
def communes() -> dict[str, places.Commune]:
    """Read the communes of the territory, by national code; once a process."""
    return {one.insee: one for one in places.communes()}


def place_name(place: Place | None) -> str:
    """Give the commune of a place with its postcode; empty when unknown."""
    commune = communes().get(place.insee or "") if place is not None else None
    return "" if commune is None else label(commune)


def commune_name(place: Place | None) -> str:
    """Give the name of the commune alone; empty when unknown."""
    commune = communes().get(place.insee or "") if place is not None else None
    return "" if commune is None else commune.name


def label(commune: places.Commune) -> str:
    """Write a commune as it is chosen: `Amiens (80000)`."""
    return f"{commune.name} ({commune.postcodes[0]})"


def complaint(code: str | None, words: Words) -> str:
    """Give the label of a complaint; empty when none was recognised."""
    known = recogniser.shipped().complaint(code) if code else None
    if known is None:
        return code or ""
    return known.label.fr if words.language == "fr" else known.label.en


def service(code: str, words: Words) -> str:
    """Give the name of a care; its code when the directory has none."""
    known = codes.load().service.get(code)
    if known is None:
        return code
    return known.fr if words.language == "fr" else known.en


def describe(case: Case, words: Words) -> str:
    """Write age and sex of a case's patient."""
    sex = words.code("sex", case.sex) if case.sex else ""
    return ", ".join(part for part in (words.age(case.age_years), sex) if part)


def name(identity: Identity | None) -> str:
    """Write the name of a patient as far as it is known."""
    parts = () if identity is None else (identity.given_name, identity.family_name)
    return " ".join(part for part in parts if part)


def phone(view: CaseView) -> str:
    """Give the number to call back: the first caller's, else the patient's."""
    numbers = [one.phone for one in view.callers]
    numbers.append(None if view.patient is None else view.patient.phone)
    return next((one for one in numbers if one), "")


async def read(tx: Tx, edge: Edge, case_id: UUID, words: Words) -> Person:
    """Read what a receiver needs to know of a patient; the read is audited.

    Args:
        tx: The transaction; its row policies decide whether the actor may see the case.
        edge: Of the request.
        case_id: Which case.
        words: The reader's.

    Raises:
        Missing: `case_missing`.
    """
    view = await dossier.view(tx, edge.actor, case_id, edge.keys)
    known = (name(view.patient), describe(view.case, words))
    return Person(
        complaint=complaint(view.case.complaint, words),
        line=", ".join(part for part in known if part),
        phone=phone(view),
    )
