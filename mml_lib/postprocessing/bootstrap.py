"""Bootstrap of the named metrics: their values on resamples of the test samples (Efron 1979).

A resample draws as many samples as there are, with replacement, of a segmentation whole images; where samples have
groups (the images of a patient), it draws as many whole groups. It is held as a weight of each sample, how often it was
drawn, and every metric is worked out from weighted sums for many resamples at once: over one order of the samples,
sorted once, sums of weights give counts, ranks and areas. This is the metric of the drawn samples, no approximation.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mml_lib.postprocessing.scores import (
    BINS,
    SCORES,
    agreement,
    brier_losses,
    calibration_gaps,
    label_calibration_gaps,
    log_losses,
    mean_dice,
    mean_iou,
    mean_of_known,
    mean_recall,
    share,
    share_of_hits,
)

CHUNK = 2**20  # weights that are worked on at once: they and their sums stay in a processor's cache
LEAST = 16  # resamples at once, also where these are more weights: one by one they take more than twice as long
ROUNDING = 1e-9  # by which equal values, or differences of them, may differ
BLOCK = 16  # places of an order whose weights add up to less than 256

Values = dict[str, np.ndarray]
Weighted = Callable[[np.ndarray], Values]
"""Gives metrics by name, one value a resample (R), for weights, N×R."""


def resampled(
    task_type: str,
    names: Sequence[str],
    arguments: Sequence[np.ndarray],
    resamples: int,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> Values:
    """Return the value of each metric on each resample, R; the same seed gives the same resamples.

    A resample that leaves a metric undefined (no sample of a class) gives NaN.

    Args:
        task_type: what was learned.
        names: metrics of this type.
        arguments: what the scores of the type take, N samples each; of a segmentation hits, targets and predictions of
            each class, images×classes, which `mml_lib.postprocessing.scores.counts` gives for each image.
        resamples: R.
        seed: of the draws.
        groups: number of the group of each sample, N, from 0 on without gaps; None: each sample is its own.
    """
    weighted = [build(*arguments) for provided, build in WEIGHTED[task_type].items() if set(provided) & set(names)]
    chunks: list[Values] = []
    for weights in draw(len(arguments[0]) if groups is None else groups, resamples, seed):
        chunk: Values = {}
        for metrics in weighted:
            chunk |= metrics(weights)
        chunks.append(chunk)
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in names}


def draw(groups: int | np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each sample was drawn, N×R, in chunks of resamples that do not depend on their size.

    Eight bits do: that one of more than 255 samples is drawn more often has a probability below 1e-400.

    Args:
        groups: number of samples, or the number of the group of each, N.
        resamples: R.
        seed: of the draws.
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


# --- sums of weights ----------------------------------------------------------------------------------------------


class _Sums:
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
        before = np.zeros(drawn.shape[1:], np.int32)
        np.cumsum((sums[-1] + drawn[-1])[:-1], axis=0, dtype=np.int32, out=before[1:])
        return before.take(self.block, axis=0) + sums.reshape(-1, weights.shape[1]).take(self.within, axis=0)


def _products(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted sum of each of the features, N×F, as R×F."""
    return weights.T.astype(np.float64) @ features


def _total(weights: np.ndarray) -> np.ndarray:
    """Return the number of samples of each resample, R: as many as there are, unless groups differ in size."""
    return weights.sum(axis=0, dtype=np.int64).astype(np.float64)


