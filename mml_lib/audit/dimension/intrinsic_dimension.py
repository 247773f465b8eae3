"""Intrinsic dimension: estimates of the number of directions in which samples vary locally.

- Levina and Bickel (2004): inverse of the mean of log(T_k / T_j) over the neighbours j < k of a sample, averaged over
  samples.
- MacKay and Ghahramani (2005): the same with averaged inverses, the maximum likelihood for all samples.
- TwoNN (Facco et al. 2017): from the ratio of the distances to the second and the first neighbour.

All are means over disjoint random subsets (Pope et al. 2021).
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

from mml_lib.errors import MMLError

DISCARDED = 0.1
"""Share of the largest ratios that TwoNN discards, as in its publication."""


class Dimension(NamedTuple):
    """Estimates of the intrinsic dimension; NaN if the samples define none."""

    levina_bickel: float
    mackay_ghahramani: float
    two_nn: float


class Rows(Protocol):
    """Samples, N×D: an array, or an object that reads rows on demand."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray: ...


def estimate_dimension(
    values: Rows,
    neighbours: int = 25,
    subset: int = 1000,
    subsets: int = 10,
    where: str = "the samples",
    seed: int = 0,
) -> Dimension:
    """Return the mean estimates over subsets.

    Args:
        values: samples (N×D).
        neighbours: number of neighbours, k, of both maximum-likelihood estimates.
        subset: number of samples in a subset. If there are fewer samples, they are one subset.
        subsets: largest number of subsets.
        where: task, for errors.
        seed: seed of the subsets.

    Raises:
        MMLError: there are too few samples, or all are equal.
    """
    check_number(len(values), neighbours, subset, where)
    order = np.random.default_rng(seed).permutation(len(values))
    starts = range(0, max(len(order) - subset, 0) + 1, subset)[:subsets]
    parts = [np.sort(order[start : start + subset]) for start in starts]
    estimates = np.array([of_distances(_distances(values[part], neighbours)) for part in parts])
    if np.isnan(estimates).all():
        raise MMLError(f"{where}: all samples are equal, so they have no intrinsic dimension; use other features")
    return Dimension(*np.nanmean(estimates, axis=0).tolist())


def check_number(samples: int, neighbours: int, subset: int, where: str) -> None:
    """Refuse too few samples for a number of neighbours.

    Raises:
        MMLError: there are too few.
    """
    if min(samples, subset) <= neighbours:
        raise MMLError(
            f"{where}: {min(samples, subset)} samples have no {neighbours} neighbours, which the intrinsic dimension "
            "needs; lower dimension.neighbours"
        )


def _distances(values: np.ndarray, neighbours: int) -> np.ndarray:
    """Return the distances to the nearest neighbours of each sample, the nearest first, N×k.

    They are computed from differences. With products, as in the search, copies would not have the distance 0 exactly.
    """
    from sklearn.neighbors import NearestNeighbors

    values = values.astype(np.float64)
    nearest = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(values).kneighbors(return_distance=False)
    distances = [np.linalg.norm(values[rows] - sample, axis=1) for sample, rows in zip(values, nearest, strict=True)]
    return np.sort(distances, axis=1)


def of_distances(distances: np.ndarray) -> Dimension:
    """Return the estimates from distances to nearest neighbours, N×k, the nearest first.

    Samples with copies are ignored.
    """
    distances = distances[distances[:, 0] > 0]
    if not len(distances):
        return Dimension(np.nan, np.nan, np.nan)
    # k - 2 instead of k - 1 makes the estimate unbiased (Levina and Bickel, section 3.1).
    inverse = np.log(distances[:, -1:] / distances[:, :-1]).sum(axis=1) / (distances.shape[1] - 2)
    spread = inverse[inverse > 0]
    if not len(spread):
        return Dimension(np.nan, np.nan, np.nan)
    pooled = np.log(distances[:, -1:] / distances[:, :-1]).mean()
    return Dimension(float((1 / spread).mean()), float(1 / pooled), _two_nn(distances))


def _two_nn(distances: np.ndarray) -> float:
    """Return the slope of -log(1 - F) over log(ratio) through the origin."""
    ratio = np.sort(np.log(distances[:, 1] / distances[:, 0]))
    smaller = ratio[: int(len(ratio) * (1 - DISCARDED))]
    share = -np.log1p(-np.arange(1, len(smaller) + 1) / len(ratio))
    return float((smaller @ share) / (smaller @ smaller)) if smaller.any() else float("nan")


def as_columns(dimension: Dimension) -> Mapping[str, float]:
    """Return the estimates as columns of a table."""
    return {
        "dimension": dimension.mackay_ghahramani,
        "dimension_levina_bickel": dimension.levina_bickel,
        "dimension_two_nn": dimension.two_nn,
    }
