"""How close proposed levels come to those of experts: the arithmetic of the evaluation.

Pure: labels and levels in, figures out. A level is a number from 1 (most severe) to 5; 6 stands
for "no level yet", which is no level: it is never exact, always an under-triage, never one of the
severe ones, and counts as 5 in kappa, since the scale has nothing milder.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from triage.acuity import Acuity

LEVELS: Final = 5
"""Levels 1 to 5."""
NO_LEVEL: Final = 6
"""Stands for a case that has no level yet."""
SEVERE: Final = 2
"""Levels 1 and 2 must not be missed."""
NAMES: Final = (
    "exact",
    "kappa_quadratic",
    "under",
    "over",
    "sensitivity_1_2",
    "specificity_1_2",
    "missed_1_2",
    "without_level",
)
"""The figures, in the order in which they are shown."""

_FIVE: Final[dict[Acuity, int]] = {"U0": 1, "U1": 2, "U2": 3, "U3": 4, "U4": 5, "U5": 5}
_BATCH: Final = 2_000

Counts = npt.NDArray[np.float64]
"""Cases by label (rows, 1-5) and level (columns, 1-6), possibly of many samples."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One figure with its bootstrap interval; all three are shares, or kappa.

    Attributes:
        value: Over the cases as they are; NaN where its denominator is empty.
        low: The 2.5th percentile over the bootstrap samples.
        high: The 97.5th percentile.
    """

    value: float
    low: float
    high: float


def five_level(acuity: Acuity | None) -> int:
    """Give the number of a level: U0 is 1, U1 2, U2 3, U3 4, U4 and U5 5, none 6.

    Args:
        acuity: The level, or None while there is none.
    """
    return NO_LEVEL if acuity is None else _FIVE[acuity]


def counts(labels: Sequence[int], levels: Sequence[int]) -> Counts:
    """Count the cases by label and level.

    Args:
        labels: The experts' level of each case, 1 to 5.
        levels: The proposed one, 1 to 6, in the same order.

    Returns:
        A 5 x 6 table.

    Raises:
        ValueError: The lengths differ, or a number is outside of its range.
    """
    if len(labels) != len(levels):
        raise ValueError("one level for each label")
    table = np.zeros((LEVELS, NO_LEVEL))
    for label, level in zip(labels, levels, strict=True):
        if not (1 <= label <= LEVELS and 1 <= level <= NO_LEVEL):
            raise ValueError("labels are 1 to 5, levels 1 to 6")
        table[label - 1, level - 1] += 1
    return table


def figures(table: Counts) -> dict[str, Counts]:
    """Compute every figure of `NAMES`.

    `under` and `over` are shares of all cases: a milder level than the label's, a more severe
    one. `sensitivity_1_2` is the share of the cases labelled 1-2 that get 1-2;
    `specificity_1_2` the share of the others that don't; `missed_1_2` the share of those
    labelled 1-2 that get 4, 5 or no level. Source of kappa with quadratic weights: Cohen J.
    Psychological Bulletin 1968;70:213-220.

    Args:
        table: ... x 5 x 6, by label and level.

    Returns:
        By name, one number for each table; NaN where a denominator is zero.
    """
    total = table.sum(axis=(-1, -2))
    label = np.arange(1, LEVELS + 1)[:, None]
    level = np.arange(1, NO_LEVEL + 1)[None, :]
    severe, others = table[..., :SEVERE, :], table[..., SEVERE:, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "exact": (table * (label == level)).sum(axis=(-1, -2)) / total,
            "kappa_quadratic": _kappa(table),
            "under": (table * ((level > label) | (level == NO_LEVEL))).sum(axis=(-1, -2)) / total,
            "over": (table * (level < label)).sum(axis=(-1, -2)) / total,
            "sensitivity_1_2": _share(severe[..., :SEVERE], severe),
            "specificity_1_2": _share(others[..., SEVERE:], others),
            "missed_1_2": _share(severe[..., SEVERE + 1 :], severe),
            "without_level": table[..., NO_LEVEL - 1].sum(axis=-1) / total,
        }


def _share(part: Counts, whole: Counts) -> Counts:
    """Give the share of a part of the table in a larger part."""
    return np.asarray(part.sum(axis=(-1, -2)) / whole.sum(axis=(-1, -2)))


def _kappa(table: Counts) -> Counts:
    """Give Cohen's kappa with quadratic weights; no level counts as 5."""
    square = table[..., :LEVELS].copy()
    square[..., LEVELS - 1] += table[..., NO_LEVEL - 1]
    rank = np.arange(LEVELS)
    weight = (rank[:, None] - rank[None, :]) ** 2
    total = square.sum(axis=(-1, -2))
    expected = np.einsum("...i,...j->...ij", square.sum(axis=-1), square.sum(axis=-2))
    observed = (square * weight).sum(axis=(-1, -2))
    return np.asarray(1 - observed * total / (expected * weight).sum(axis=(-1, -2)))