def _by_class(labels: np.ndarray, classes: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return what gives the weight of each class, R×classes; labels from `classes` on are none."""
    order = np.argsort(labels, kind="stable")
    sums = _Sums(order, np.searchsorted(labels[order], np.arange(classes + 1)))
    return lambda weights: np.diff(sums(weights), axis=0).T.astype(np.float64)


def _ties(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where in a sorted array the values equal to each one begin and end, N each."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1, [len(ordered)]])
    sizes = np.diff(edges)
    return np.repeat(edges[:-1], sizes), np.repeat(edges[1:], sizes)


def _area(scores: np.ndarray, positive: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Area under the ROC curve, R: how many pairs of a positive and another are in order, ties counted half."""
    order = np.lexsort([~positive, scores])  # the positives first among equals
    first, last = _runs(scores[order], positive[order])
    tied = _ties(scores[order])[1][last - 1]
    sums = _Sums(order, np.stack([first, last, tied]))

    def area(weights: np.ndarray) -> np.ndarray:
        begin, end, end_of_ties = sums(weights).astype(np.float64)
        # A positive is in order with what comes before its equals, and half with these: twice that, and less the pairs
        # of positives, which come to the square of their number.
        drawn = end - begin
        hits = drawn.sum(axis=0)
        pairs = np.einsum("pr,pr->r", drawn, begin + end_of_ties) - hits**2
        return share(pairs, 2 * hits * (_total(weights) - hits))

    return area


def _runs(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first place of each run of positives and the place after its last, of sorted scores.

    A run ends where other samples follow, and at the edges of equal scores that both kinds of samples have: within it
    all pairs with what lies before it are alike.
    """
    starts, ends = _ties(scores)
    of_both = positive[starts] & ~positive[ends - 1]
    kind = np.where(positive, 1 + of_both * (1 + starts), 0)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(kind)) + 1, [len(kind)]])
    chosen = positive[edges[:-1]]
    return edges[:-1][chosen], edges[1:][chosen]


def _precision(scores: np.ndarray, positive: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Area under the precision-recall curve by steps, R: the mean precision where positives are found."""
    order = np.argsort(-scores, kind="stable")
    chosen = positive[order]
    ends = _ties(scores[order])[1][chosen]
    rows, found = order[chosen], np.cumsum(chosen)[ends - 1]  # found: positives up to the end of a tie
    sums = _Sums(order, ends)

    def area(weights: np.ndarray) -> np.ndarray:
        drawn = weights[rows]
        hits = np.cumsum(drawn, axis=0, dtype=np.int32)[found - 1]
        precision = hits / np.maximum(sums(weights), 1)
        return share(np.einsum("pr,pr->r", drawn, precision), drawn.sum(axis=0, dtype=np.int64))

    return area


# --- metrics ------------------------------------------------------------------------------------------------------


def _of_classes(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    classes, predicted = probabilities.shape[1], probabilities.argmax(axis=1)
    hit = np.where(predicted == targets, targets, classes)
    counted = [_by_class(labels, classes) for labels in (hit, targets, predicted)]

    def values(weights: np.ndarray) -> Values:
        counts = [count(weights) for count in counted]
        return {
            "accuracy": share_of_hits(*counts),
            "balanced_accuracy": mean_recall(*counts),
            "f1": mean_dice(*counts),
            "kappa": agreement(*counts),
        }

    return values


def _auroc(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    return _mean_over("auroc", _area, probabilities, targets[:, None] == np.arange(probabilities.shape[1]))


def _mean_over(name: str, build: Callable, probabilities: np.ndarray, positive: np.ndarray) -> Weighted:
    """Return the mean of a curve's area over the columns, classes or labels, that define one."""
    areas = [build(*column) for column in zip(probabilities.T, positive.T, strict=True)]
    return lambda weights: {name: mean_of_known(np.stack([area(weights) for area in areas], axis=-1))}


def _calibration_error(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    gaps, number = calibration_gaps(probabilities, targets)
    in_bin = [np.flatnonzero(number == index) for index in range(BINS)]

    def values(weights: np.ndarray) -> Values:
        sums = [np.abs(_products(gaps[rows], weights[rows])) for rows in in_bin]
        return {"calibration_error": sum(sums) / _total(weights)}

    return values


def _label_calibration_error(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    gaps, number = label_calibration_gaps(probabilities, targets)
    samples = np.arange(len(gaps))

    def values(weights: np.ndarray) -> Values:
        drawn, sums = weights.T.astype(np.float64), np.zeros(weights.shape[1])
        for label in range(gaps.shape[1]):
            in_bins = np.zeros((len(gaps), BINS))  # of one label at a time: of all they would be large
            in_bins[samples, number[:, label]] = gaps[:, label]
            sums += np.abs(drawn @ in_bins).sum(axis=1)
        return {"calibration_error": sums / (_total(weights) * gaps.shape[1])}

    return values


def _losses(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    features = np.column_stack([brier_losses(probabilities, targets), log_losses(probabilities, targets)])

    def values(weights: np.ndarray) -> Values:
        return dict(zip(("brier", "log_loss"), _products(features, weights).T / _total(weights), strict=True))

    return values


def _of_labels(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    predicted = probabilities > 0.5
    right = predicted == targets
    features = np.column_stack([right.sum(axis=1), right.all(axis=1)]).astype(np.float64)
    hits, support = (predicted & targets).astype(np.float64), predicted.astype(np.float64) + targets

    def values(weights: np.ndarray) -> Values:
        labels, exact = _products(features, weights).T
        f1 = 2 * _products(hits, weights) / np.maximum(_products(support, weights), 1)
        return {
            "accuracy": labels / (_total(weights) * right.shape[1]),
            "exact_match": exact / _total(weights),
            "f1": f1.mean(axis=1),
        }

    return values


def _label_auroc(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    return _mean_over("auroc", _area, probabilities, targets)


def _average_precision(probabilities: np.ndarray, targets: np.ndarray) -> Weighted:
    return _mean_over("average_precision", _precision, probabilities, targets)


def _of_moments(values: np.ndarray, targets: np.ndarray) -> Weighted:
    errors, v, t = values - targets, values - values.mean(), targets - targets.mean()
    features = np.column_stack([np.abs(errors), errors**2, v, t, v * v, t * t, v * t])

    def metrics(weights: np.ndarray) -> Values:
        mae, mse, mean_v, mean_t, vv, tt, vt = _products(features, weights).T / _total(weights)
        var_v, var_t = vv - mean_v**2, tt - mean_t**2
        with np.errstate(divide="ignore", invalid="ignore"):
            found = {
                "mae": mae,
                "rmse": np.sqrt(mse),
                "r2": 1 - mse / var_t,
                "pearson": (vt - mean_v * mean_t) / np.sqrt(var_v * var_t),
            }
        # Next to the mean of all samples hardly any variance is left, perhaps none: take the drawn values themselves.
        for resample in np.flatnonzero((var_v <= 1e-6 * vv) | (var_t <= 1e-6 * tt)):
            rows = np.repeat(np.arange(len(errors)), weights[:, resample])
            for name in ("r2", "pearson"):
                found[name][resample] = SCORES["regression"][name](values[rows], targets[rows])
        return found

    return metrics


def _spearman(values: np.ndarray, targets: np.ndarray) -> Weighted:
    ranked = []
    for side in (values, targets):
        order = np.argsort(side, kind="stable")
        places = np.empty((2, len(side)), np.intp)
        places[:, order] = _ties(side[order])
        ranked.append(_Sums(order, places))

    def metrics(weights: np.ndarray) -> Values:
        # Twice a rank less the mean of ranks is the weight before the equals of a value and up to their end, less N.
        first, second = (sums(weights).sum(axis=0, dtype=np.float64) - _total(weights) for sums in ranked)
        covariance, *variances = (
            np.einsum("nr,nr,nr->r", weights, *pair) for pair in ((first, second), (first, first), (second, second))
        )
        return {"spearman": share(covariance, np.sqrt(variances[0]) * np.sqrt(variances[1]))}

    return metrics


def _of_images(hits: np.ndarray, targets: np.ndarray, predicted: np.ndarray) -> Weighted:
    def values(weights: np.ndarray) -> Values:
        counts = [_products(each.astype(np.float64), weights) for each in (hits, targets, predicted)]
        return {"dice": mean_dice(*counts), "iou": mean_iou(*counts), "pixel_accuracy": share_of_hits(*counts)}

    return values


WEIGHTED: dict[str, dict[tuple[str, ...], Callable[..., Weighted]]] = {
    "classification": {
        ("accuracy", "balanced_accuracy", "f1", "kappa"): _of_classes,
        ("auroc",): _auroc,
        ("calibration_error",): _calibration_error,
        ("brier", "log_loss"): _losses,
    },
    "multilabel_classification": {
        ("accuracy", "exact_match", "f1"): _of_labels,
        ("auroc",): _label_auroc,
        ("average_precision",): _average_precision,
        ("calibration_error",): _label_calibration_error,
        ("brier", "log_loss"): _losses,
    },
    "regression": {("mae", "rmse", "r2", "pearson"): _of_moments, ("spearman",): _spearman},
    "semantic_segmentation": {("dice", "iou", "pixel_accuracy"): _of_images},
}
"""What gives the metrics of each task type, by the names that it gives."""
