"""Checks: what is known to be wrong with a pipeline before anything is trained."""

from collections.abc import Mapping

from mml_lib.config.metrics import NAMED
from mml_lib.config.schema import StudyConfig
from mml_lib.config.task_types import IGNORE
from mml_lib.errors import MMLError, nearest
from mml_lib.tasks.identity import TaskIdentity

CROSS_ENTROPY = "torch.nn.CrossEntropyLoss"

LOSSES: Mapping[str, tuple[str, ...]] = {
    CROSS_ENTROPY: ("classification", "semantic_segmentation"),
    "torch.nn.BCEWithLogitsLoss": ("multilabel_classification",),
    "torch.nn.MultiLabelSoftMarginLoss": ("multilabel_classification",),
    "mml_lib.models.losses.CrossEntropyDice": ("semantic_segmentation",),
    "torch.nn.MSELoss": ("regression",),
    "torch.nn.L1Loss": ("regression",),
    "torch.nn.SmoothL1Loss": ("regression",),
    "torch.nn.HuberLoss": ("regression",),
}
"""What well-known losses are for; with other targets they would run, and mean nothing."""


def check_trainable(task: TaskIdentity, cfg: StudyConfig) -> None:
    """Refuse a pipeline that cannot train a task.

    Raises:
        MMLError: no loss or one of another task type, no decoder, metrics of another type, balance without classes.
    """
    kind = task.task_type
    _check_loss(task, cfg)
    if kind == "semantic_segmentation" and cfg.decoder is None:
        raise MMLError(f"decoder: the segmentation {task.name} needs one; set decoder: unet")
    if cfg.sampling.balanced and kind != "classification":
        raise MMLError(f"sampling.balanced: {task.name} is a {kind}, which has no classes to balance; set it to false")
    for metric in cfg.metrics_of(kind):
        if isinstance(metric, str) and metric not in NAMED[kind]:
            raise MMLError(f"metrics: '{metric}' is not for {kind} ({task.name}){nearest(metric, NAMED[kind])}")


def _check_loss(task: TaskIdentity, cfg: StudyConfig) -> None:
    kind, loss = task.task_type, cfg.loss_of(task.task_type)
    if loss is None:
        raise MMLError(f"loss: there is none for {kind} ({task.name}); set loss: default, or loss.{kind}")
    if kind not in LOSSES.get(loss.target, (kind,)):
        raise MMLError(f"loss: {loss.target} is not for {kind} ({task.name}); set loss: default, or loss.{kind}")
    if kind == "semantic_segmentation" and loss.target == CROSS_ENTROPY and loss.spec().get("ignore_index") != IGNORE:
        raise MMLError(
            f"loss: {loss.target} has to leave out ignored pixels of {task.name}; set ignore_index: {IGNORE}"
        )
