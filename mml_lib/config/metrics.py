"""The named metrics: what each is called in a study, and the torchmetrics class behind it."""

NAMED = {
    "accuracy": {"_target_": "torchmetrics.classification.MulticlassAccuracy", "average": "micro"},
    "balanced_accuracy": {"_target_": "torchmetrics.classification.MulticlassAccuracy", "average": "macro"},
    "f1": {"_target_": "torchmetrics.classification.MulticlassF1Score", "average": "macro"},
    "auroc": {"_target_": "torchmetrics.classification.MulticlassAUROC", "average": "macro"},
    "kappa": {"_target_": "torchmetrics.classification.MulticlassCohenKappa"},
    "calibration_error": {"_target_": "torchmetrics.classification.MulticlassCalibrationError", "n_bins": 15},
}
"""Metrics of classification; `mml_lib.postprocessing.scores` has the same ones on arrays."""
