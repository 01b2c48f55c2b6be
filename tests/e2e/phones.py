"""Numbers kept for fiction, each used once: a repeated number would be a repeated call."""

import itertools

_NUMBERS = itertools.count(1000)


def a_phone() -> str:
    """Give a number that nobody has called from yet."""
    return f"+3363998{next(_NUMBERS):04d}"
