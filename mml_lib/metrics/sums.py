"""Sums of the weights of samples, for many resamples at once: counts, ranks and areas under curves.

The samples are sorted once; sums of weights in this order then give the exact statistics of each resample. Weights are
whole numbers: counts of draws (uint8), multiplied by `whole_weights` if samples have weights of their own (float64).
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from mml_lib.metrics.shares import share

K = TypeVar("K")

BLOCK = 16
"""Number of places whose sum of weights is below 256."""

EXACT_BITS = 49
"""Binary digits of a sum of weights: those of a float64, minus three for groups that are drawn often."""


def whole_weights(weights: np.ndarray) -> np.ndarray:
    """Return weights of samples as whole numbers in the same ratios (float64, N).

    Sums of whole numbers are exact in any order of addition, so differences that are 0 have no rounding error. Weights
    are resolved to 2^-39 of the largest for a thousand samples, and to 2^-29 for a million.

    Args:
        weights: weights of the samples (N), 0 or more, not all 0.
    """
    exponent = np.frexp(weights.max())[1] + np.frexp(len(weights))[1]
    return np.rint(np.ldexp(weights.astype(np.float64), EXACT_BITS - exponent))


def _wide(weights: np.ndarray) -> type[np.generic]:
    """Return the type that holds sums of all weights."""
    return np.float64 if weights.dtype.kind == "f" else np.int32


class WeightSums:
    """Exact sums of the weights of the samples before given places of an order, for all resamples at once.

    Sums within blocks of 16 places fit into eight bits. Only sums of blocks are added in full width.

    Args:
        order: indices of the samples in their order, N.
        places: places in the order, 0 to N, any shape.
    """

    def __init__(self, order: np.ndarray, places: np.ndarray):
        blocks = len(order) // BLOCK + 1
        padded = np.zeros(blocks * BLOCK, np.int32)  # the padding is never read
        padded[: len(order)] = order
        self.rows = padded.reshape(blocks, BLOCK).T  # one row for each place in a block
        self.block, self.within = places // BLOCK, (places % BLOCK) * blocks + places // BLOCK

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Return sums of the weights, N×R, as places×R."""
        drawn = weights.take(self.rows, axis=0)
        sums = np.zeros_like(drawn)
        for place in range(1, BLOCK):
            np.add(sums[place - 1], drawn[place - 1], out=sums[place])
        before = np.zeros(drawn.shape[1:], _wide(weights))
        np.cumsum((sums[-1] + drawn[-1])[:-1], axis=0, dtype=before.dtype, out=before[1:])
        return before.take(self.block, axis=0) + sums.reshape(-1, weights.shape[1]).take(self.within, axis=0)


def products(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted sum of each of the features, N×F, as R×F."""
    return weights.T.astype(np.float64) @ features


class LinearSums:
    """A statistic of weighted sums of features. `joined` computes the sums of all metrics in one matrix product.

    Args:
        features: features of the samples, N×F.
        finish: function from the sums, R×F, to the statistic.
    """

    def __init__(self, features: np.ndarray, finish: Callable[[np.ndarray], Any]):
        self.features, self.finish = features.astype(np.float64), finish

    def __call__(self, weights: np.ndarray) -> Any:
        return self.finish(products(self.features, weights))


def joined(statistics: Mapping[K, Callable[[np.ndarray], Any]]) -> Callable[[np.ndarray], dict[K, Any]]:
    """Return a function from weights, N×R, to all statistics by key. It computes sums of features together."""
    linear = {key: statistic for key, statistic in statistics.items() if isinstance(statistic, LinearSums)}
    others = {key: statistic for key, statistic in statistics.items() if key not in linear}
    features = np.concatenate([statistic.features for statistic in linear.values()], axis=1) if linear else None
    ends = np.cumsum([statistic.features.shape[1] for statistic in linear.values()])[:-1]

    def compute(weights: np.ndarray) -> dict[K, Any]:
        results = {key: statistic(weights) for key, statistic in others.items()}
        if features is not None:
            parts = np.split(products(features, weights), ends, axis=1)
            results |= {
                key: statistic.finish(part) for (key, statistic), part in zip(linear.items(), parts, strict=True)
            }
        return results

    return compute


def total(weights: np.ndarray) -> np.ndarray:
    """Return the total weight of each resample, R: the number of samples if they have no weights of their own."""
    return weights.sum(axis=0, dtype=np.float64)


def class_weights(labels: np.ndarray, classes: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of the weight of each class, R×classes. Labels of `classes` or more do not count."""
    order = np.argsort(labels, kind="stable")
    sums = WeightSums(order, np.searchsorted(labels[order], np.arange(classes + 1)))
    return lambda weights: np.diff(sums(weights), axis=0).T.astype(np.float64)


def ties(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first place of each value's tie in a sorted array, and the place after its last, N each."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1, [len(ordered)]])
    sizes = np.diff(edges)
    return np.repeat(edges[:-1], sizes), np.repeat(edges[1:], sizes)


def roc_area(scores: np.ndarray, positive: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of the area under the ROC curve, R: the share of ordered pairs, with ties as one half.

    Args:
        scores: scores of the samples, N.
        positive: mask of the positive samples (bool, N).
    """
    order = np.lexsort([~positive, scores])  # positives first within ties
    first, last = positive_runs(scores[order], positive[order])
    tied = ties(scores[order])[1][last - 1]
    sums = WeightSums(order, np.stack([first, last, tied]))

    def area(weights: np.ndarray) -> np.ndarray:
        begin, end, tie_end = sums(weights).astype(np.float64)
        # A positive is in order with all samples before its tie, and half with those of the tie. The sum is doubled,
        # and contains the pairs of positives, the square of their number.
        drawn = end - begin
        hits = drawn.sum(axis=0)
        pairs = np.einsum("pr,pr->r", drawn, begin + tie_end) - hits**2
        return share(pairs, 2 * hits * (total(weights) - hits))

    return area


def positive_runs(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first place of each run of positives in sorted scores, and the place after its last.

    A run ends before other samples, and at the edges of ties of both kinds of samples. All positives of a run then form
    the same pairs with the samples before it.
    """
    starts, ends = ties(scores)
    is_mixed = positive[starts] & ~positive[ends - 1]
    kind = np.where(positive, 1 + is_mixed * (1 + starts), 0)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(kind)) + 1, [len(kind)]])
    is_positive = positive[edges[:-1]]
    return edges[:-1][is_positive], edges[1:][is_positive]


def of_rows(rows: np.ndarray, area: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of the weights of all samples, N×R, that uses only those of some rows."""
    return lambda weights: area(weights[rows])


def precision_area(scores: np.ndarray, positive: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of the area under the precision-recall curve by steps, R: the mean precision at positives.

    Args:
        scores: scores of the samples, N.
        positive: mask of the positive samples (bool, N).
    """
    order = np.argsort(-scores, kind="stable")
    is_positive = positive[order]
    ends = ties(scores[order])[1][is_positive]
    rows, positives = order[is_positive], np.cumsum(is_positive)[ends - 1]  # positives up to the end of a tie
    sums = WeightSums(order, ends)

    def area(weights: np.ndarray) -> np.ndarray:
        drawn = weights[rows]
        hits = np.cumsum(drawn, axis=0, dtype=_wide(weights))[positives - 1]
        precision = hits / np.maximum(sums(weights), 1)
        return share(np.einsum("pr,pr->r", drawn, precision), total(drawn))

    return area
