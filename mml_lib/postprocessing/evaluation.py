"""Evaluation: the metrics of stored predictions."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mml_lib.config.schema import Metric
from mml_lib.files.atomic import write_text
from mml_lib.postprocessing.predictions import Predictions
from mml_lib.postprocessing.scores import SCORES, softmax
from mml_lib.tasks.dataset import read_json

FORMAT = 1


def evaluate(predictions: Predictions, metrics: Sequence[str | Metric]) -> dict[str, float]:
    """Return the value of each metric; only metrics given by `_target_` import torch."""
    probabilities = softmax(predictions.logits)
    values = {name: SCORES[name](probabilities, predictions.targets) for name in metrics if isinstance(name, str)}
    own = [metric for metric in metrics if not isinstance(metric, str)]
    return values | (_torch_values(predictions, own) if own else {})


def _torch_values(predictions: Predictions, metrics: Sequence[Metric]) -> dict[str, float]:
    import torch

    from mml_lib.models.metrics import build_metrics

    logits, targets = torch.from_numpy(predictions.logits), torch.from_numpy(predictions.targets)
    built = build_metrics(metrics, logits.shape[1])
    return {name: float(metric(logits, targets)) for name, metric in built.items()}


def write_metrics(path: str | Path, values: dict[str, float], **about: Any) -> None:
    """Write the metrics of one run, fold and split."""
    write_text(path, json.dumps({"format": FORMAT, **about, "metrics": values}, indent=2) + "\n")


def read_metrics(path: str | Path) -> dict[str, Any]:
    """Read what `write_metrics` wrote.

    Raises:
        MMLError: the file is missing, damaged, or of a newer format.
    """
    return read_json(Path(path), FORMAT)
