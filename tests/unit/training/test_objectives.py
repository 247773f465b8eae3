"""Objectives: a loss that rewards wrong answers of its task type is refused before the first step."""

from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import pytest
import torch
from torch import nn

from mml_lib.errors import MMLError
from mml_lib.models.heads import ValueHead
from mml_lib.models.losses import CrossEntropyDice, FocalLoss, PixelCrossEntropy
from mml_lib.training.objectives import Objective

IGNORED = torch.tensor([[[0, 1, 255], [2, 2, 0]]])
BATCHES: dict[str, tuple[torch.Tensor, torch.Tensor]] = {
    "classification": (torch.zeros(4, 3), torch.tensor([0, 1, 2, 1])),
    "mixed": (torch.zeros(2, 3), torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.5, 0.5]])),
    "multilabel_classification": (torch.zeros(2, 3), torch.tensor([[1.0, 0.0, 0.6], [0.0, 0.0, 1.0]])),
    "semantic_segmentation": (torch.zeros(1, 3, 2, 3), IGNORED),
    "regression": (torch.zeros(3, 1), torch.tensor([1.0, 2.0, 4.0])),
}


def check(kind: str, loss: nn.Module, targets: torch.Tensor | None = None) -> None:
    outputs, right = BATCHES[kind]
    head = ValueHead(4, mean=2.0, std=1.5) if kind == "regression" else nn.Identity()
    task_type = "classification" if kind == "mixed" else kind
    Objective("t", task_type, loss).check(head, outputs, right if targets is None else targets)


@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("classification", nn.CrossEntropyLoss()),
        ("classification", nn.CrossEntropyLoss(label_smoothing=0.3)),
        ("classification", nn.MultiMarginLoss()),
        ("classification", FocalLoss("multiclass")),
        ("mixed", nn.CrossEntropyLoss()),
        ("multilabel_classification", nn.BCEWithLogitsLoss(pos_weight=torch.tensor([9.0, 1.0, 1.0]))),
        ("multilabel_classification", FocalLoss("multilabel")),
        ("semantic_segmentation", CrossEntropyDice()),
        ("semantic_segmentation", PixelCrossEntropy()),
        ("regression", nn.MSELoss()),
        ("regression", nn.HuberLoss()),
    ],
)
def test_losses_that_fit_are_taken(kind: str, loss: nn.Module):
    check(kind, loss)


class Backwards(nn.Module):
    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return -nn.functional.mse_loss(outputs, targets)


class Accuracy(nn.Module):
    """A score that is to be large, taken for a loss."""

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.argmax(1) == targets).float().mean() + outputs.sum() * 0


@pytest.mark.parametrize(
    ("kind", "loss", "words"),
    [
        ("regression", Backwards(), ".* for correct outputs of t and .* for wrong ones; set loss: default"),
        ("classification", Accuracy(), "is 1 for correct outputs of t and 0 for wrong ones; set loss: default"),
        ("semantic_segmentation", Accuracy(), "for correct outputs of t and"),
        ("classification", nn.BCEWithLogitsLoss(), "BCEWithLogitsLoss does not take outputs 4×3 with targets 4"),
        ("semantic_segmentation", nn.MultiMarginLoss(), "does not take outputs 1×3×2×3"),
    ],
)
def test_losses_that_reward_wrong_answers_are_refused(kind: str, loss: nn.Module, words: str):
    with pytest.raises(MMLError, match=f"loss: .*{words}"):
        check(kind, loss)


@pytest.mark.parametrize(
    ("kind", "targets"),
    [("semantic_segmentation", torch.full((1, 2, 3), 255)), ("regression", torch.full((3,), 2.0))],
)
def test_batches_that_tell_nothing_are_passed_over(kind: str, targets: torch.Tensor):
    loss: Any = Accuracy() if kind == "semantic_segmentation" else Backwards()
    check(kind, loss, targets)
