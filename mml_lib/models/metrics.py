"""Metrics of a training: torchmetrics, by name or by `_target_`."""

import inspect
from collections.abc import Sequence
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torchmetrics)
from mml_lib.config.metrics import NAMED
from mml_lib.config.schema import Metric
from mml_lib.config.targets import import_target, instantiate


def build_metrics(metrics: Sequence[str | Metric], num_classes: int) -> dict[str, Any]:
    """Return torchmetrics by name.

    Raises:
        MMLError: a `_target_` that cannot be imported or refuses its arguments.
    """
    return dict(_build(metric, num_classes) for metric in metrics)


def _build(metric: str | Metric, num_classes: int) -> tuple[str, Any]:
    if isinstance(metric, str):
        name, spec = metric, NAMED[metric]
    else:
        name, spec = metric.name, metric.spec()
    target = import_target(spec["_target_"])
    if "num_classes" in inspect.signature(target).parameters:
        spec = {"num_classes": num_classes, **spec}
    return name, instantiate(spec)
