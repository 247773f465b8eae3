"""Losses that torch does not have, and weights of classes for all losses."""

import inspect
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import segmentation_models_pytorch.losses as smp
import torch
from torch import nn
from torch.nn import functional

from mml_lib.config.factories import import_target, instantiate
from mml_lib.config.training_options import CLASS_WEIGHTS
from mml_lib.errors import MMLError, nearest
from mml_lib.models.sample_weights import relative, weighing_samples, weighted_average, weighted_dice_loss
from mml_lib.task_types import IGNORE, TASK_TYPES, TaskType
from mml_lib.tasks.struct import TaskStruct


def _widened(logits: torch.Tensor) -> torch.Tensor:
    """Return logits at least in single precision, because sums over pixels overflow half precision."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


class PixelCrossEntropy(nn.Module):
    """Cross-entropy of the pixels that are not ignored, weighted as in `torch.nn.CrossEntropyLoss`; 0 without pixels.

    On a GPU, torch's own loss adds pixels in no fixed order, so that trainings would not be reproducible.

    Args:
        weight: weight of each class, C; None: equal weights.
        ignore_index: class of ignored pixels.
        label_smoothing: share of the target probability that all classes share equally, in [0, 1].
    """

    def __init__(self, weight: torch.Tensor | None = None, ignore_index: int = IGNORE, label_smoothing: float = 0.0):
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, sample_weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the loss of logits N×C×H×W for classes N×H×W and weights N; None: equal weights."""
        losses = functional.cross_entropy(
            _widened(logits),
            targets,
            self.weight,
            ignore_index=self.ignore_index,
            reduction="none",
            label_smoothing=self.label_smoothing,
        )
        counted = targets != self.ignore_index
        weights = counted if self.weight is None else self.weight[targets.where(counted, 0)] * counted
        if sample_weights is not None:
            relative_weights = relative(sample_weights)[:, None, None]
            losses, weights = losses * relative_weights, weights * relative_weights
        return losses.sum() / weights.sum().to(losses.dtype).clamp_min(torch.finfo(losses.dtype).eps)


class CrossEntropyDice(nn.Module):
    """Cross-entropy plus Dice loss (Milletari et al. 2016), as is usual in medical segmentation (Isensee et al. 2021).

    Args:
        weight: weight of each class in the cross-entropy, C; None: equal weights.
        label_smoothing: label smoothing of the cross-entropy, in [0, 1].
        dice: weight of the Dice loss.
    """

    def __init__(
        self, weight: list[float] | torch.Tensor | None = None, label_smoothing: float = 0.0, dice: float = 1.0
    ):
        super().__init__()
        weights = None if weight is None else torch.as_tensor(weight)
        self.cross_entropy = PixelCrossEntropy(weights, label_smoothing=label_smoothing)
        self.dice_loss = smp.DiceLoss("multiclass", ignore_index=IGNORE)
        self.dice = dice

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, sample_weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the loss of logits N×C×H×W for classes N×H×W and weights N; 0 if all pixels are ignored."""
        logits = _widened(logits)
        if sample_weights is None:
            return self.cross_entropy(logits, targets) + self.dice * self.dice_loss(logits, targets)
        dice = weighted_dice_loss(logits, targets, sample_weights)
        return self.cross_entropy(logits, targets, sample_weights) + self.dice * dice


class KnownLabelsLoss(nn.Module):
    """Mean binary cross-entropy of the known labels of a batch (those that are not NaN); 0 without known labels.

    Args:
        loss: loss whose weights are used.
    """

    def __init__(self, loss: nn.BCEWithLogitsLoss):
        super().__init__()
        self.register_buffer("weight", loss.weight)
        self.register_buffer("pos_weight", loss.pos_weight)

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, sample_weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the loss of logits N×C for probabilities N×C, NaN for unknown labels, and weights N."""
        is_known = ~targets.isnan()
        losses = functional.binary_cross_entropy_with_logits(
            logits, targets.where(is_known, 0), self.weight, reduction="none", pos_weight=self.pos_weight
        )
        if sample_weights is None:
            return losses.where(is_known, 0).sum() / is_known.sum().clamp_min(1)
        weights = relative(sample_weights)[:, None] * is_known
        return weighted_average(losses.where(is_known, 0), weights)


