"""What the protocols are compared with: simple rules, and a regression on the same fields.

Pure. The regression is fitted on other cases of the same file than those it predicts (folds), so
its figures are out of fold; it is a yardstick and decides nothing in the product.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import softmax

from triage.evaluation import LEVELS
from triage.expression import Value
from triage.labelled import VITALS, Facts, recorded
from triage.protocol import Protocol
from triage.scoring import score

_WORD: Final = re.compile(r"[a-z]+")
_NUMBERS: Final = ("age_y", "pain_nrs", *VITALS)
_FEWEST: Final = 3
"""A word must occur in as many training cases to become a feature."""
_PENALTY: Final = 1.0
"""Weight of the squared coefficients; features are standardised."""

Matrix = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


def news2_level(protocol: Protocol, facts: Facts) -> int:
    """Give the level of the NEWS2 bands: >= 7 is 2, 5-6 or a single 3 is 3, else 4.

    Source: Royal College of Physicians, NEWS2, 2017, thresholds and triggers. What was not
    recorded counts as normal.

    Args:
        protocol: The shipped NEWS2 protocol, for its table.
        facts: The case.
    """
    values: dict[str, Value] = {entry.input: entry.value for entry in recorded(facts)}
    values |= {"on_oxygen": False, "hypercapnic_target": False}
    found = score(protocol.scores[0], values)
    high, medium, red = 7, 5, 3
    if found.low >= high:
        return 2
    return 3 if found.low >= medium or found.max_item_low >= red else 4


def danger_zone_level(facts: Facts) -> int:
    """Give the level of danger-zone vital signs, consciousness and severe pain, else 3.

    Thresholds of adults (facts of ESI version 4, AHRQ 2012): heart rate over 100, respiratory
    rate over 20, saturation under 92 %; pain of 7 or more counts as severe. What was not
    recorded counts as normal.

    Args:
        facts: The case.
    """
    fastest, quickest, least, severe = 100, 20, 92, 7
    if facts.avpu in {"P", "U"}:
        return 1
    signs = (
        facts.avpu in {"C", "V"},
        facts.hr is not None and facts.hr > fastest,
        facts.rr is not None and facts.rr > quickest,
        facts.spo2 is not None and facts.spo2 < least,
        facts.pain_nrs is not None and facts.pain_nrs >= severe,
    )
    return 2 if any(signs) else 3


class Regression(msgspec.Struct, frozen=True, kw_only=True):
    """Out-of-fold predictions of the regression.

    Attributes:
        levels: The most likely level of each case, 1 to 5.
        danger: The probability of level 1 or 2.
    """

    levels: list[int]
    danger: list[float]


def logistic(cases: Sequence[Facts], labels: Sequence[int], *, folds: int, seed: int) -> Regression:
    """Fit a multinomial logistic regression on fields and complaint words, fold by fold.

    Args:
        cases: What was recorded.
        labels: The experts' levels, in the same order.
        folds: How many parts; each is predicted by a model fitted on the others.
        seed: Of the division into folds.

    Returns:
        A prediction for every case, in order.

    Raises:
        ValueError: Fewer cases than folds.
    """
    if len(cases) < folds:
        raise ValueError("fewer cases than folds")
    order = np.random.default_rng(seed).permutation(len(cases))
    target = np.asarray(labels) - 1
    chance = np.zeros((len(cases), LEVELS))
    for held_out in np.array_split(order, folds):
        training = np.setdiff1d(order, held_out)
        describe = _describer(cases, training)
        weights = _fit(describe(training), target[training])
        chance[held_out] = softmax(describe(held_out) @ weights, axis=1)
    return Regression(
        levels=(chance.argmax(axis=1) + 1).tolist(), danger=chance[:, :2].sum(axis=1).tolist()
    )


def _describer(cases: Sequence[Facts], training: Rows) -> Callable[[Rows], csr_array]:
    """Give what turns cases into features, with means and words of the training cases only."""
    raw = np.array([[_number(getattr(case, name)) for name in _NUMBERS] for case in cases])
    known = ~np.isnan(raw[training])
    number = np.maximum(known.sum(axis=0), 1)
    mean = np.nan_to_num(raw[training]).sum(axis=0) / number
    spread = np.where(known, raw[training] - mean, 0)
    deviation = np.sqrt((spread**2).sum(axis=0) / number)
    scaled = (raw - mean) / np.where(deviation > 0, deviation, 1)
    said = [set(_WORD.findall((case.complaint_text or "").lower())) for case in cases]
    often = Counter(word for row in training for word in said[row])
    words = sorted(word for word, count in often.items() if count >= _FEWEST)

    def features(rows: Rows) -> csr_array:
        numbers = np.nan_to_num(scaled[rows])
        missing = np.isnan(raw[rows]).astype(float)
        kinds = [_kinds(cases[row]) for row in rows]
        present = [[word in said[row] for word in words] for row in rows]
        constant = np.ones((len(rows), 1))
        return csr_array(
            np.hstack([constant, numbers, missing, np.array(kinds), np.array(present)])
        )

    return features


def _number(value: float | None) -> float:
    """Give NaN for what is missing."""
    return float("nan") if value is None else float(value)


def _kinds(facts: Facts) -> list[float]:
    """Give the fields that are no numbers."""
    return [
        *(float(facts.avpu == letter) for letter in "VPU"),
        float(facts.sex == "F"),
        float(facts.injury is True),
        float(facts.pain_present is True),
    ]


def _fit(features: csr_array, target: Rows) -> Matrix:
    """Minimise the penalised negative log likelihood; the constant is not penalised."""
    shape = (features.shape[1], LEVELS)
    hot = np.eye(LEVELS)[target]

    def loss(flat: Matrix) -> tuple[float, Matrix]:
        weights = flat.reshape(shape)
        scores = features @ weights
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        chance = powers / powers.sum(axis=1, keepdims=True)
        shrunk = weights.copy()
        shrunk[0] = 0
        value = -np.log(chance[np.arange(len(target)), target]).sum()
        value += _PENALTY / 2 * (shrunk**2).sum()
        slope = features.T @ (chance - hot) + _PENALTY * shrunk
        return float(value), slope.ravel()

    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="CG", options={"gtol": 0.1})
    return np.asarray(found.x).reshape(shape)
