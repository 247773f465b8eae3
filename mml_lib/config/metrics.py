"""The named metrics: what each is called in a study, by task type; `mml_lib.postprocessing.scores` computes them."""

from collections.abc import Mapping

NAMED: Mapping[str, tuple[str, ...]] = {
    "classification": (
        "accuracy",
        "balanced_accuracy",
        "f1",
        "auroc",
        "kappa",
        "calibration_error",
        "brier",
        "log_loss",
    ),
    "multilabel_classification": (
        "accuracy",
        "exact_match",
        "f1",
        "auroc",
        "average_precision",
        "calibration_error",
        "brier",
        "log_loss",
    ),
    "semantic_segmentation": ("dice", "iou", "pixel_accuracy"),
    "regression": ("mae", "rmse", "r2", "pearson", "spearman"),
    "no_task": (),
}
"""Metrics by task type."""

DEFAULT: Mapping[str, list[str]] = {
    "classification": ["accuracy", "balanced_accuracy", "f1", "auroc"],
    "multilabel_classification": ["auroc", "average_precision", "f1", "exact_match"],
    "semantic_segmentation": ["dice", "iou", "pixel_accuracy"],
    "regression": ["mae", "rmse", "r2", "spearman"],
    "no_task": [],
}
"""What is usual for each type; also the preset `default`."""

PER_GROUP = "_per_group"
"""End of the name of a metric per group, as in `accuracy_per_group`."""


def name_per_sample(metric: str) -> str:
    """Return the name of a metric without the end that says it is per group."""
    return metric.removesuffix(PER_GROUP)


LOWER_IS_BETTER = ("mae", "rmse", "calibration_error", "brier", "log_loss")
