"""Intrinsic dimension: estimates of the number of directions in which samples vary near each other.

- Levina and Bickel (2004): the inverse of the mean of log(T_k / T_j) over the neighbours j < k of a sample, averaged
  over samples.
- MacKay and Ghahramani (2005): the same with inverses averaged, which is the maximum likelihood for all samples.
- TwoNN (Facco et al. 2017): by the ratio of the distances to the second and the first neighbour alone.

All are means over disjoint random subsets, as in Pope et al. (2021).
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

from mml_lib.errors import MMLError

DISCARDED = 0.1
"""Share of the largest ratios that TwoNN leaves out, as its authors do."""


class Dimension(NamedTuple):
    """Estimates of the intrinsic dimension; NaN where samples define none."""

    levina_bickel: float
    mackay_ghahramani: float
    two_nn: float


class Rows(Protocol):
    """Samples, N×D: an array, or what reads rows when they are needed."""

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
        values: samples, N×D.
        neighbours: number of neighbours, k, for both maximum likelihoods.
        subset: samples of a subset; fewer samples are one subset.
        subsets: most subsets.
        where: the task, for errors.
        seed: seed of the subsets.

    Raises:
        MMLError: samples are too few, or do not differ.
    """
    check_number(len(values), neighbours, subset, where)
    order = np.random.default_rng(seed).permutation(len(values))
    starts = range(0, max(len(order) - subset, 0) + 1, subset)[:subsets]
    parts = [np.sort(order[start : start + subset]) for start in starts]
    estimates = np.array([of_distances(_distances(values[part], neighbours)) for part in parts])
    if np.isnan(estimates).all():
        raise MMLError(f"{where}: all samples are alike, so they have no intrinsic dimension; take other features")
    return Dimension(*np.nanmean(estimates, axis=0).tolist())


def check_number(samples: int, neighbours: int, subset: int, where: str) -> None:
    """Refuse samples that have too few neighbours.

    Raises:
        MMLError: they have.
    """
    if min(samples, subset) <= neighbours:
        raise MMLError(
            f"{where}: {min(samples, subset)} samples have no {neighbours} neighbours, which the intrinsic dimension "
            "needs; lower dimension.neighbours"
        )


def _distances(values: np.ndarray, neighbours: int) -> np.ndarray:
    """Return the distances to the nearest neighbours of each sample, the nearest first, N×k.

    They are computed from differences: by products, as the search does, copies are not exactly at distance 0.
    """
    from sklearn.neighbors import NearestNeighbors

    values = values.astype(np.float64)
    nearest = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(values).kneighbors(return_distance=False)
    distances = [np.linalg.norm(values[rows] - sample, axis=1) for sample, rows in zip(values, nearest, strict=True)]
    return np.sort(distances, axis=1)


def of_distances(distances: np.ndarray) -> Dimension:
    """Return the estimates from distances to nearest neighbours, N×k, the nearest first.

    Samples with copies of themselves are left out.
    """
    distances = distances[distances[:, 0] > 0]
    if not len(distances):
        return Dimension(np.nan, np.nan, np.nan)
    # Without bias: k - 2 in place of k - 1 (Levina and Bickel, section 3.1).
    inverse = np.log(distances[:, -1:] / distances[:, :-1]).sum(axis=1) / (distances.shape[1] - 2)
    spread = inverse[inverse > 0]
    if not len(spread):
        return Dimension(np.nan, np.nan, np.nan)
    pooled = np.log(distances[:, -1:] / distances[:, :-1]).mean()
    return Dimension(float((1 / spread).mean()), float(1 / pooled), _two_nn(distances))


def _two_nn(distances: np.ndarray) -> float:
    """Return the slope of -log(1 - F) over log(ratio) through the origin."""
    ratio = np.sort(np.log(distances[:, 1] / distances[:, 0]))
    kept = ratio[: int(len(ratio) * (1 - DISCARDED))]
    share = -np.log1p(-np.arange(1, len(kept) + 1) / len(ratio))
    return float((kept @ share) / (kept @ kept)) if kept.any() else float("nan")


def as_columns(dimension: Dimension) -> Mapping[str, float]:
    """Return the estimates as columns of a table."""
    return {
        "dimension": dimension.mackay_ghahramani,
        "dimension_levina_bickel": dimension.levina_bickel,
        "dimension_two_nn": dimension.two_nn,
    }
