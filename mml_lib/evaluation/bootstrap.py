"""Bootstrap of the named metrics: their values on resamples of the test samples (Efron 1979).

A resample draws as many samples as there are, with replacement, of a segmentation whole images; where samples have
groups (the images of a patient), it draws as many whole groups. It is held as a weight of each sample, how often it was
drawn, and every metric is worked out from weighted sums for many resamples at once: over one order of the samples,
sorted once, sums of weights give counts, ranks and areas. This is the metric of the drawn samples, no approximation.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from mml_lib.metrics import Values, weighted
from mml_lib.metrics.sums import whole_weights

CHUNK = 2**20  # weights that are worked on at once: they and their sums stay in a processor's cache
LEAST = 16  # resamples at once, also where these are more weights: one by one they take more than twice as long
ROUNDING = 1e-9  # by which equal values, or differences of them, may differ


def resampled(
    task_type: str,
    names: Sequence[str],
    arguments: Sequence[np.ndarray],
    resamples: int,
    seed: int = 0,
    groups: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Values:
    """Return the value of each metric on each resample, R; the same seed gives the same resamples.

    A resample that leaves a metric undefined (no sample of a class) gives NaN.

    Args:
        task_type: task type of the predictions.
        names: metrics of this type.
        arguments: what its metrics take, as `mml_lib.metrics.weighted` says, N samples each.
        resamples: R.
        seed: seed of the draws.
        groups: number of the group of each sample, N, from 0 on without gaps; None: each sample is its own.
        weights: of the samples, N: one that is drawn twice counts twice its weight; None: all count alike.
    """
    metrics = weighted(task_type, names, arguments)
    own = None if weights is None else whole_weights(weights)[:, None]
    drawn = draw(len(arguments[0]) if groups is None else groups, resamples, seed)
    chunks = [metrics(times if own is None else times * own) for times in drawn]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in names}


def draw(groups: int | np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each sample was drawn, N×R, in chunks of resamples that do not depend on their size.

    Eight bits do: that one of more than 255 samples is drawn more often has a probability below 1e-400.

    Args:
        groups: number of samples, or the number of the group of each, N.
        resamples: R.
        seed: seed of the draws.
    """
    rng = np.random.default_rng(seed)
    samples = groups if isinstance(groups, int) else len(groups)
    number = groups if isinstance(groups, int) else int(groups.max()) + 1
    size = max(LEAST, CHUNK // samples)
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = rng.integers(0, number, (rows, number)) + number * np.arange(rows)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=rows * number).astype(np.uint8).reshape(rows, number)
        yield np.ascontiguousarray(weights.T) if isinstance(groups, int) else weights.T[groups]


def has_spread(values: np.ndarray) -> bool:
    """Return whether values differ by more than rounding."""
    return bool(np.ptp(values) > ROUNDING * np.abs(values).max())
