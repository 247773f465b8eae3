"""Objectives: loss, mixing and weight of each task of a training."""

from collections.abc import Sequence

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before torch modules that need torchvision)
import torch
from torch import nn

from mml_lib.config.schema import StudyConfig
from mml_lib.data.mixing import BatchMixing
from mml_lib.errors import MMLError
from mml_lib.models.heads import ValueHead
from mml_lib.models.losses import FocalLoss, KnownLabelsLoss, build_loss
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.tasks.struct import TaskStruct

CONFIDENT = 4.0
"""Absolute logit of a confident prediction."""


class Objective(nn.Module):
    """The loss of one task.

    Args:
        task: task whose head is trained.
        task_type: task type of the task.
        loss: function of outputs and targets, and of weights if samples have some.
        mixing: mixing of the augmented training images of a batch; None without mixing.
        weight: weight of the task in the sum of losses.
    """

    def __init__(
        self, task: str, task_type: str, loss: nn.Module, mixing: BatchMixing | None = None, weight: float = 1.0
    ):
        super().__init__()
        self.task = task
        self.task_type = task_type
        self.loss = loss
        self.mixing = mixing
        self.weight = weight

    @torch.no_grad()
    def check(self, head: nn.Module, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Check that the loss of correct outputs is not larger than that of wrong ones.

        Args:
            head: head of the task.
            outputs: outputs for a batch, of which only the shape and dtype matter.
            targets: targets of the batch.

        Raises:
            MMLError: the loss does not accept these outputs and targets, or is larger for correct outputs.
        """
        correct = _correct_outputs(self.task_type, outputs, targets)
        if correct is None:
            return
        wrong = 2 * correct.mean() - correct if TASK_TYPES[self.task_type].has_values else -correct
        losses = [self(head, values.to(outputs.dtype), targets).mean() for values in (correct, wrong)]
        if losses[0] > losses[1] + 1e-6:
            raise MMLError(
                f"loss: {type(self.loss).__name__} is {losses[0]:.4g} for correct outputs of {self.task} and "
                f"{losses[1]:.4g} for wrong ones; set loss: default, or one for {self.task_type}"
            )

    def counted(self, targets: torch.Tensor, weights: torch.Tensor | None = None) -> float | torch.Tensor:
        """Return the number of samples in the mean loss of a batch.

        This is the sum of weights if samples have weights. With partly unknown labels, a sample counts by the share of
        its known labels.

        Args:
            targets: targets of the batch.
            weights: weights of the samples, N; None: equal weights.
        """
        if not isinstance(self.loss, KnownLabelsLoss):
            return len(targets) if weights is None else weights.sum()
        is_known = ~targets.isnan() if weights is None else ~targets.isnan() * weights[:, None]
        return is_known.sum() / targets.shape[1]

    def forward(
        self,
        head: nn.Module,
        outputs: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the loss of a batch for the outputs of a head. Values of a regression are standardised first.

        Args:
            head: head of the task.
            outputs: outputs for the batch, N×outputs, or N×classes×H×W for masks.
            targets: targets of the batch.
            weights: weights of the samples, N; None: equal weights.

        Raises:
            MMLError: the loss or the precision does not suit this task type.
        """
        if isinstance(head, ValueHead):
            if targets.dtype == torch.bfloat16:
                raise MMLError(
                    "trainer.precision: bf16-true would round the values of a regression to 3 digits; set bf16-mixed"
                )
            outputs, targets = head.standardise(outputs).squeeze(1), head.standardise(targets)
        try:
            return self.loss(outputs, targets) if weights is None else self.loss(outputs, targets, weights)
        except torch.OutOfMemoryError:
            raise
        except (IndexError, RuntimeError, TypeError, ValueError) as error:
            shapes = " with targets ".join("×".join(map(str, tensor.shape)) for tensor in (outputs, targets))
            raise MMLError(
                f"loss: {type(self.loss).__name__} does not take outputs {shapes} ({error}); set loss: default, or one "
                f"for {self.task_type}"
            ) from error


def _correct_outputs(task_type: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor | None:
    """Return confident and correct outputs; None if all values are equal, or all pixels are ignored."""
    kind = TASK_TYPES[task_type]
    if kind.has_values:
        return targets.view(-1, 1) if targets.min() < targets.max() else None
    if targets.is_floating_point():  # labels, or mixed classes
        return CONFIDENT * (2 * targets.nan_to_num(0.5) - 1)  # 0 for unknown labels
    counted = targets != IGNORE if kind.has_masks else torch.ones_like(targets, dtype=torch.bool)
    if not counted.any():
        return None
    one_hot = nn.functional.one_hot(targets.where(counted, 0), outputs.shape[1]).movedim(-1, 1)
    return CONFIDENT * (2.0 * one_hot - 1)


def build_objectives(
    cfg: StudyConfig, structs: Sequence[TaskStruct], fold: int, weights: Sequence[float] = (1.0,)
) -> list[Objective]:
    """Return the objective of each task, from the losses, class weights and mixing of a pipeline.

    Further tasks have no mixing and no class weights if their task type does not support them. Class weights by name
    apply to the first task only.

    Args:
        cfg: config of the step.
        structs: tasks, the main one first.
        fold: fold that the first task is validated on, modulo the number of folds for other tasks.
        weights: weight of each task in the sum of losses.
    """
    objectives = []
    for number, (struct, weight) in enumerate(zip(structs, weights, strict=True)):
        kind, class_weights = TASK_TYPES[struct.task_type], cfg.class_weights
        spec = cfg.loss_of(struct.task_type)
        assert spec is not None, "studies without a loss are refused"
        if number and (class_weights != "balanced" or kind.has_values):
            class_weights = None
        loss = build_loss(spec.spec(), struct, fold % struct.num_folds, class_weights)
        mixed = kind.is_mixable and not (kind.is_single_label and isinstance(loss, FocalLoss))
        mixing = BatchMixing(cfg.mixing, struct.num_classes) if cfg.mixing and mixed else None
        objectives.append(Objective(struct.name, struct.task_type, loss, mixing, weight))
    return objectives
