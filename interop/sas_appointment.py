"""RS-SAS-RDV: an appointment as the French hub and the SAS platform write it. Pure, both ways.

Source: ansforge/SAMU-Hub-Modeles, `RS-SAS-RDV.schema.json`, version 26.07.29. Reading is liberal
(an update of an unknown appointment is a creation, any offset is accepted), writing is strict.
The message names people and belongs on the hub's own sealed channel, never in an event.
"""

from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from directory import identifiers
from kernel import errors

Method: TypeAlias = Literal["CreateAppointment", "UpdateAppointment"]
Status: TypeAlias = Literal["pending", "booked", "fulfilled", "noshow", "cancelled"]
Category: TypeAlias = Literal["CPTS", "MSP", "CDS", "SOS", "PS", "PDM"]

IDNPS: Final = r"^81[0-9]{10}$"
"""National form of an RPPS number in this message: `8`, then eleven digits beginning with 1."""


class _Part(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Unknown fields are refused, absent ones left out, as the schema demands."""


class Practitioner(_Part, frozen=True, rename="camel"):
    """Who is seen.

    Attributes:
        rpps_id: `8` + RPPS.
    """

    rpps_id: Annotated[str, msgspec.Meta(pattern=IDNPS)]
    last_name: str
    first_name: str
    speciality_code: str | None = None
    speciality_url: str | None = None
    profession_code: str | None = None
    profession_url: str | None = None


class Organization(_Part, frozen=True, rename="camel"):
    """Where: `1` + FINESS or `3` + SIRET."""

    organization_id: str
    name: str


class Regulator(_Part, frozen=True):
    """Who booked, for the editor's account of that person."""

    name: str = msgspec.field(name="regulatorName")
    first_name: str = msgspec.field(name="regulatorFirstname")
    email: str = msgspec.field(name="regulatorEmail")
    id: str | None = msgspec.field(name="regulatorId", default=None)


class SasAppointment(_Part, frozen=True, rename="camel"):
    """The message's body.

    Attributes:
        appointment_id: Made by whoever created the appointment; ours is the appointment's UUID.
        method: `UpdateAppointment` of an id that is not known is handled as a creation.
        created: When it was booked; with an offset, whole seconds.
        start: As above.
        end: As above.
    """

    appointment_id: str
    method: Method
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    start: Annotated[datetime, msgspec.Meta(tz=True)]
    status: Status
    regulator: Regulator
    end: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    orientation_category: Category | None = None
    practitioner: Practitioner | None = None
    organization: Organization | None = None


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    appointment: SasAppointment


_DECODER: Final = msgspec.json.Decoder(_Envelope)


def read(raw: bytes) -> SasAppointment:
    """Read a message.

    Args:
        raw: JSON, `{"appointment": {...}}`.

    Returns:
        The appointment; times keep the offset they came with.

    Raises:
        Invalid: `sas_appointment_invalid` (the hub's error 300) with the path that is wrong.
    """
    try:
        return _DECODER.decode(raw).appointment
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        path = str(error).rsplit("`", 2)[-2] if "`" in str(error) else "$"
        raise errors.Invalid(
            "sas_appointment_invalid", "The message does not fit RS-SAS-RDV.", path=path
        ) from None


def write(message: SasAppointment, zone: ZoneInfo) -> bytes:
    """Write a message.

    Args:
        message: What to say.
        zone: Zone of the place: times are written with its offset, in whole seconds, never `Z`.

    Returns:
        JSON, `{"appointment": {...}}`.
    """

    def local(value: datetime) -> datetime:
        return value.astimezone(zone).replace(microsecond=0)

    placed = msgspec.structs.replace(
        message,
        created=local(message.created),
        start=local(message.start),
        end=None if message.end is None else local(message.end),
    )
    return _with_offsets(msgspec.to_builtins(_Envelope(placed), builtin_types=(datetime,)))


def _with_offsets(tree: object) -> bytes:
    def text(value: object) -> object:
        if isinstance(value, datetime):
            return value.isoformat(timespec="seconds")
        if isinstance(value, dict):
            return {key: text(one) for key, one in value.items()}
        return value

    return msgspec.json.encode(text(tree))


def practitioner_id(rpps: str) -> str:
    """Give the national form of a bare RPPS number.

    Args:
        rpps: Eleven digits.

    Returns:
        `8` + RPPS.

    Raises:
        Malformed: `identifier_malformed`.
    """
    return identifiers.show(identifiers.parse(identifiers.System.RPPS, rpps))
