"""What every kind of event has in common: a tagged struct, checked before it is stored."""

from typing import ClassVar, Literal

import msgspec

Acuity = Literal["U0", "U1", "U2", "U3", "U4", "U5"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """A fact; the concrete class is its kind.

    Attributes:
        AGGREGATE: What kind of thing the fact is about.
    """

    AGGREGATE: ClassVar[str] = ""


def kind_of(event: Event | type[Event]) -> str:
    """Give the kind of an event.

    Args:
        event: An event or its class.

    Returns:
        For example `case.opened`.
    """
    kind = event.__struct_config__.tag
    if not isinstance(kind, str):
        message = f"{event!r} is no kind of event"
        raise TypeError(message)
    return kind


def validate(event: Event) -> Event:
    """Check that every field fits its type, so that no free text can ride along.

    Args:
        event: As constructed; constructors don't check.

    Returns:
        An equal event.

    Raises:
        ValidationError: msgspec's, which names the field and never the value.
    """
    return msgspec.convert(msgspec.to_builtins(event), type(event))
