"""Areas under the ROC curve of many mixtures, of which only the best is wanted.

An area is the share of pairs, of a sample of the class and another, that are in order; ties count half. To count them
exactly takes sorting. How many are in order at most is counted without: probabilities are put into bins, and pairs
within a bin are taken to be in order. So most mixtures are known to be worse than the best one without sorting them.
"""

from collections.abc import Callable

import numpy as np

OCTAVES, PER_OCTAVE = 16, 256  # bins of the same relative width down to 2^-16; what is smaller shares the lowest one
SHIFT = 23 - 8  # bits of a single-precision number below those that tell its bin
LOWEST = (127 - OCTAVES) << 8  # the bin of 2^-16 counted from 0
BINS = OCTAVES * PER_OCTAVE + 2
ROUNDING = 1e-12


class Areas:
    """Mean areas of mixtures of probabilities, over the classes (labels) that some samples have and others have not.

    Args:
        positive: which samples are of a class, classes×N (bool).
    """

    def __init__(self, positive: np.ndarray):
        self.order = np.argsort(~positive, axis=1, kind="stable")
        self.numbers = positive.sum(axis=1)

    def sorted(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities, K×classes×N, those of the samples of a class first; so mixtures are expected."""
        return np.take_along_axis(features, self.order[None], axis=2)

    def exact(self, mixtures: np.ndarray) -> np.ndarray:
        """Return the mean area of each mixture, R×classes×N, as R; NaN where nothing defines it."""
        return np.array([self._mean(mixture, _pairs) for mixture in mixtures])

    def at_most(self, mixtures: np.ndarray) -> np.ndarray:
        """Return an upper bound of the mean area of each mixture, R×classes×N (float32), as R."""
        bins = np.maximum((mixtures.view(np.int32) >> SHIFT) - LOWEST, 0)
        return np.array([self._mean(of_classes, _pairs_at_most) for of_classes in bins]) + ROUNDING

    def best(self, mixtures: np.ndarray, most: float) -> np.ndarray:
        """Return the mean area of each mixture, -inf of what is known to be less than `most` or than another."""
        areas = np.full(len(mixtures), -np.inf)
        bounds = self.at_most(mixtures)
        for row in np.argsort(-bounds, kind="stable"):
            if bounds[row] < most:
                break
            areas[row] = self._mean(mixtures[row], _pairs)
            most = max(most, areas[row])
        return areas

    def _mean(self, values: np.ndarray, count: Callable[[np.ndarray, np.ndarray], int]) -> float:
        areas = [
            count(row[:number], row[number:]) / (2 * number * (len(row) - number))
            for row, number in zip(values, self.numbers.tolist(), strict=True)
            if 0 < number < len(row)
        ]
        return float(np.mean(areas)) if areas else np.nan


def _pairs(own: np.ndarray, rest: np.ndarray) -> int:
    """Return twice the pairs in order, those of ties once."""
    own, rest = np.sort(own), np.sort(rest)
    return sum(int(np.searchsorted(rest, own, side).sum()) for side in ("left", "right"))


def _pairs_at_most(own: np.ndarray, rest: np.ndarray) -> int:
    """Return twice the pairs in order, of bins of probabilities, where pairs within a bin are in order."""
    up_to = np.cumsum(np.bincount(rest, minlength=BINS))
    return 2 * int(up_to[own].sum())
