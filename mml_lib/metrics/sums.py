"""Sums of the weights of samples, for many resamples at once: counts, ranks and areas under curves.

Over one order of the samples, sorted once, sums of weights give all of them. They are those of the drawn samples, no
approximation. Weights are whole numbers: how often samples were drawn (uint8), by `whole_weights` where samples have
weights of their own (float64).
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from mml_lib.metrics.shares import share

K = TypeVar("K")

BLOCK = 16
"""Places of an order whose weights add up to less than 256."""

EXACT_BITS = 49
"""Binary digits of a sum of weights: those of a float64, less three for groups that are drawn often."""


def whole_weights(weights: np.ndarray) -> np.ndarray:
    """Return weights of samples as whole numbers in the same relation to each other, float64, N.

    Sums of whole numbers are exact, in whatever order they are added: what is nothing is 0, with no rounding left over.
    The least difference between weights is 2^-39 of the largest for a thousand samples, and 2^-29 for a million.

    Args:
        weights: of the samples, 0 or more and some of them more, N.
    """
    exponent = np.frexp(weights.max())[1] + np.frexp(len(weights))[1]
    return np.rint(np.ldexp(weights.astype(np.float64), EXACT_BITS - exponent))


def _wide(weights: np.ndarray) -> type[np.generic]:
    """Return the type that holds sums of all weights."""
    return np.float64 if weights.dtype.kind == "f" else np.int32


class WeightSums:
    """The weight of the samples before some places of an order, exact and all resamples at once.

    Within blocks of 16 places sums fit eight bits as weights do; only sums of blocks are added up in full width.

    Args:
        order: samples in their order, N.
        places: 0 to N, any shape.
    """

    def __init__(self, order: np.ndarray, places: np.ndarray):
        blocks = len(order) // BLOCK + 1
        padded = np.zeros(blocks * BLOCK, np.int32)  # what follows the last place is never asked for
        padded[: len(order)] = order
        self.rows = padded.reshape(blocks, BLOCK).T  # first the first place of each block
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
    """A statistic of weighted sums of features: those of all metrics are one matrix product.

    Args:
        features: N×F.
        finish: returns the statistic from the sums, R×F.
    """

    def __init__(self, features: np.ndarray, finish: Callable[[np.ndarray], Any]):
        self.features, self.finish = features.astype(np.float64), finish

    def __call__(self, weights: np.ndarray) -> Any:
        return self.finish(products(self.features, weights))


def joined(statistics: Mapping[K, Callable[[np.ndarray], Any]]) -> Callable[[np.ndarray], dict[K, Any]]:
    """Return a function that computes all statistics by their key from weights, N×R; sums of features at once."""
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
    """Return the weight of all samples of each resample, R: their number, where they have no weights of their own."""
    return weights.sum(axis=0, dtype=np.float64)


def class_weights(labels: np.ndarray, classes: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of the weight of each class, R×classes; labels from `classes` on are none."""
    order = np.argsort(labels, kind="stable")
    sums = WeightSums(order, np.searchsorted(labels[order], np.arange(classes + 1)))
    return lambda weights: np.diff(sums(weights), axis=0).T.astype(np.float64)


def ties(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where in a sorted array the values equal to each one begin and end, N each."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1, [len(ordered)]])
    sizes = np.diff(edges)
    return np.repeat(edges[:-1], sizes), np.repeat(edges[1:], sizes)


def roc_area(scores: np.ndarray, positive: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Area under the ROC curve, R: how many pairs of a positive and another are in order, ties counted half."""
    order = np.lexsort([~positive, scores])  # the positives first among equals
    first, last = positive_runs(scores[order], positive[order])
    tied = ties(scores[order])[1][last - 1]
    sums = WeightSums(order, np.stack([first, last, tied]))

    def area(weights: np.ndarray) -> np.ndarray:
        begin, end, end_ofties = sums(weights).astype(np.float64)
        # A positive is in order with what comes before its equals, and half with these: twice that, and less the pairs
        # of positives, which come to the square of their number.
        drawn = end - begin
        hits = drawn.sum(axis=0)
        pairs = np.einsum("pr,pr->r", drawn, begin + end_ofties) - hits**2
        return share(pairs, 2 * hits * (total(weights) - hits))

    return area


def positive_runs(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first place of each run of positives and the place after its last, of sorted scores.

    A run ends where other samples follow, and at the edges of equal scores that both kinds of samples have: within it
    all pairs with what lies before it are alike.
    """
    starts, ends = ties(scores)
    of_both = positive[starts] & ~positive[ends - 1]
    kind = np.where(positive, 1 + of_both * (1 + starts), 0)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(kind)) + 1, [len(kind)]])
    chosen = positive[edges[:-1]]
    return edges[:-1][chosen], edges[1:][chosen]


def of_rows(rows: np.ndarray, area: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of the weights of all samples, N×R, for one of the weights of some of them."""
    return lambda weights: area(weights[rows])


def precision_area(scores: np.ndarray, positive: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Area under the precision-recall curve by steps, R: the mean precision where positives are found."""
    order = np.argsort(-scores, kind="stable")
    chosen = positive[order]
    ends = ties(scores[order])[1][chosen]
    rows, positives = order[chosen], np.cumsum(chosen)[ends - 1]  # positives up to the end of a tie
    sums = WeightSums(order, ends)

    def area(weights: np.ndarray) -> np.ndarray:
        drawn = weights[rows]
        hits = np.cumsum(drawn, axis=0, dtype=_wide(weights))[positives - 1]
        precision = hits / np.maximum(sums(weights), 1)
        return share(np.einsum("pr,pr->r", drawn, precision), total(drawn))

    return area
