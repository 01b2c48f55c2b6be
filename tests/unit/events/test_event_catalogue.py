"""The catalogue: one struct per kind, ids and codes only, and the contract made from it."""

from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import catalogue, cloudevents, contracts
from events.catalogue import Event
from events.model import StoredEvent
from kernel import ids
from kernel.crypto import KeyRing

DESIGNED = {
    "call.received",
    "call.ended",
    "callback.due",
    "case.opened",
    "case.qualified",
    "case.closed",
    "case.merged",
    "assessment.recorded",
    "disposition.decided",
    "availability.published",
    "consent.changed",
    "trust.contested",
    "absence.changed",
    "capacity.changed",
    "limit.changed",
    "places.changed",
    "slot.displaced",
    "hold.placed",
    "hold.released",
    "hold.lapsed",
    "hold.displaced",
    "appointment.booked",
    "appointment.pending",
    "appointment.confirmed",
    "appointment.cancelled",
    "appointment.rescheduled",
    "appointment.fulfilled",
    "appointment.missed",
    "referral.sent",
    "referral.updated",
    "handoff.requested",
    "handoff.delivered",
    "handoff.seen",
    "handoff.accepted",
    "handoff.refused",
    "handoff.overdue",
    "handoff.escalated",
    "handoff.completed",
    "waiting.entered",
    "waiting.placed",
    "waiting.escalated",
}
KEYS = KeyRing(bytes(32))


def codes(length: int = 12) -> st.SearchStrategy[str]:
    return st.text("abcXYZ0189_.:-", min_size=1, max_size=length)


def any_event() -> st.SearchStrategy[Event]:
    strategies = []
    for one in catalogue.KINDS.values():
        fields = {
            field.name: _strategy(field.type)
            for field in msgspec.structs.fields(one)
            if field.name != "kind"
        }
        strategies.append(st.builds(one, **fields))
    return st.one_of(strategies)


def _strategy(hint: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911
    origin = get_origin(hint)
    if origin is Annotated:
        base, *meta = get_args(hint)
        pattern = next((m.pattern for m in meta if getattr(m, "pattern", None)), None)
        if base is str:
            assert pattern is not None
            return codes()
        if base is int:
            return st.integers(0, 100)
        return _strategy(base)
    if origin in {Union, UnionType}:
        return st.one_of([_strategy(one) for one in get_args(hint)])
    if origin is Literal:
        return st.sampled_from(get_args(hint))
    if origin is tuple:
        return st.lists(_strategy(get_args(hint)[0]), max_size=2).map(tuple)
    plain = {
        NoneType: st.none(),
        UUID: st.builds(ids.uuid7),
        bool: st.booleans(),
        int: st.integers(0, 100),
        datetime: st.datetimes(
            min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
            max_value=datetime(2100, 1, 1),  # noqa: DTZ001
            timezones=st.just(UTC),
        ),
    }
    return plain[hint]


def test_every_designed_kind_exists() -> None:
    assert set(catalogue.KINDS) >= DESIGNED


def test_every_kind_says_what_it_is_about() -> None:
    for one in catalogue.KINDS.values():
        assert one.AGGREGATE


def test_no_field_can_hold_free_text() -> None:
    for kind, one in catalogue.KINDS.items():
        hints = get_type_hints(one, include_extras=True)
        for field in msgspec.structs.fields(one):
            assert str not in _leaves(hints[field.name]), f"{kind}.{field.name}"


def _leaves(hint: Any) -> set[Any]:
    """Give the types of a hint; an annotated code counts as itself, not as a string."""
    if get_origin(hint) is Annotated:
        base, *meta = get_args(hint)
        bounded = any(getattr(one, "pattern", None) for one in meta)
        return {"code"} if bounded else _leaves(base)
    arguments = get_args(hint)
    if not arguments:
        return {hint}
    return set().union(*(_leaves(one) for one in arguments))


@given(any_event())
def test_an_event_survives_its_json(event: Event) -> None:
    assert catalogue.decode(msgspec.json.encode(event)) == event
    assert catalogue.validate(event) == event


@cache
def data_checker(name: str) -> jsonschema.Draft202012Validator:
    definitions = contracts.schema()["$defs"]
    return jsonschema.Draft202012Validator({**definitions[name], "$defs": definitions})


@given(any_event())
def test_what_leaves_fits_the_published_schema(event: Event) -> None:
    told = envelope_of(event)
    data_checker(type(event).__name__).validate(told["data"])
    data_checker("CloudEvent").validate(told)
    assert told["type"] == f"regul.{catalogue.kind_of(event)}"


def envelope_of(event: Event) -> dict[str, Any]:
    stored = StoredEvent(
        position=9,
        epoch=1,
        event_id=ids.uuid7(),
        kind=catalogue.kind_of(event),
        aggregate=event.AGGREGATE,
        aggregate_id=ids.uuid7(),
        version=1,
        territory_id=ids.uuid7(),
        case_id=ids.uuid7(),
        organisation_ids=(),
        actor_id=ids.uuid7(),
        correlation_id="",
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        event=event,
    )
    told = cloudevents.envelope(stored, 3, ids.uuid7(), KEYS)
    encoded = cloudevents.encode(told)
    assert str(stored.case_id).encode() not in encoded
    decoded: dict[str, Any] = msgspec.json.decode(encoded)
    return decoded


def test_a_merged_case_leaves_under_its_pseudonym() -> None:
    into = ids.uuid7()
    told = envelope_of(catalogue.CaseMerged(into_case_id=into))
    assert str(into) not in str(told)
    assert len(told["data"]["into_case"]) == 32


def test_a_value_that_is_no_code_is_refused_without_being_quoted() -> None:
    with pytest.raises(msgspec.ValidationError) as refusal:
        catalogue.validate(catalogue.CaseClosed(outcome="Jeanne Martin"))
    assert "Jeanne" not in str(refusal.value)
