"""A FHIR R4 Bundle of Schedule, Slot, Location, PractitionerRole, HealthcareService and others.

Entries are read one by one: one that is broken is left out with its number, which stands for the
line. Places are found as the guides publish them: named by the schedule, by its role (contained or
referred to) or by its service. Sources: HL7 FHIR R4; ANS, SAS FHIR guide 1.2.0 (visibility labels
TRE_R314 in `meta.security`, v3-ActCode AMB / HH / VR in `serviceType`, booking link in `comment`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

import msgspec

from directory.feed_rows import (
    BrokenRow,
    FeedBody,
    FeedContent,
    FeedDiary,
    FeedNumber,
    FeedPeriod,
    FeedPlace,
    FeedRole,
    FeedWorker,
)
from directory.identifiers import System
from directory.model import Modality, Visibility
from interop.smart_scheduling import LONGEST_KEY, time_fault
from kernel import errors

LARGEST: Final = 64 << 20
"""Bytes of a bundle; more is published as pages or as NDJSON."""
LABELS: Final = "TRE_R314"
_MODALITIES: Final[Mapping[str, Modality]] = MappingProxyType(
    {"AMB": Modality.OFFICE, "HH": Modality.HOME_VISIT, "VR": Modality.TELECONSULTATION}
)
_NARROWEST: Final = (Visibility.CPTS, Visibility.SNP, Visibility.PRO, Visibility.PUBLIC)
# Source: ANS, SAS FHIR guide 1.2.0: IDNPS of people, IDNST of places with the prefix of the kind.
_PEOPLE: Final = "urn:oid:1.2.250.1.71.4.2.1"
_BODIES: Final = "urn:oid:1.2.250.1.71.4.2.2"
_BODY_SYSTEMS: Final = {"1": System.FINESS, "3": System.SIRET}


class _Coding(msgspec.Struct, frozen=True):
    system: str = ""
    code: str = ""


class _Concept(msgspec.Struct, frozen=True):
    coding: tuple[_Coding, ...] = ()


class _Reference(msgspec.Struct, frozen=True):
    reference: str = ""


class _Number(msgspec.Struct, frozen=True):
    system: str = ""
    value: str = ""


class _Name(msgspec.Struct, frozen=True):
    family: str = ""
    given: tuple[str, ...] = ()


class _Meta(msgspec.Struct, frozen=True):
    security: tuple[_Coding, ...] = ()


class _Address(msgspec.Struct, frozen=True, rename="camel"):
    city: str = ""
    state: str = ""
    postal_code: str = ""


class _Position(msgspec.Struct, frozen=True):
    latitude: float | None = None
    longitude: float | None = None


class _Location(msgspec.Struct, frozen=True, tag_field="resourceType", tag="Location"):
    id: str = ""
    name: str = ""
    address: _Address = _Address()
    position: _Position = _Position()


class _Schedule(
    msgspec.Struct, frozen=True, rename="camel", tag_field="resourceType", tag="Schedule"
):
    id: str
    actor: tuple[_Reference, ...]
    service_category: tuple[_Concept, ...] = ()
    service_type: tuple[_Concept, ...] = ()
    specialty: tuple[_Concept, ...] = ()


class _Slot(msgspec.Struct, frozen=True, rename="camel", tag_field="resourceType", tag="Slot"):
    id: str
    schedule: _Reference
    status: str
    start: datetime
    end: datetime
    meta: _Meta = _Meta()
    service_type: tuple[_Concept, ...] = ()
    specialty: tuple[_Concept, ...] = ()
    comment: str | None = None


class _Role(
    msgspec.Struct, frozen=True, rename="camel", tag_field="resourceType", tag="PractitionerRole"
):
    id: str
    practitioner: _Reference = _Reference()
    organization: _Reference = _Reference()
    location: tuple[_Reference, ...] = ()
    specialty: tuple[_Concept, ...] = ()
    code: tuple[_Concept, ...] = ()
    contained: tuple[msgspec.Raw, ...] = ()


class _Service(
    msgspec.Struct, frozen=True, rename="camel", tag_field="resourceType", tag="HealthcareService"
):
    id: str
    name: str = ""
    location: tuple[_Reference, ...] = ()
    specialty: tuple[_Concept, ...] = ()
    type: tuple[_Concept, ...] = ()


class _Practitioner(msgspec.Struct, frozen=True, tag_field="resourceType", tag="Practitioner"):
    id: str
    identifier: tuple[_Number, ...] = ()
    name: tuple[_Name, ...] = ()


class _Organization(msgspec.Struct, frozen=True, tag_field="resourceType", tag="Organization"):
    id: str
    identifier: tuple[_Number, ...] = ()
    name: str = ""


_Resource: TypeAlias = (
    _Location | _Schedule | _Slot | _Role | _Service | _Practitioner | _Organization
)
T = TypeVar("T", _Location, _Role, _Service, _Practitioner, _Organization, _Schedule)


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    resource: msgspec.Raw
    full_url: str = ""


class _Bundle(msgspec.Struct, frozen=True, tag_field="resourceType", tag="Bundle"):
    entry: tuple[_Entry, ...] = ()
    timestamp: datetime | None = None


class _Numbered(msgspec.Struct, frozen=True):
    """A resource with the number of its entry."""

    line: int
    resource: _Resource


_READ: Final[msgspec.json.Decoder[_Resource]] = msgspec.json.Decoder(_Resource)


def read(path: Path) -> FeedContent:
    """Read a bundle.

    Args:
        path: A JSON file.

    Returns:
        Every readable row; unreadable entries by number and reason. `line` is the entry's number.

    Raises:
        kernel.errors.Invalid: `feed_too_large`, `feed_bundle_unreadable`.
        kernel.errors.Unavailable: `feed_away`: there is no such file.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise errors.Invalid("feed_too_large", "The bundle is larger than allowed.")
        bundle = msgspec.json.decode(path.read_bytes(), type=_Bundle)
    except OSError as error:
        raise errors.Unavailable("feed_away", "There is no such file.", 60) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.Invalid("feed_bundle_unreadable", "That is no FHIR bundle.") from error
    found = _Found(path.name, bundle)
    made = bundle.timestamp
    return FeedContent(
        as_of=None if made is None or time_fault(made) else made,
        places=tuple(found.places.values()),
        diaries=tuple(found.diaries.values()),
        periods=tuple(found.periods),
        numbers=tuple(found.numbers),
        workers=tuple(found.workers.values()),
        bodies=tuple(found.bodies.values()),
        roles=tuple(found.roles.values()),
        broken=tuple(found.broken),
    )


