"""A new call: place and call-back number first, then what happens; one form opens call and case."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec
import phonenumbers

from console import people, views
from console.forms import Form
from directory.places import Commune
from kernel.actor import require
from kernel.database import Tx
from kernel.edge import Edge
from triage import calls, cases, dossier, recogniser
from triage.calls import EndCall, OpenCall
from triage.cases import PlaceGiven
from triage.dossier import OpenCase
from triage.model import CallOutcome, Sex
from triage.people import CallerGiven, Identity
from triage.recogniser import normalise
from triage.recording import Evaluator

_AGE: Final = re.compile(r"^(\d{1,3})\s*(m|mois|months?|an|ans|a|y|years?)?$")
_MONTHS: Final = ("m", "mois", "month", "months")
_OLDEST: Final = 125
_ENDS: Final[tuple[CallOutcome, ...]] = ("information", "error", "malicious", "no_answer")
_SEXES: Final[tuple[Sex, ...]] = ("F", "M", "other")
_SUGGESTED: Final = 8


class Understood(msgspec.Struct, frozen=True, kw_only=True):
    """What a form of a new call says.

    Attributes:
        end_as: The call ends without a case.
    """

    phone: str | None
    place: Commune | None
    detail: str | None
    complaint: str | None
    text: str | None
    age_years: float | None
    sex: Sex | None
    patient: str | None
    end_as: CallOutcome | None


def typed(form: Form) -> views.CallForm:
    """Keep what was typed, to show it again beside what is wrong."""
    return views.CallForm(
        opened_at=datetime.now(UTC),
        place=form.text("place"),
        phone=form.text("phone"),
        complaint=form.text("complaint"),
        age=form.text("age"),
        sex=form.text("sex"),
        patient=form.text("patient"),
        detail=form.text("detail"),
        end_as=form.text("end_as"),
    )


def understand(form: views.CallForm) -> tuple[Understood, Mapping[str, str]]:
    """Read the form of a new call.

    Args:
        form: As typed.

    Returns:
        What it says, and the code of what is wrong for each field; nothing is asked of a call
        that ends without a case.
    """
    end_as = next((one for one in _ENDS if one == form.end_as), None)
    place, phone, age = find_commune(form.place), read_phone(form.phone), read_age(form.age)
    wrong: dict[str, str] = {}
    if form.place and place is None:
        wrong["place"] = "place_unknown"
    if form.phone and phone is None:
        wrong["phone"] = "phone_unreadable"
    if form.age and age is None:
        wrong["age"] = "age_unreadable"
    if end_as is None:
        for field in ("place", "phone", "complaint"):
            if not getattr(form, field):
                wrong[field] = "required"
    known = next(
        (
            one.code
            for one in recogniser.shipped().complaints()
            if form.complaint in {one.label.fr, one.label.en}
        ),
        None,
    )
    return Understood(
        phone=phone,
        place=place,
        detail=form.detail[:200] or None,
        complaint=known,
        text=form.complaint[:4000] or None,
        age_years=age,
        sex=next((one for one in _SEXES if one == form.sex), None),
        patient=form.patient[:200] or None,
        end_as=end_as,
    ), wrong


def find_commune(text: str) -> Commune | None:
    """Find a commune by what was typed: name, postcode, or both as suggested.

    Args:
        text: As typed.

    Returns:
        The most populous one that fits; None when none does.
    """
    wanted = text.strip()
    postcode = next(iter(re.findall(r"\b\d{5}\b", wanted)), "")
    name = _plain(re.sub(r"\(?\b\d{5}\b\)?", " ", wanted))
    if not name and not postcode:
        return None
    found = [
        one
        for one in people.communes().values()
        if (not name or _plain(one.name) == name)
        and (not postcode or postcode in one.postcodes or postcode == one.insee)
    ]
    return max(found, key=lambda one: one.population, default=None)


def suggest(text: str) -> tuple[views.Choice, ...]:
    """Suggest communes that begin as typed, most populous first.

    Args:
        text: As typed so far.
    """
    name = _plain(text)
    if len(name) < 2:  # noqa: PLR2004 - one letter fits half of them
        return ()
    found = [one for one in people.communes().values() if _plain(one.name).startswith(name)]
    found.sort(key=lambda one: -one.population)
    return tuple(
        views.Choice(code=one.insee, label=people.label(one)) for one in found[:_SUGGESTED]
    )


def _plain(text: str) -> str:
    return " ".join(normalise(text).replace("-", " ").replace("'", " ").split())


def read_phone(text: str) -> str | None:
    """Read a phone number, national or international.

    Args:
        text: As typed.

    Returns:
        E.164, or None when no number of any country has this shape.
    """
    try:
        number = phonenumbers.parse(text, "FR")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def read_age(text: str) -> float | None:
    """Read an age: `54`, `54 ans`, `8 m`, `8 mois`; years, a fraction for months."""
    found = _AGE.match(text.strip().lower())
    if found is None:
        return None
    number, unit = int(found[1]), found[2] or ""
    years = number / 12 if unit in _MONTHS else float(number)
    return years if years <= _OLDEST else None


async def begin(edge: Edge, evaluator: Evaluator, said: Understood) -> UUID | None:
    """Open the call and its case, or end the call without one; once per key.

    Args:
        edge: Of the request.
        evaluator: The protocols.
        said: What the form says.

    Returns:
        The case; None when the call ended without one.
    """
    actor, keys = edge.actor, edge.keys
    require(actor, "call.open")
    territory_id = cases.territory_of(actor)
    caller = None if said.phone is None else CallerGiven(phone=said.phone)
    caller_key = None if caller is None else await keys.create(edge.database, territory_id)
    case_key = None if said.end_as else await keys.create(edge.database, territory_id)

    async def act(tx: Tx) -> tuple[UUID, UUID | None]:
        call = await calls.open_call(tx, actor, OpenCall(caller=caller), keys, caller_key)
        if case_key is None or said.end_as is not None:
            ended = EndCall(outcome=said.end_as or "information")
            await calls.end_call(tx, actor, call.id, ended)
            return call.id, None
        command = _case(call.id, said)
        case = await dossier.open_case(tx, actor, evaluator, command, keys=keys, key=case_key)
        return call.id, case.id

    async def again(tx: Tx, call_id: UUID) -> UUID | None:
        return (await calls.get(tx, call_id)).case_id

    return await edge.once(act, again)


def _case(call_id: UUID, said: Understood) -> OpenCase:
    place = said.place
    return OpenCase(
        call_id=call_id,
        complaint=said.complaint,
        complaint_text=said.text,
        age_years=said.age_years,
        sex=said.sex,
        place=None
        if place is None
        else PlaceGiven(lon=place.lon, lat=place.lat, insee=place.insee, address=said.detail),
        patient=None if said.patient is None else Identity(family_name=said.patient),
    )
