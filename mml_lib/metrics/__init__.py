"""Named metrics: one registry, each metric declared beside its implementation.

A metric is computed from the samples and a weight of each: with weights of 1 it is the value on the samples, with the
counts of a bootstrap it is the value on resamples; where samples have weights of their own, both are multiplied. To add
one, call `register` in the module of its task type.
"""

from mml_lib.metrics import classification, multilabel, regression, segmentation  # noqa: F401  (they register metrics)
from mml_lib.metrics.metric_registry import (
    Metric,
    Values,
    find_metric,
    metric_table,
    named_metrics,
    properties_of,
    weighted,
)

__all__ = ["Metric", "Values", "find_metric", "metric_table", "named_metrics", "properties_of", "weighted"]
