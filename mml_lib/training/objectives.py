"""Objectives: the loss, mixing and weight of each task of a training."""

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

SURE = 4.0
"""Logit of what is surely so."""


class Objective(nn.Module):
    """The loss of one task.

    Args:
        task: whose head is trained.
        task_type: what is learned.
        loss: called with outputs and targets.
        mixing: mixes augmented training images of a batch.
        weight: of the task in the sum of losses.
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
        """Refuse a loss that is larger for right outputs than for wrong ones.

        Args:
            head: of the task.
            outputs: of a batch, for their shape.
            targets: of the batch.

        Raises:
            MMLError: the loss does not take them, or rewards what is wrong.
        """
        right = _right_answers(self.task_type, outputs, targets)
        if right is None:
            return
        wrong = 2 * right.mean() - right if TASK_TYPES[self.task_type].has_values else -right
        costs = [self(head, answers.to(outputs.dtype), targets).mean() for answers in (right, wrong)]
        if costs[0] > costs[1] + 1e-6:
            raise MMLError(
                f"loss: by {type(self.loss).__name__} right answers of {self.task} cost {costs[0]:.4g} and wrong ones "
                f"{costs[1]:.4g}; set loss: default, or one for {self.task_type}"
            )

    def counted(self, targets: torch.Tensor, weights: torch.Tensor | None = None) -> float | torch.Tensor:
        """Return the number of samples of a batch that its loss is a mean of: their weights, of labels the known share.

        Args:
            targets: of the batch.
            weights: of its samples, N; None: all count alike.
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
        """Return the loss of a batch for the outputs of a head; values are standardised first.

        Args:
            head: of the task.
            outputs: of the batch.
            targets: of the batch.
            weights: of its samples, N; None: all count alike.

        Raises:
            MMLError: the loss or the precision is not one for this type of task.
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


def _right_answers(task_type: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor | None:
    """Return outputs that answer rightly and surely, None where there is nothing to answer."""
    kind = TASK_TYPES[task_type]
    if kind.has_values:
        return targets.view(-1, 1) if targets.min() < targets.max() else None
    if targets.is_floating_point():  # labels, or mixed classes
        return SURE * (2 * targets.nan_to_num(0.5) - 1)  # nothing where a label is unknown
    counted = targets != IGNORE if kind.has_masks else torch.ones_like(targets, dtype=torch.bool)
    if not counted.any():
        return None
    one_hot = nn.functional.one_hot(targets.where(counted, 0), outputs.shape[1]).movedim(-1, 1)
    return SURE * (2.0 * one_hot - 1)


def build_objectives(
    cfg: StudyConfig, structs: Sequence[TaskStruct], fold: int, weights: Sequence[float] = (1.0,)
) -> list[Objective]:
    """Return the objective of each task, from the losses, class weights and mixing of a pipeline.

    Of the tasks after the first, those that have no classes to weigh or to mix go without; weights by the names of
    classes are for the first task alone.

    Args:
        cfg: config of the step.
        structs: the tasks.
        fold: what the first is validated on; of the others it is the one of this number, counted round.
        weights: of each task in the sum of losses.
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
