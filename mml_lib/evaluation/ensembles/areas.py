"""Areas under the ROC curve of many mixtures, to find the largest one.

The area is the share of pairs of a positive and a negative sample that are ordered correctly; ties count half. Its
exact computation sorts the samples. An upper bound needs no sorting: probabilities are binned, and pairs within a bin
count as ordered correctly. It excludes most mixtures before they are sorted.
"""

from collections.abc import Callable

import numpy as np

OCTAVES, PER_OCTAVE = 16, 256  # bins of the same relative width down to 2^-16; the lowest one has all smaller values
SHIFT = 23 - 8  # number of low bits of a float32 that do not affect its bin
LOWEST = (127 - OCTAVES) << 8  # number of the bin of 2^-16
BINS = OCTAVES * PER_OCTAVE + 2
ROUNDING = 1e-12


class Areas:
    """Mean areas of mixtures of probabilities, over the classes (labels) with both positive and negative samples.

    Args:
        positive: positive samples of each class, classes×N (bool).
    """

    def __init__(self, positive: np.ndarray):
        self.order = np.argsort(~positive, axis=1, kind="stable")
        self.numbers = positive.sum(axis=1)

    def sorted(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities, K×classes×N, with the positive samples first, the order that other methods expect."""
        return np.take_along_axis(features, self.order[None], axis=2)

    def exact(self, mixtures: np.ndarray) -> np.ndarray:
        """Return the mean area of each mixture, R×classes×N, as R; NaN if no class defines it."""
        return np.array([self._mean(mixture, _pairs) for mixture in mixtures])

    def at_most(self, mixtures: np.ndarray) -> np.ndarray:
        """Return an upper bound of the mean area of each mixture, R×classes×N (float32), as R."""
        bins = np.maximum((mixtures.view(np.int32) >> SHIFT) - LOWEST, 0)
        return np.array([self._mean(mixture, _pairs_at_most) for mixture in bins]) + ROUNDING

    def best(self, mixtures: np.ndarray, least: float) -> np.ndarray:
        """Return the mean area of each mixture, R×classes×N, as R; -inf if it is less than `least` or another area."""
        areas = np.full(len(mixtures), -np.inf)
        bounds = self.at_most(mixtures)
        for row in np.argsort(-bounds, kind="stable"):
            if bounds[row] < least:
                break
            areas[row] = self._mean(mixtures[row], _pairs)
            least = max(least, areas[row])
        return areas

    def _mean(self, values: np.ndarray, count: Callable[[np.ndarray, np.ndarray], int]) -> float:
        areas = [
            count(row[:number], row[number:]) / (2 * number * (len(row) - number))
            for row, number in zip(values, self.numbers.tolist(), strict=True)
            if 0 < number < len(row)
        ]
        return float(np.mean(areas)) if areas else np.nan


def _pairs(positives: np.ndarray, negatives: np.ndarray) -> int:
    """Return twice the number of pairs that are ordered correctly; ties count once."""
    positives, negatives = np.sort(positives), np.sort(negatives)
    return sum(int(np.searchsorted(negatives, positives, side).sum()) for side in ("left", "right"))


def _pairs_at_most(positives: np.ndarray, negatives: np.ndarray) -> int:
    """Return twice the number of pairs of bins that are ordered correctly, including all pairs within a bin."""
    up_to = np.cumsum(np.bincount(negatives, minlength=BINS))
    return 2 * int(up_to[positives].sum())
