"""What clients write in a query of the directory, read once for every route."""

from typing import Final

from kernel import errors

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
