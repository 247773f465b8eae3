"""Evaluation: the metrics of stored predictions, with their intervals."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from mml_lib.config.metric_options import PER_GROUP, Metric
from mml_lib.errors import MMLError
from mml_lib.evaluation.per_group import has_groups, resample_levels
from mml_lib.evaluation.procedures import Estimate, estimate
from mml_lib.evaluation.resampled import Groups, Resampled, undefined
from mml_lib.metrics.surfaces import MaskPair, single_masks
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions
from mml_lib.predictions.scores import image_counts, score_arguments, values_of

Interval = tuple[float, float]

NOT_FINITE = "outputs are not finite"
"""Reason why the predictions of a diverged network have no metrics."""


def evaluate(predictions: AnyPredictions, metrics: Sequence[str | Metric]) -> dict[str, float]:
    """Return the value of each metric, weighted by the weights of samples if they have some.

    Named metrics are NaN if outputs are not finite, as those of a diverged network. Only metrics that are given by
    `_target_` import torch.

    Raises:
        MMLError: every pixel is ignored.
    """
    named = [metric for metric in metrics if isinstance(metric, str)]
    torch_metrics = [metric for metric in metrics if not isinstance(metric, str)]
    arguments = _arguments(predictions)
    values = dict.fromkeys(named, math.nan)
    if arguments is not None:
        values = values_of(predictions.task_type, named, arguments, predictions.weights)
    return values | (_torch_values(predictions, torch_metrics) if torch_metrics else {})


def _arguments(predictions: AnyPredictions) -> tuple[np.ndarray, ...] | None:
    """Return the arguments of metrics for predictions; None if outputs are not finite."""
    if isinstance(predictions, MaskPredictions):
        return mask_arguments(predictions)
    if not np.isfinite(predictions.logits).all():
        return None
    return score_arguments(predictions.task_type, predictions.logits, predictions.targets)


def evaluate_resampled(
    predictions: AnyPredictions,
    metrics: Sequence[str | Metric],
    resamples: int,
    groups: Groups | None = None,
    per_group: str = "mean",
) -> Resampled:
    """Return the named metrics of predictions on resamples of their samples; with groups, also per group.

    Args:
        predictions: predictions of one network.
        metrics: metrics. Those given by `_target_` are left out.
        resamples: number of resamples, 0 or more.
        groups: group of each sample, by id.
        per_group: how the samples of a group are merged.

    Raises:
        MMLError: every pixel is ignored.
    """
    named = [metric for metric in metrics if isinstance(metric, str)]
    arguments = _arguments(predictions)
    if arguments is None:
        names = [*named, *(metric + PER_GROUP for metric in named if has_groups(groups))]
        return undefined(names, predictions.ids, resamples, NOT_FINITE)
    kind, ids, weights = predictions.task_type, predictions.ids, predictions.weights
    return resample_levels(kind, named, arguments, ids, resamples, groups, per_group, weights=weights)


def network_estimates(resampled: Resampled) -> dict[str, Estimate]:
    """Return the estimate of each metric of one network: its 95 % interval on new samples, or a reason without one."""
    return {metric: estimate({"": {0: resampled}}, metric) for metric in resampled.metrics}


def network_intervals(resampled: Resampled) -> dict[str, Interval]:
    """Return the 95 % interval of each metric of one network on new samples; empty without resamples."""
    if not resampled.draws.shape[1]:
        return {}
    return {metric: (estimate.low, estimate.high) for metric, estimate in network_estimates(resampled).items()}


def mask_arguments(predictions: MaskPredictions) -> tuple[np.ndarray, ...]:
    """Return the arguments of metrics of a segmentation.

    Returns:
        Hits, targets and predictions of each class in pixels, images×classes each, and the masks of each image (a tuple
        of a `MaskPair`, images).

    Raises:
        MMLError: every pixel is ignored.
    """
    pixels = image_counts(predictions.images(), predictions.classes)
    if not pixels.targets.any():
        raise MMLError("every pixel of these masks is ignored (255), so metrics are undefined; check the masks")
    return *pixels, single_masks([MaskPair(*masks) for masks in predictions.images()])


def _torch_values(predictions: AnyPredictions, metrics: Sequence[Metric]) -> dict[str, float]:
    import torch

    from mml_lib.models.metric_modules import build_metrics, measured, value_of

    pairs: Iterable[Iterable[torch.Tensor]]
    if isinstance(predictions, MaskPredictions):
        outputs = predictions.classes
        pairs = ((torch.from_numpy(mask[None]).long() for mask in image) for image in predictions.images())
    else:
        outputs = predictions.logits.shape[1]
        pairs = [measured(predictions.task_type, *map(torch.from_numpy, (predictions.logits, predictions.targets)))]
    built = build_metrics(metrics, predictions.task_type, outputs)
    for prediction, target in pairs:
        for metric in built.values():
            metric.update(prediction, target)
    return {name: float(value_of(name, metric)) for name, metric in built.items()}


def finite_or_none(value: float) -> float | None:
    """Return a finite number, or None, because JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else None
