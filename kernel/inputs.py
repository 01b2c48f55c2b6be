"""Types of what clients send: bounded, storable, unambiguous. Used by every edge struct."""

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec

from kernel import errors

_NO_CONTROL: Final = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0085\u2028\u2029\ud800-\udfff]*$"

Text = Annotated[str, msgspec.Meta(max_length=4000, pattern=_NO_CONTROL)]
"""Free text of a person: up to 4,000 signs, line breaks and tabs allowed, no other controls."""

ShortText = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=_NO_CONTROL)]
"""One line: a name, an address, a reason."""

Code = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
"""A code of one of our lists or of a terminology."""

Small = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
"""A count."""

Sequence64 = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A publisher's sequence number; fits PostgreSQL's bigint."""

Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]
"""WGS84 degrees."""

Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
"""WGS84 degrees."""

UtcTime = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with an offset; pass it through `utc` before use."""

EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def utc(value: datetime, path: str) -> datetime:
    """Give the same instant in UTC.

    Args:
        value: Aware; naive ones never pass `UtcTime`.
        path: Field name, for the refusal.

    Returns:
        Between 1900 and 2200.

    Raises:
        Malformed: `time_out_of_range`.
    """
    try:
        moved = value.astimezone(UTC)
    except OverflowError:
        moved = None
    if moved is None or not EARLIEST <= moved <= LATEST:
        code = "time_out_of_range"
        raise errors.Malformed(code, "Times lie between 1900 and 2200.", path=path)
    return moved
