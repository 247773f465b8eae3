"""Evaluation: the metrics of stored predictions."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.config.schema import Metric
from mml_lib.config.task_types import IGNORE
from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text
from mml_lib.postprocessing.predictions import MaskPredictions, Predictions
from mml_lib.postprocessing.scores import SCORES, score_arguments
from mml_lib.tasks.dataset import read_json

FORMAT = 1


def evaluate(predictions: Predictions | MaskPredictions, metrics: Sequence[str | Metric]) -> dict[str, float]:
    """Return the value of each metric; only metrics given by `_target_` import torch.

    Raises:
        MMLError: every pixel is ignored.
    """
    scores = SCORES[predictions.task_type]
    arguments = _arguments(predictions)
    values = {name: scores[name](*arguments) for name in metrics if isinstance(name, str)}
    own = [metric for metric in metrics if not isinstance(metric, str)]
    return values | (_torch_values(predictions, own) if own else {})


def _arguments(predictions: Predictions | MaskPredictions) -> tuple[np.ndarray, ...]:
    """Return what the scores of a task type take."""
    if not isinstance(predictions, MaskPredictions):
        return score_arguments(predictions.task_type, predictions.logits, predictions.targets)
    classes = predictions.classes
    matrix = np.zeros((classes, classes), dtype=np.int64)
    for mask, target in predictions.images():
        counted = target != IGNORE
        pairs = target[counted].astype(np.int64) * classes + mask[counted]
        matrix += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    if not matrix.any():
        raise MMLError("every pixel of these masks is ignored (255), so there is nothing to measure")
    return (matrix,)


def _torch_values(predictions: Predictions | MaskPredictions, metrics: Sequence[Metric]) -> dict[str, float]:
    import torch

    from mml_lib.models.metrics import build_metrics, measured, value_of

    if isinstance(predictions, MaskPredictions):
        outputs = predictions.classes
        pairs = ((torch.from_numpy(each[None]).long() for each in image) for image in predictions.images())
    else:
        outputs = predictions.logits.shape[1]
        pairs = [measured(predictions.task_type, *map(torch.from_numpy, (predictions.logits, predictions.targets)))]
    built = build_metrics(metrics, predictions.task_type, outputs)
    for prediction, target in pairs:
        for metric in built.values():
            metric.update(prediction, target)
    return {name: float(value_of(name, metric)) for name, metric in built.items()}


def write_metrics(path: str | Path, values: dict[str, float], **about: Any) -> None:
    """Write the metrics of one run, fold and split; null stands for NaN, which JSON does not have."""
    known = {name: value if math.isfinite(value) else None for name, value in values.items()}
    write_text(path, json.dumps({"format": FORMAT, **about, "metrics": known}, indent=2) + "\n")


def read_metrics(path: str | Path) -> dict[str, Any]:
    """Read what `write_metrics` wrote.

    Raises:
        MMLError: the file is missing, damaged, or of a newer format.
    """
    content = read_json(Path(path), FORMAT)
    metrics = {name: math.nan if value is None else value for name, value in content["metrics"].items()}
    return content | {"metrics": metrics}
