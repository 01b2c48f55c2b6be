"""What the templates show: frozen values, already in the reader's words where a room gave both.

Page modules fill these from the rooms' use cases; templates read nothing else. Times are aware
UTC datetimes, codes are the stable codes of the rooms.
"""

import zlib
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The top bar.

    Attributes:
        page: Code of the page, for the current tab.
        tabs: Codes of the pages this actor may open.
        now: Server time when the page was made.
        degraded: Codes of what is away now (`nats`, `worker`, `database`).
        compact: Denser rows.
    """

    page: str
    label: str = ""
    role: str = ""
    tabs: tuple[str, ...] = ()
    now: datetime
    degraded: tuple[str, ...] = ()
    theme: Literal["auto", "light", "dark"] = "auto"
    compact: bool = False
    back: str = "/"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One option of a list."""

    code: str
    label: str


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A demonstration account that signs in with one click."""

    login: str
    label: str
    role: str


class QueueRow(msgspec.Struct, frozen=True, kw_only=True):
    """One waiting case.

    Attributes:
        acuity: The assured level; None while nothing is assured.
        worst: The worst level not excluded.
        not_qualified: A vital danger is still possible and can still be asked about.
        sounds: Assured U0: announced at once.
        since: When it began to wait.
        overdue_at: When its own target is missed; None without one.
        lower_waits: A milder level waits for a confirmation.
        physician: No protocol covers the patient, or they called a third time.
        calls: Contacts about the patient in 96 hours, this one included.
        recall_due_at: When somebody must have asked again how the patient is.
        recall_overdue: That time has passed.
    """

    case_id: UUID
    complaint: str
    acuity: str | None = None
    worst: str | None = None
    not_qualified: bool = False
    sounds: bool = False
    age: str = ""
    place: str = ""
    since: datetime
    decided_at: datetime | None = None
    overdue_at: datetime | None = None
    owner: str = ""
    priority: str | None = None
    stream: str | None = None
    state: str
    lower_waits: bool = False
    physician: bool = False
    calls: int = 1
    recall_due_at: datetime | None = None
    recall_overdue: bool = False

    @property
    def mark(self) -> str:
        """Give what tells this row from an older picture of it; 8 hex digits."""
        return f"{zlib.crc32(msgspec.json.encode(self)):08x}"


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """A queue in working order."""

    page: str
    rows: tuple[QueueRow, ...]
    stream: str
    streams: tuple[str, ...]
    current: UUID | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a case's timeline."""

    at: datetime
    text: str
    who: str = ""


class Disposition(msgspec.Struct, frozen=True, kw_only=True):
    """A decision on a case."""

    id: UUID
    kind: str
    acuity: str | None = None
    service: str = ""
    due_at: datetime | None = None
    decided_at: datetime
    who: str = ""
    searchable: bool = False
    proposed: str | None = None
    reason: str = ""


class Death(msgspec.Struct, frozen=True, kw_only=True):
    """A reported death on the dossier; `id` is None while none is reported and one may be."""

    id: UUID | None = None
    at: datetime | None = None
    by: str = ""
    source: str = ""
    confirmed: bool = False
    confirmable: bool = False
    reversible: bool = False


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """The call that a waiting patient is owed; `callback_id` where this reader may answer it."""

    due_at: datetime
    overdue: bool
    attempts: int = 0
    callback_id: UUID | None = None


class Dossier(msgspec.Struct, frozen=True, kw_only=True):
    """A case as its worker sees it.

    Attributes:
        calls: Contacts about the patient in 96 hours, this one included.
        previous: The case of the contact before.
    """

    case_id: UUID
    number: str
    state: str
    complaint: str
    complaint_text: str = ""
    place: str = ""
    place_detail: str = ""
    phone: str = ""
    patient: str = ""
    age: str = ""
    sex: str = ""
    notes: str = ""
    opened_at: datetime
    owner: str = ""
    mine: bool = False
    priority: str | None = None
    stream: str | None = None
    proposed_priority: str | None = None
    takable: bool = False
    taken_by: UUID | None = None
    qualifiable: bool = False
    closable: bool = False
    timeline: tuple[Line, ...] = ()
    reflex: bool = False
    calls: int = 1
    previous: UUID | None = None
    recall: Recall | None = None
    death: Death | None = None


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One proposed place; `owner` is who keeps its diary, empty when it is kept here."""

    rank: int
    care_service_id: UUID
    slot_id: UUID | None
    name: str
    kind: str
    starts_at: datetime | None = None
    zone: str | None = None
    reasons: tuple[str, ...] = ()
    agreement: bool = False
    as_of: datetime | None = None
    marked: bool = False
    percent: int | None = None
    asked: int = 0
    owner: str = ""


class NotOffered(msgspec.Struct, frozen=True, kw_only=True):
    """A near place that can't take the need, why, and what would admit it."""

    name: str
    reason: str
    change: str = ""


