"""Sources of mirrored diaries that a program can book: where each is asked, and how long."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from kernel import audit, database, errors
from kernel.actor import Actor, require
from kernel.database import Tx
from kernel.ids import uuid7

database.refuses("booking_source_address_shape", errors.Invalid, "booking_source_address")
database.refuses("booking_source_answer_range", errors.Invalid, "booking_source_answer_time")
database.refuses("booking_source_credential_shape", errors.Invalid, "booking_source_credential")


class BookingSource(msgspec.Struct, frozen=True, kw_only=True):
    """How a source is booked by a program.

    Attributes:
        source: As the mirrored diaries name it: the publisher of their feed.
        address: Base address of its booking interface.
        answer_within_s: Seconds after booking in which it has to have said yes.
        credential: Name of the file with its bearer token, in the folder of
            `REGUL_SOURCE_CREDENTIALS`; None = it asks for none.
        active: Asked at all; what was begun is ended also when not.
    """

    source: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    address: str
    answer_within_s: int = 60
    credential: str | None = None
    active: bool = True


async def keep(tx: Tx, actor: Actor, wanted: BookingSource) -> None:
    """Write how a source is booked; repeating it changes nothing.

    Args:
        tx: The transaction.
        actor: An administrator or the system.
        wanted: All of it.

    Raises:
        kernel.errors.Invalid: `booking_source_address`, `booking_source_answer_time`,
            `booking_source_credential`.
    """
    require(actor, "directory.write")
    await tx.execute(
        UPSERT_SOURCE, wanted.source, wanted.address, wanted.answer_within_s, wanted.credential,
        wanted.active,
    )  # fmt: skip
    detail = "booked_by_program" if wanted.active else "not_booked_by_program"
    await audit.record(tx, actor, "directory.write", "booking_source", uuid7(), detail=detail)


async def find(tx: Tx, source: str) -> BookingSource | None:
    """Give how a source is booked; None when it has no interface that we know of."""
    row = await tx.fetchrow(SELECT_SOURCE, source)
    return None if row is None else BookingSource(**dict(row))


async def every(tx: Tx, actor: Actor) -> Sequence[BookingSource]:
    """List the sources with a booking interface, by name."""
    require(actor, "directory.read")
    return [BookingSource(**dict(row)) for row in await tx.fetch(SELECT_SOURCES)]


UPSERT_SOURCE: Final = """
insert into directory.booking_source (source, address, answer_within_s, credential, active)
values ($1, $2, $3, $4, $5)
on conflict (source) do update set address = excluded.address,
    answer_within_s = excluded.answer_within_s, credential = excluded.credential,
    active = excluded.active, changed_at = kernel.regul_now()
"""

SELECT_SOURCE: Final = """
select source, address, answer_within_s, credential, active
from directory.booking_source where source = $1
"""

SELECT_SOURCES: Final = """
select source, address, answer_within_s, credential, active
from directory.booking_source order by source
"""