class _Found:
    """The rows of a bundle, gathered in the order of its entries."""

    def __init__(self, file: str, bundle: _Bundle) -> None:
        self._file = file
        self.places: dict[str, FeedPlace] = {}
        self.diaries: dict[str, FeedDiary] = {}
        self.periods: list[FeedPeriod] = []
        self.numbers: list[FeedNumber] = []
        self.workers: dict[str, FeedWorker] = {}
        self.bodies: dict[str, FeedBody] = {}
        self.roles: dict[str, FeedRole] = {}
        self.broken: list[BrokenRow] = []
        self._by: dict[str, _Resource] = {}
        numbered = list(self._read(bundle.entry))
        for one in numbered:
            self._note(one)
        for one in numbered:
            if isinstance(one.resource, _Slot):
                self._slot(one.line, one.resource)
        for one in numbered:
            if isinstance(one.resource, _Role):
                self._role(one.line, one.resource)

    def _read(self, entries: Sequence[_Entry]) -> Sequence[_Numbered]:
        found = []
        for line, entry in enumerate(entries, 1):
            try:
                one = _READ.decode(entry.resource)
            except msgspec.ValidationError:
                self._refuse(line, "not_a_resource")
                continue
            except (msgspec.DecodeError, UnicodeDecodeError):
                self._refuse(line, "not_json")
                continue
            except RecursionError:
                self._refuse(line, "nested_too_deep")
                continue
            if not 0 < len(one.id) <= LONGEST_KEY or "\x00" in one.id:
                self._refuse(line, "key_unusable")
                continue
            found.append(_Numbered(line, one))
            self._by[f"{type(one).__struct_config__.tag}/{one.id}"] = one
            if entry.full_url:
                self._by.setdefault(entry.full_url, one)
        return found

    def _refuse(self, line: int, reason: str) -> None:
        self.broken.append(BrokenRow(file=self._file, line=line, reason=reason))

    def _note(self, one: _Numbered) -> None:
        """Keep a place, and the numbers of people and bodies."""
        resource, line = one.resource, one.line
        if isinstance(resource, _Location):
            self._place(line, resource.id, resource)
        elif isinstance(resource, _Practitioner | _Organization):
            people = isinstance(resource, _Practitioner)
            self._who(line, resource)
            for number in resource.identifier:
                system = _system(number, people=people)
                if system is not None:
                    self.numbers.append(
                        FeedNumber(
                            system=system, value=number.value, key=resource.id, file=self._file,
                            line=line,
                        )
                    )  # fmt: skip

    def _who(self, line: int, one: _Practitioner | _Organization) -> None:
        """Keep a person with a number, or an organisation with a name."""
        people = isinstance(one, _Practitioner)
        numbers = {_system(number, people=people): number.value for number in one.identifier}
        if isinstance(one, _Organization):
            if one.name:
                body = FeedBody(
                    key=one.id, name=one.name, finess=numbers.get(System.FINESS, ""),
                    siret=numbers.get(System.SIRET, ""), line=line,
                )  # fmt: skip
                self.bodies.setdefault(one.id, body)
        elif System.RPPS in numbers and one.name:
            worker = FeedWorker(
                key=one.id, rpps=numbers[System.RPPS], family=one.name[0].family,
                given=" ".join(one.name[0].given), line=line,
            )  # fmt: skip
            self.workers.setdefault(one.id, worker)

    def _role(self, line: int, one: _Role) -> None:
        """Keep who works where, when the bundle has the person and the place."""
        person = self._named(one.practitioner.reference, _Practitioner)
        body = self._named(one.organization.reference, _Organization)
        place = self._place_of(line, [], one, None)
        if person is None or place is None or person.id not in self.workers:
            return
        role = FeedRole(
            key=one.id, worker_key=person.id, place_key=place,
            body_key=body.id if body is not None and body.id in self.bodies else "",
            codes=_codes([*one.specialty, *one.code]), line=line,
        )  # fmt: skip
        self.roles.setdefault(one.id, role)

    def _place(self, line: int, key: str, one: _Location) -> str:
        self.places.setdefault(
            key,
            FeedPlace(
                key=key, name=one.name, city=one.address.city, region=one.address.state,
                postcode=one.address.postal_code, lon=one.position.longitude,
                lat=one.position.latitude, file=self._file, line=line,
            ),
        )  # fmt: skip
        return key

    def _slot(self, line: int, one: _Slot) -> None:
        schedule = self._named(one.schedule.reference, _Schedule)
        if schedule is None:
            self._refuse(line, "no_schedule")
        elif reason := time_fault(one.start, one.end):
            self._refuse(line, reason)
        elif (diary := self._diary(line, schedule, one)) is None:
            self._refuse(line, "no_location")
        else:
            self.periods.append(
                FeedPeriod(
                    key=one.id, diary_key=diary, start=one.start, end=one.end,
                    free=one.status == "free", visibility=_visibility(one.meta),
                    link=one.comment, file=self._file, line=line,
                )
            )  # fmt: skip

    def _diary(self, line: int, schedule: _Schedule, slot: _Slot) -> str | None:
        """Give the diary of a slot: a schedule, or the part of it of one modality."""
        modality = next(
            (_MODALITIES[code] for code in _codes(slot.service_type) if code in _MODALITIES),
            Modality.OFFICE,
        )
        key = schedule.id if modality is Modality.OFFICE else f"{schedule.id}/{modality}"
        if key not in self.diaries:
            actors = [actor.reference for actor in schedule.actor]
            role = next(filter(None, (self._named(one, _Role) for one in actors)), None)
            service = next(filter(None, (self._named(one, _Service) for one in actors)), None)
            place = self._place_of(line, actors, role, service)
            if place is None:
                return None
            self.diaries[key] = FeedDiary(
                key=key, place_key=place, modality=modality, name=self._name(actors, role, service),
                codes=_all_codes(schedule, slot, role, service),
                role_key="" if role is None else role.id, file=self._file, line=line,
            )  # fmt: skip
        return key

    def _place_of(
        self, line: int, actors: Sequence[str], role: _Role | None, service: _Service | None
    ) -> str | None:
        named = [*actors]
        for one in (role, service):
            named += [] if one is None else [place.reference for place in one.location]
        for reference in named:
            if reference.startswith("#") and role is not None:
                for raw in role.contained:
                    inner = _contained(raw)
                    if inner is not None and f"#{inner.id}" == reference:
                        return self._place(line, f"{role.id}{reference}", inner)
            location = self._named(reference, _Location)
            if location is not None:
                return location.id
        return None

    def _name(self, actors: Sequence[str], role: _Role | None, service: _Service | None) -> str:
        references = [*actors, *([] if role is None else [role.practitioner.reference])]
        for reference in references:
            person = self._named(reference, _Practitioner)
            if person is not None and person.name:
                return " ".join((person.name[0].family, *person.name[0].given)).strip()
        return "" if service is None else service.name

    def _named(self, reference: str, kind: type[T]) -> T | None:
        """Give what a reference names, if it is of that kind, whatever address stands before it."""
        found = self._by.get(reference) or self._by.get("/".join(reference.split("/")[-2:]))
        return found if isinstance(found, kind) else None


