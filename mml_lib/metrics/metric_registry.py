"""Registry of named metrics: name, task type, direction, range and implementation of each, in one declaration."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from mml_lib.metrics.sums import joined

Values = dict[str, np.ndarray]
"""Values of metrics by name: one for each resample, R (float64)."""
Weighted = Callable[[np.ndarray], Any]
"""Computes a statistic of resamples from weights, N×R: whole numbers, uint8 or float64, see `mml_lib.metrics.sums`."""

Takes = Literal["labels", "probabilities", "values", "pixels", "masks"]
"""Inputs of a metric: predicted classes or labels, probabilities, values, pixel counts of images, or whole masks."""


@dataclass(frozen=True)
class Metric:
    """A named metric of a task type.

    Args:
        task_type: task type whose predictions it takes.
        name: name in studies and tables. `{}` stands for a whole number, as in `top{}_accuracy`.
        description: one line for users.
        takes: inputs of the metric.
        statistic: called with the arguments of the task type, N samples each, returns a function of weights, N×R.
            Metrics with the same statistic share its work.
        value: returns the metric of each resample, R, from what that function returns.
        lower_is_better: direction.
        bounds: least and largest value; None where there is no such value.
        scale: form of its interval, see `mml_lib.evaluation.intervals`.
        rare_classes_decide: the interval counts samples of rare classes only.
        deciding: of two classes, the samples that decide the metric: those of the second class, those of the first, or
            those that are predicted to be of the second. Empty: all of them.
        magnitude: a sum of magnitudes, which noise adds to.
        pooled: pixels of all images together: images weigh as much as they have pixels of a class.
        example: the number that lists show for `{}`.
    """

    task_type: str
    name: str
    description: str
    takes: Takes
    statistic: Callable[..., Weighted]
    value: Callable[[Any], np.ndarray] = field(default=lambda values: values)
    lower_is_better: bool = False
    bounds: tuple[float, float] | None = (0, 1)
    scale: Literal["bounded", "correlation", "error", "explained"] = "bounded"
    rare_classes_decide: bool = False
    deciding: Literal["", "positives", "negatives", "predicted"] = ""
    magnitude: bool = False
    pooled: bool = False
    example: int | None = None

    def with_number(self, number: int) -> "Metric":
        """Return the metric for a number in its name, which its statistic takes as the first argument."""
        return replace(
            self,
            name=self.name.format(number),
            description=self.description.format(number),
            statistic=partial(self.statistic, number),
            example=None,
        )

    def value_of(self, results: Any) -> np.ndarray:
        """Return the metric of each resample, R; rounding leads to no value beyond its bounds."""
        values = self.value(results)
        return values if self.bounds is None else np.clip(values, *self.bounds)

    @property
    def listed(self) -> "Metric":
        """The metric as lists show it."""
        return self if self.example is None else self.with_number(self.example)


_METRICS: dict[str, dict[str, Metric]] = {}


def register(metric: Metric) -> None:
    """Add a metric to the registry.

    Raises:
        ValueError: its task type has a metric of this name.
    """
    of_type = _METRICS.setdefault(metric.task_type, {})
    if metric.name in of_type:
        raise ValueError(f"there is a metric '{metric.name}' for a {metric.task_type} already")
    of_type[metric.name] = metric


def find_metric(task_type: str, name: str) -> Metric | None:
    """Return the metric of a task type by its name; None if there is none."""
    of_type = _METRICS.get(task_type, {})
    if name in of_type and of_type[name].example is None:
        return of_type[name]
    for metric in of_type.values():
        before, marker, after = metric.name.partition("{}")
        match = re.fullmatch(f"{re.escape(before)}([1-9][0-9]{{0,3}}){re.escape(after)}", name) if marker else None
        if match:
            return metric.with_number(int(match[1]))
    return None


def properties_of(name: str, task_type: str = "") -> Metric | None:
    """Return the metric of a name, None if there is none.

    Without a task type it is the first of this name: direction and scale agree between task types, bounds may not.
    """
    metrics = (find_metric(kind, name) for kind in ([task_type] if task_type else _METRICS))
    return next((metric for metric in metrics if metric is not None), None)


def named_metrics(task_type: str) -> tuple[str, ...]:
    """Return the names of a task type's metrics, in the order of the registry."""
    return tuple(metric.listed.name for metric in _METRICS.get(task_type, {}).values())


def metric_table() -> list[Metric]:
    """Return all metrics as lists show them, by task type."""
    return [metric.listed for of_type in _METRICS.values() for metric in of_type.values()]


def weighted(task_type: str, names: Sequence[str], arguments: Sequence[np.ndarray]) -> Callable[[np.ndarray], Values]:
    """Return a function that computes metrics from weights of the samples, N×R, as R values by name.

    Args:
        task_type: task type of the metrics.
        names: names of the metrics.
        arguments: what its metrics take, N samples each: probabilities (N×classes) and targets (N), probabilities and
            targets (N×labels), values and targets (N), or hits, targets and predictions of each class in pixels
            (images×classes), and the masks of each image (tuples of `MaskPair`, images) where a metric takes them.

    Raises:
        KeyError: a name that the task type does not have.
    """
    metrics = [find_metric(task_type, name) for name in names]
    if None in metrics:
        raise KeyError(names[metrics.index(None)])
    compute_statistics = joined({metric.statistic: metric.statistic(*arguments) for metric in metrics if metric})

    def compute(weights: np.ndarray) -> Values:
        results = compute_statistics(weights)
        return {metric.name: metric.value_of(results[metric.statistic]) for metric in metrics if metric}

    return compute
