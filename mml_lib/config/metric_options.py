"""Named metrics in a study: their names by task type and their direction, from the registry."""

from collections.abc import Mapping

from mml_lib.metrics import find_metric, named_metrics, properties_of
from mml_lib.task_types import TASK_TYPES

NAMED: Mapping[str, tuple[str, ...]] = {task_type: named_metrics(task_type) for task_type in TASK_TYPES}
"""Metrics by task type, as lists show them: some take any number in their names, see `is_metric`."""

OUT_OF_FOLD = "out_of_fold"
"""Split, in tables, of pooled predictions: of each sample by the network of the fold that did not train on it."""

PER_GROUP = "_per_group"
"""End of the name of a metric per group, as in `accuracy_per_group`."""


def name_per_sample(metric: str) -> str:
    """Return the name of a metric without the end that says it is per group."""
    return metric.removesuffix(PER_GROUP)


def is_metric(name: str, task_type: str | None = None) -> bool:
    """Return True if there is a metric of this name, for a task type or for any."""
    return (properties_of(name) if task_type is None else find_metric(task_type, name)) is not None


def lower_is_better(name: str) -> bool:
    """Return True for a named metric whose small values are good, and for `loss`."""
    metric = properties_of(name)
    return name == "loss" or (metric is not None and metric.lower_is_better)
