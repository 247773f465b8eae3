"""Registry of named metrics: name, task type, direction, range and implementation of each, in one declaration."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from mml_lib.metrics.sums import joined

Values = dict[str, np.ndarray]
"""Values of metrics by name, one for each resample (float64, R)."""
Weighted = Callable[[np.ndarray], Any]
"""Function from weights, N×R, to a statistic of R resamples. Weights are whole numbers (see `mml_lib.metrics.sums`)."""

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
        statistic: function from the arguments of the task type, N samples each, to a function of weights, N×R.
            Metrics with the same statistic share its computation.
        value: function from the result of that function to the metric of each resample, R.
        lower_is_better: True if smaller values are better.
        bounds: smallest and largest value; None without such values.
        scale: form of its interval, see `mml_lib.evaluation.intervals`.
        rare_classes_decide: True if samples of rare classes determine the width of its interval.
        deciding: samples that determine the metric of two classes: those of the second class (`positives`), of the
            first (`negatives`), or those predicted as the second (`predicted`). Empty: all samples.
        magnitude: True for a sum of magnitudes, which noise increases.
        pooled: True for pixels of all images together, so that images count by their pixels of a class.
        example: number in place of `{}` in lists.
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
        """Return the metric for a number in its name. The number is the first argument of its statistic."""
        return replace(
            self,
            name=self.name.format(number),
            description=self.description.format(number),
            statistic=partial(self.statistic, number),
            example=None,
        )

    def value_of(self, results: Any) -> np.ndarray:
        """Return the metric of each resample, R. Values beyond the bounds, by rounding, are clipped."""
        values = self.value(results)
        return values if self.bounds is None else np.clip(values, *self.bounds)

    @property
    def listed(self) -> "Metric":
        """The metric with its example number, for lists."""
        return self if self.example is None else self.with_number(self.example)


_METRICS: dict[str, dict[str, Metric]] = {}


def register(metric: Metric) -> None:
    """Add a metric to the registry.

    Raises:
        ValueError: its task type already has a metric of this name.
    """
    task_metrics = _METRICS.setdefault(metric.task_type, {})
    if metric.name in task_metrics:
        raise ValueError(f"there is already a metric '{metric.name}' of {metric.task_type}")
    task_metrics[metric.name] = metric


def find_metric(task_type: str, name: str) -> Metric | None:
    """Return the metric of a task type by its name; None if there is none."""
    task_metrics = _METRICS.get(task_type, {})
    if name in task_metrics and task_metrics[name].example is None:
        return task_metrics[name]
    for metric in task_metrics.values():
        before, marker, after = metric.name.partition("{}")
        match = re.fullmatch(f"{re.escape(before)}([1-9][0-9]{{0,3}}){re.escape(after)}", name) if marker else None
        if match:
            return metric.with_number(int(match[1]))
    return None


def properties_of(name: str, task_type: str = "") -> Metric | None:
    """Return the metric of a name; None if there is none.

    Without a task type, it is the first metric of this name. Metrics of one name have the same direction and scale for
    all task types, but may have other bounds.
    """
    metrics = (find_metric(kind, name) for kind in ([task_type] if task_type else _METRICS))
    return next((metric for metric in metrics if metric is not None), None)


def named_metrics(task_type: str) -> tuple[str, ...]:
    """Return the names of a task type's metrics, in the order of the registry."""
    return tuple(metric.listed.name for metric in _METRICS.get(task_type, {}).values())


def metric_table() -> list[Metric]:
    """Return all metrics with example numbers, by task type."""
    return [metric.listed for task_metrics in _METRICS.values() for metric in task_metrics.values()]


def weighted(task_type: str, names: Sequence[str], arguments: Sequence[np.ndarray]) -> Callable[[np.ndarray], Values]:
    """Return a function from weights of the samples, N×R, to R values of each metric by name.

    Args:
        task_type: task type of the metrics.
        names: names of the metrics.
        arguments: arguments of its metrics, N samples each: probabilities (N×classes) and targets (N); probabilities
            and targets (N×labels); values and targets (N); or hits, targets and predictions of each class in pixels
            (images×classes), followed by the masks of each image (tuples of `MaskPair`) if a metric takes them.

    Raises:
        KeyError: the task type has no metric of a name.
    """
    metrics = [find_metric(task_type, name) for name in names]
    if None in metrics:
        raise KeyError(names[metrics.index(None)])
    compute_statistics = joined({metric.statistic: metric.statistic(*arguments) for metric in metrics if metric})

    def compute(weights: np.ndarray) -> Values:
        results = compute_statistics(weights)
        return {metric.name: metric.value_of(results[metric.statistic]) for metric in metrics if metric}

    return compute