class Offers(msgspec.Struct, frozen=True, kw_only=True):
    """Ranked places of one need."""

    offer_id: UUID
    disposition_id: UUID
    places: tuple[Offer, ...]
    refused: tuple[NotOffered, ...] = ()
    considered: int = 0
    refused_total: int = 0
    binding: str = ""


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A place held for this case; `owner` is who keeps its diary, empty when it is kept here."""

    hold_id: UUID
    name: str
    starts_at: datetime
    zone: str | None = None
    until: datetime
    extended: bool = False
    kind: str = "slot"
    seat: int = 1
    owner: str = ""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """How far the editor that keeps a place's diary is with an appointment.

    Attributes:
        owner: Who keeps the diary.
        state: `asking`, `confirmed`, `refused`, `undoing` or `undone`.
        by_hand: A human books there and writes it down here; `url` is where.
        writes: This reader may write it down.
    """

    appointment_id: UUID
    owner: str
    state: str
    deadline: datetime
    outcome: str = ""
    reference: str = ""
    by_hand: bool = False
    url: str = ""
    writes: bool = False


class Engagement(msgspec.Struct, frozen=True, kw_only=True):
    """What was arranged: an appointment, a referral or a waiting entry.

    Attributes:
        kind: `appointment`, `referral` or `waiting`.
        due_at: When the receiver must have answered, or the entry escalates.
        handoff: State of its handoff; empty without one.
        source: Of an appointment on an editor's diary that is booked there.
    """

    kind: str
    name: str = ""
    state: str
    starts_at: datetime | None = None
    zone: str | None = None
    due_at: datetime | None = None
    handoff: str = ""
    binding: str = ""
    source: Source | None = None


class Orientation(msgspec.Struct, frozen=True, kw_only=True):
    """The right column: decisions and what follows from them.

    Attributes:
        kinds: Kinds of disposition this actor may decide; empty = none.
        lost: The seat just asked for was taken by someone else.
        problem: Code of the refusal to show; empty without one.
    """

    case_id: UUID
    page: str
    kinds: tuple[str, ...] = ()
    levels: tuple[str, ...] = ("U0", "U1", "U2", "U3", "U4", "U5")
    proposed: str | None = None
    proposed_kind: str = ""
    services: tuple[Choice, ...] = ()
    service: str = ""
    dispositions: tuple[Disposition, ...] = ()
    offers: Offers | None = None
    hold: Hold | None = None
    engagements: tuple[Engagement, ...] = ()
    safety: tuple[str, ...] = ()
    call_back: str = ""
    lost: bool = False
    problem: str = ""


class HandoffCard(msgspec.Struct, frozen=True, kw_only=True):
    """One handoff on the board, or a patient for whom no place is asked yet.

    Attributes:
        who: Who must act now, and `act_by` until when.
        level: Step of the escalation reached; 0 before the first.
        phone: The receiver's number, for a human to call.
        for_me: The last step was told to the reader.
        elsewhere: Where the reader finds another place.
    """

    id: UUID
    case_id: UUID
    state: str
    subject: str
    acuity: str | None = None
    what: str = ""
    sender: str = ""
    receiver: str = ""
    due_at: datetime | None = None
    requested_at: datetime
    required: bool = False
    answerable: bool = False
    reason: str = ""
    who: str = ""
    act_by: datetime | None = None
    level: int = 0
    why_late: str = ""
    phone: str = ""
    for_me: bool = False
    escalatable: bool = False
    takable: bool = False
    note: bool = False
    elsewhere: str = ""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the board; `more` are those of it that are not shown."""

    code: str
    cards: tuple[HandoffCard, ...]
    more: int = 0


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """The handoff board; `on_duty` says it of the reader, None for who is not of the centre."""

    columns: tuple[Column, ...]
    on_duty: bool | None = None


class WeekSlot(msgspec.Struct, frozen=True, kw_only=True):
    """One published slot of the week grid; `hidden` is why the centre is not shown it now."""

    start: datetime
    end: datetime
    kind: str
    capacity: int
    taken: int = 0
    gone: bool = False
    hidden: str = ""


class WeekDay(msgspec.Struct, frozen=True, kw_only=True):
    """One day of the grid; `hours[h]` are the slots that start in that local hour."""

    label: str
    date: str
    today: bool
    hours: tuple[tuple[WeekSlot, ...], ...]


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """One patient on the way to this clinic; `id` is the handoff's, or the appointment's."""

    id: UUID
    kind: str
    starts_at: datetime | None
    complaint: str = ""
    patient: str = ""
    phone: str = ""
    note: str = ""
    state: str
    handoff: str = ""
    answerable: bool = False
    acuity: str | None = None
    due_at: datetime | None = None


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """The clinic's week, with what the centre sees of it.

    Attributes:
        freshness: How far the diary is believed by its age.
        percent: Its organisation's figure of trust of a hundred; None for who may not see it.
        hidden: Slots that the centre is not shown now.
    """

    schedule_id: UUID
    schedules: tuple[Choice, ...]
    monday: str
    previous: str
    following: str
    hours: tuple[int, ...]
    days: tuple[WeekDay, ...]
    free: int
    taken: int
    sequence: int
    as_of: datetime | None
    mirrored: bool = False
    freshness: str = "fresh"
    percent: int | None = None
    hidden: int = 0


class CallForm(msgspec.Struct, frozen=True, kw_only=True):
    """What the form of a new call holds, as typed."""

    opened_at: datetime
    place: str = ""
    phone: str = ""
    complaint: str = ""
    age: str = ""
    sex: str = ""
    patient: str = ""
    detail: str = ""
    end_as: str = ""


class PublishForm(msgspec.Struct, frozen=True, kw_only=True):
    """What the form of a publication holds, as typed."""

    days: tuple[int, ...] = (0, 1, 2, 3, 4)
    start: str = "17:00"
    end: str = "19:00"
    how: str = "slot"
    number: str = "15"
    extra: str = "0"
