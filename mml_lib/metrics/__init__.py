"""Named metrics: one registry, each metric declared beside its implementation.

A metric is computed from samples and their weights. Weights of 1 give the value on the samples, counts of a bootstrap
give the value on a resample. If samples have weights of their own, both are multiplied. To add a metric, call
`register` in the module of its task type.
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
