"""Confusable classes: pairs of classes that out-of-sample predictions do not tell apart."""

from itertools import combinations
from typing import NamedTuple

import numpy as np

CONFIDENT = 1.96
"""Quantile of the normal distribution for an interval of 95 %."""


class ClassPair(NamedTuple):
    """How well two classes are told apart.

    Args:
        first, second: class indices.
        samples: of both.
        auroc: area under the ROC curve of the ratio of their probabilities, on samples of both.
        ci_low, ci_high: its 95 % interval.
        confused: samples of one that are confidently of the other, by the confident joint.
    """

    first: int
    second: int
    samples: int
    auroc: float
    ci_low: float
    ci_high: float
    confused: int

    @property
    def are_alike(self) -> bool:
        """True if the interval has 0.5, the value of a coin."""
        return self.ci_low <= 0.5


def confusable_classes(
    labels: np.ndarray, probabilities: np.ndarray, confident: np.ndarray, groups: np.ndarray
) -> list[ClassPair]:
    """Return all pairs of classes with samples, the most alike first.

    The variance of an area is that of Hanley and McNeil (1982) for as many samples of a class as it has groups.

    Args:
        labels: class indices, N.
        probabilities: out of sample, N×C.
        confident: confident joint, C×C.
        groups: of the samples, N.
    """
    scores = np.log(np.maximum(probabilities, 1e-12))
    rows = [np.flatnonzero(labels == label) for label in range(probabilities.shape[1])]
    units = [len(np.unique(groups[of_class])) for of_class in rows]
    pairs = []
    for first, second in combinations(range(len(rows)), 2):
        if not (units[first] and units[second]):
            continue
        ratio = scores[:, first] - scores[:, second]
        area = _area(ratio[rows[first]], ratio[rows[second]])
        reach = CONFIDENT * _deviation(area, units[first], units[second])
        confused = int(confident[first, second] + confident[second, first])
        number = len(rows[first]) + len(rows[second])
        pairs.append(ClassPair(first, second, number, area, max(area - reach, 0), min(area + reach, 1), confused))
    return sorted(pairs, key=lambda pair: (pair.auroc, pair.first, pair.second))


def _area(positive: np.ndarray, negative: np.ndarray) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)].sum()
    return float((ranks - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative)))


def _deviation(area: float, positive: int, negative: int) -> float:
    one_side, other_side = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area)
    spread += (positive - 1) * (one_side - area**2) + (negative - 1) * (other_side - area**2)
    return float(np.sqrt(max(spread, 0) / (positive * negative)))
