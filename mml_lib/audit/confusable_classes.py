"""Confusable classes: pairs of classes that out-of-sample predictions do not distinguish."""

from itertools import combinations
from typing import NamedTuple

import numpy as np

CONFIDENT = 1.96
"""Quantile of the normal distribution for a 95 % interval."""


class ClassPair(NamedTuple):
    """Separation of two classes by predictions.

    Args:
        first, second: class indices.
        samples: number of samples of both classes.
        auroc: area under the ROC curve of the ratio of their probabilities, on these samples (0..1).
        ci_low, ci_high: 95 % interval of the area.
        confused: number of samples of one class that belong confidently to the other, by the confident joint.
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
        """True if the interval contains 0.5, the area of random predictions."""
        return self.ci_low <= 0.5


def confusable_classes(
    labels: np.ndarray, probabilities: np.ndarray, confident: np.ndarray, groups: np.ndarray
) -> list[ClassPair]:
    """Return all pairs of classes with samples, the least separated first.

    The variance of an area is that of Hanley and McNeil (1982), with the number of groups of each class as its number
    of samples.

    Args:
        labels: class indices (N).
        probabilities: out-of-sample probabilities (N×C).
        confident: confident joint (C×C).
        groups: group of each sample (N).
    """
    scores = np.log(np.maximum(probabilities, 1e-12))
    rows = [np.flatnonzero(labels == label) for label in range(probabilities.shape[1])]
    units = [len(np.unique(groups[class_rows])) for class_rows in rows]
    pairs = []
    for first, second in combinations(range(len(rows)), 2):
        if not (units[first] and units[second]):
            continue
        ratio = scores[:, first] - scores[:, second]
        area = _area(ratio[rows[first]], ratio[rows[second]])
        half_width = CONFIDENT * _deviation(area, units[first], units[second])
        confused = int(confident[first, second] + confident[second, first])
        number = len(rows[first]) + len(rows[second])
        pairs.append(
            ClassPair(first, second, number, area, max(area - half_width, 0), min(area + half_width, 1), confused)
        )
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
