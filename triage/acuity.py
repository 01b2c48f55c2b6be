"""The urgency scale U0-U5 and its order; it knows no protocol and no case."""

from typing import Final, Literal, TypeAlias

Acuity: TypeAlias = Literal["U0", "U1", "U2", "U3", "U4", "U5"]
"""U0 dispatch at once; U1 physician now; U2 seen within 2 h; U3 12 h; U4 48 h; U5 advice."""

SCALE: Final[tuple[Acuity, ...]] = ("U0", "U1", "U2", "U3", "U4", "U5")
"""All levels, most severe first."""

DUE_MINUTES: Final[dict[Acuity, int | None]] = {
    "U0": 0,
    "U1": 0,
    "U2": 120,
    "U3": 720,
    "U4": 2880,
    "U5": None,
}
"""Minutes within which a patient of the level is to be seen; None = no visit is owed."""


def most_severe(*levels: Acuity | None) -> Acuity | None:
    """Give the most severe of the levels.

    Args:
        *levels: Levels, or None where no level is known yet.

    Returns:
        The most severe level, or None when every argument is None.
    """
    return min((level for level in levels if level is not None), default=None)


def is_more_severe(level: Acuity, than: Acuity | None) -> bool:
    """Tell whether a level outranks another; anything outranks None.

    Args:
        level: The level asked about.
        than: The level it is compared with, or None for no level yet.

    Returns:
        True when level is strictly more severe.
    """
    return than is None or level < than


def as_acuity(text: str) -> Acuity:
    """Read a level from text.

    Args:
        text: "U0" to "U5".

    Returns:
        The level.

    Raises:
        ValueError: The text is not a level.
    """
    for level in SCALE:
        if level == text:
            return level
    message = "acuity must be one of U0, U1, U2, U3, U4, U5"
    raise ValueError(message)
