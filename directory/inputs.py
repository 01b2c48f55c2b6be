"""What clients write in a query of the directory, read once for every route."""

from datetime import UTC, datetime, timedelta
from typing import Final

from directory.model import Interval
from kernel import errors
from kernel.inputs import utc

_PARTS: Final = 2


def near(text: str | None) -> tuple[float | None, float | None]:
    """Read `lon,lat` in WGS84 degrees.

    Raises:
        kernel.errors.Malformed: `near_malformed`.
    """
    if text is None:
        return None, None
    parts = text.split(",")
    try:
        lon, lat = (float(part) for part in parts)
    except ValueError:
        lon = lat = float("nan")
    if len(parts) != _PARTS or not (-180 <= lon <= 180 and -90 <= lat <= 90):  # noqa: PLR2004
        raise errors.Malformed("near_malformed", "Write near=lon,lat in degrees.", path="near")
    return lon, lat


def moment(value: datetime, path: str) -> datetime:
    """Read an instant.

    Raises:
        kernel.errors.Malformed: `time_without_offset`, `time_out_of_range`.
    """
    if value.tzinfo is None:
        raise errors.Malformed("time_without_offset", "A time needs its offset.", path=path)
    return utc(value, path).astimezone(UTC)


def window(starts_at: datetime, ends_at: datetime, longest: timedelta) -> Interval:
    """Read a stretch of time.

    Raises:
        kernel.errors.Malformed: `time_without_offset`, `time_out_of_range`, `window_empty` or
            `window_too_long`.
    """
    start, end = moment(starts_at, "starts_at"), moment(ends_at, "ends_at")
    if start >= end:
        raise errors.Malformed("window_empty", "A window ends after it starts.", path="ends_at")
    if end - start > longest:
        said = f"At most {longest.days} days."
        raise errors.Malformed("window_too_long", said, path="ends_at")
    return Interval(start=start, end=end)
