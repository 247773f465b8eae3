"""Partial labels: checks of a pipeline for tasks some of whose labels are unknown."""

from mml_lib.config.schema import StudyConfig
from mml_lib.errors import MMLError

KNOWN_LABELS_LOSS = "torch.nn.BCEWithLogitsLoss"
"""The loss that leaves out unknown labels."""


def check_partial_labels(task: str, kind: str, cfg: StudyConfig) -> None:
    """Refuse parts of a pipeline that cannot leave out the unknown labels of a task.

    Raises:
        MMLError: the loss, or a metric from outside of MML, cannot ignore unknown labels.
    """
    loss = cfg.loss_of(kind)
    if loss and (loss.target != KNOWN_LABELS_LOSS or loss.spec().get("reduction", "mean") != "mean"):
        raise MMLError(f"loss: {loss.target} cannot leave out the unknown labels of {task}; set loss: default")
    check_partial_metrics(task, kind, cfg)


def check_partial_metrics(task: str, kind: str, cfg: StudyConfig) -> None:
    """Refuse metrics that cannot leave out the unknown labels of a task.

    Raises:
        MMLError: a metric from outside of MML cannot ignore unknown labels.
    """
    for metric in cfg.metrics_of(kind):
        if not isinstance(metric, str):
            raise MMLError(
                f"metrics: {metric.target} cannot leave out the unknown labels of {task}; name metrics of MML instead"
            )