class FocalLoss(smp.FocalLoss):
    """Focal loss (Lin et al. 2017) of each class against the others, which reduces the loss of confident predictions.

    Args:
        mode: `multiclass` for classes of images or pixels, `multilabel` for labels.
        gamma: exponent of the reduction, 0 or more; 0 is the binary cross-entropy.
        class_weights: weight of each class, C; None: equal weights.
    """

    def __init__(
        self,
        mode: Literal["multiclass", "multilabel"],
        gamma: float = 2.0,
        class_weights: list[float] | torch.Tensor | None = None,
    ):
        ignored = IGNORE if mode == "multiclass" else None
        super().__init__(mode, gamma=gamma, ignore_index=ignored, class_weights=class_weights)
        self.gamma = gamma

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, sample_weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the loss of logits N×C(×H×W) for classes N(×H×W) or labels N×C and weights N; 0 without targets."""
        logits = _widened(logits)
        if sample_weights is not None:
            return self._weighted(logits, targets, sample_weights)
        if self.mode == "multiclass" and (targets == IGNORE).all():
            return logits.sum() * 0
        return super().forward(logits, targets)

    def _weighted(self, logits: torch.Tensor, targets: torch.Tensor, sample_weights: torch.Tensor) -> torch.Tensor:
        if self.mode == "multiclass":
            counted = targets != IGNORE
            one_hot = functional.one_hot(targets.where(counted, 0), logits.shape[1]).movedim(-1, 1).to(logits.dtype)
        else:
            counted, one_hot = torch.ones_like(targets[:, 0], dtype=torch.bool), targets.to(logits.dtype)
        losses = functional.binary_cross_entropy_with_logits(logits, one_hot, reduction="none")
        losses = losses * (1 - (-losses).exp()) ** self.gamma
        weights = relative(sample_weights).view(-1, *[1] * (counted.ndim - 1)) * counted
        class_losses = torch.stack([weighted_average(losses[:, index], weights) for index in range(logits.shape[1])])
        if self.class_weights is None:
            return class_losses.mean()
        class_weights = self.class_weights.to(class_losses.device)
        return (class_losses * class_weights).sum() / class_weights.sum()


def build_loss(
    spec: Mapping[str, Any], struct: TaskStruct, fold: int, class_weights: Mapping[str, float] | str | None
) -> nn.Module:
    """Return the loss of a task.

    `PixelCrossEntropy` replaces `torch.nn.CrossEntropyLoss` for pixels, and `KnownLabelsLoss` replaces
    `torch.nn.BCEWithLogitsLoss` for partly unknown labels.

    Args:
        spec: spec of the loss. Weights in it are lists in the order of the classes.
        struct: the task.
        fold: fold for validation; balanced weights use the samples of the other folds.
        class_weights: `balanced`, or weights by class; None: those of the spec.

    Raises:
        MMLError: the loss takes no class weights, the task has no class of this name, or the loss cannot leave out
            unknown labels.
    """
    weight_arguments = {
        key: torch.tensor(value) for key, value in spec.items() if key in CLASS_WEIGHTS and isinstance(value, list)
    }
    if class_weights is not None:
        parameters = inspect.signature(import_target(spec["_target_"])).parameters
        name = next((key for key in CLASS_WEIGHTS if key in parameters), None)
        if name is None:
            arguments = " or ".join(CLASS_WEIGHTS)
            raise MMLError(f"class_weights: {spec['_target_']} has no argument {arguments}; set class_weights: null")
        if isinstance(class_weights, str):  # balanced
            weights = balanced_weights(struct, fold, positive=name == "pos_weight")
        else:
            weights = _by_name(struct, class_weights)
        weight_arguments[name] = torch.tensor(weights, dtype=torch.float32)
    loss = instantiate(dict(spec) | weight_arguments, nn.Module)
    if TASK_TYPES[struct.task_type].has_masks and type(loss) is nn.CrossEntropyLoss and loss.reduction == "mean":
        ignored = loss.ignore_index if loss.ignore_index >= 0 else IGNORE
        return PixelCrossEntropy(loss.weight, ignored, loss.label_smoothing)
    if struct.is_partial:
        if type(loss) is not nn.BCEWithLogitsLoss or loss.reduction != "mean":
            raise MMLError(
                f"loss: {spec['_target_']} cannot leave out the unknown labels of {struct.name}; set loss: default"
            )
        return KnownLabelsLoss(loss)
    return weighing_samples(loss, spec["_target_"], struct.name) if struct.is_weighted else loss


def balanced_weights(struct: TaskStruct, fold: int, positive: bool) -> list[float]:
    """Return a weight for each class that balances the training samples of a fold; unknown labels are left out.

    With n samples (pixels of a segmentation), the weight of a class is n / (classes · n_class). With `positive`, it is
    (n - n_label) / n_label, which balances samples with and without a label.

    Args:
        struct: the task.
        fold: fold for validation, whose samples are not counted.
        positive: True for weights of positive samples (`pos_weight`).
    """
    kind, rows = TASK_TYPES[struct.task_type], struct.select("train", fold)
    targets = struct.targets[rows]
    if struct.weights is not None:
        return _balanced_by_samples(kind, targets, struct.weights[rows], struct.num_classes, positive)
    # Targets of labels are probabilities; those of masks are counts of pixels.
    counts = np.bincount(targets, minlength=struct.num_classes) if kind.is_single_label else np.nansum(targets, axis=0)
    total = counts.sum()
    if kind.is_multilabel:
        total = (~np.isnan(targets)).sum(axis=0) if struct.is_partial else len(targets)
    counts = np.maximum(counts, 1)  # a class may have no sample in the other folds
    weights = (total - counts) / counts if positive else total / (len(counts) * counts)
    return np.maximum(weights, 0).tolist()


def _balanced_by_samples(
    kind: TaskType, targets: np.ndarray, weights: np.ndarray, classes: int, positive: bool
) -> list[float]:
    """Return balanced weights of classes, where a sample counts by its weight divided by the mean weight."""
    weights = weights.astype(np.float64) / weights.mean()
    if kind.is_single_label:
        counts = np.bincount(targets, weights=weights, minlength=classes)
    else:
        counts = np.nansum(targets * weights[:, None], axis=0)
    total = weights @ ~np.isnan(targets) if kind.is_multilabel else counts.sum()
    counts = np.where(counts > 0, counts, 1.0)  # a class may have no sample in the other folds
    balanced = (total - counts) / counts if positive else total / (len(counts) * counts)
    return np.maximum(balanced, 0).tolist()


def _by_name(struct: TaskStruct, weights: Mapping[str, float]) -> list[float]:
    """Return weights by name as a list in the order of the classes; the default is 1."""
    for name in weights:
        if name not in struct.classes:
            raise MMLError(f"class_weights: {struct.name} has no class '{name}'{nearest(name, struct.classes)}")
    return [weights.get(name, 1.0) for name in struct.classes]