def measured(table: Counts, *, samples: int, seed: int) -> dict[str, Measured]:
    """Compute every figure with its 95 % percentile bootstrap interval.

    Drawing cases with replacement is drawing the cells of the table by their shares, so one
    multinomial draw stands for one resampled set of cases.

    Args:
        table: 5 x 6, not empty.
        samples: How many bootstrap samples; at least 1.
        seed: Equal seeds give equal intervals.

    Returns:
        By name, in the order of `NAMES`.

    Raises:
        ValueError: There are no cases.
    """
    total = int(table.sum())
    if total == 0:
        raise ValueError("no cases")
    generator = np.random.default_rng(seed)
    drawn: dict[str, list[Counts]] = {name: [] for name in NAMES}
    for start in range(0, samples, _BATCH):
        size = min(_BATCH, samples - start)
        cells = generator.multinomial(total, table.ravel() / total, size=size)
        found = figures(cells.reshape(size, LEVELS, NO_LEVEL).astype(float))
        for name in NAMES:
            drawn[name].append(found[name])
    exact = figures(table)
    return {name: _measured(float(exact[name]), np.concatenate(drawn[name])) for name in NAMES}


def _measured(value: float, drawn: Counts) -> Measured:
    """Give a figure with the percentiles of those samples in which it exists."""
    known = drawn[~np.isnan(drawn)]
    if not known.size:
        return Measured(value=value, low=value, high=value)
    low, high = np.percentile(known, [2.5, 97.5])
    return Measured(value=value, low=float(low), high=float(high))


def trade_off(labels: Sequence[int], danger: Sequence[float]) -> list[tuple[float, float]]:
    """Give sensitivity and specificity for labels 1-2 at every threshold of a danger value.

    Args:
        labels: 1 to 5.
        danger: The higher, the more severe; a case counts as severe from the threshold on.

    Returns:
        (sensitivity, specificity) from the strictest threshold to the mildest; empty when the
        labels are all severe or all not.
    """
    severe = np.asarray(labels) <= SEVERE
    value = np.asarray(danger, dtype=float)
    if severe.all() or not severe.any():
        return []
    return [
        (float((value[severe] >= limit).mean()), float((value[~severe] < limit).mean()))
        for limit in sorted(set(value.tolist()), reverse=True)
    ]


def area(curve: Sequence[tuple[float, float]]) -> float:
    """Give the area under a trade-off curve, by trapezes; 0.5 is chance.

    Args:
        curve: From `trade_off`.
    """
    points = [(0.0, 0.0), *((1 - specificity, sensitivity) for sensitivity, specificity in curve)]
    return float(
        sum(
            (right[0] - left[0]) * (right[1] + left[1]) / 2
            for left, right in zip(points, [*points[1:], (1.0, 1.0)], strict=True)
        )
    )


def specificity_at(curve: Sequence[tuple[float, float]], sensitivity: float) -> float | None:
    """Give the best specificity that a curve has at a sensitivity or above.

    Args:
        curve: From `trade_off`.
        sensitivity: Asked for, 0 to 1.

    Returns:
        None when the curve never reaches it.
    """
    return max((spec for sens, spec in curve if sens >= sensitivity), default=None)
