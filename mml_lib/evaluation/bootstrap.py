"""Bootstrap of the named metrics: their values on resamples of the test samples (Efron 1979).

A resample draws N of N samples with replacement. Samples of a segmentation are whole images. If samples have groups
(the images of a patient), G of G groups are drawn instead, each with all of its samples. A resample is stored as
weights: how often it contains each sample. Metrics are computed from weighted sums for many resamples at once: the
samples are sorted once, and cumulative sums of weights give counts, ranks and areas. The result is exactly the metric
of the drawn samples.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from mml_lib.metrics import Values, weighted
from mml_lib.metrics.sums import whole_weights

CHUNK = 2**20  # weights in one computation, which fit into the cache of a processor with their sums
LEAST = 16  # least number of resamples in one computation: single ones take more than twice as long
ROUNDING = 1e-9  # relative difference of values that are equal except for rounding


def resampled(
    task_type: str,
    names: Sequence[str],
    arguments: Sequence[np.ndarray],
    resamples: int,
    seed: int = 0,
    groups: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Values:
    """Return the value of each metric on each resample, R (float64). The same seed gives the same resamples.

    A metric is NaN for a resample that does not define it, for example one without any sample of a class.

    Args:
        task_type: task type of the predictions.
        names: metrics of this type.
        arguments: arguments of the metrics, as `mml_lib.metrics.weighted` describes them, N samples each.
        resamples: R.
        seed: seed of the draws.
        groups: index of the group of each sample, N, from 0 without gaps; None: each sample is a group.
        weights: weights of the samples, N, multiplied by how often a sample is drawn; None: equal weights.
    """
    metrics = weighted(task_type, names, arguments)
    sample_weights = None if weights is None else whole_weights(weights)[:, None]
    counts = draw(len(arguments[0]) if groups is None else groups, resamples, seed)
    chunks = [metrics(count if sample_weights is None else count * sample_weights) for count in counts]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in names}


def draw(groups: int | np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each sample is drawn, N×R (uint8), in chunks of resamples. The draws do not depend on the chunks.

    Eight bits suffice: the probability that a sample is drawn more than 255 times is below 1e-400.

    Args:
        groups: number of samples, or the index of the group of each sample, N.
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
    """Return True if values differ by more than rounding."""
    return bool(np.ptp(values) > ROUNDING * np.abs(values).max())