def _contained(raw: msgspec.Raw) -> _Location | None:
    try:
        found = _READ.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, _Location) else None


def _codes(concepts: Sequence[_Concept]) -> tuple[str, ...]:
    return tuple(coding.code for concept in concepts for coding in concept.coding if coding.code)


def _all_codes(
    schedule: _Schedule, slot: _Slot, role: _Role | None, service: _Service | None
) -> tuple[str, ...]:
    """Give every code that says what can be booked, the most precise first."""
    concepts = [*schedule.specialty, *slot.specialty, *schedule.service_type]
    if role is not None:
        concepts += [*role.specialty, *role.code]
    if service is not None:
        concepts += [*service.specialty, *service.type]
    concepts += [*schedule.service_category, *slot.service_type]
    return tuple(dict.fromkeys(code for code in _codes(concepts) if code not in _MODALITIES))


def _visibility(meta: _Meta) -> Visibility:
    """Give the narrowest of the labels: nobody is shown a slot that one of them withholds."""
    said = {one.code for one in meta.security if LABELS in one.system}
    return next((one for one in _NARROWEST if one in said), Visibility.PUBLIC)


def _system(number: _Number, *, people: bool) -> System | None:
    if people:
        return System.RPPS if number.system == _PEOPLE and number.value[:1] == "8" else None
    return _BODY_SYSTEMS.get(number.value[:1]) if number.system == _BODIES else None
