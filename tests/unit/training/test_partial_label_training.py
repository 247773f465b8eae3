"""Trainings where some labels are unknown: they have no part in loss, gradients, class weights and metrics."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bare

from mml_lib.config.training_options import Mixing
from mml_lib.data.mixing import BatchMixing
from mml_lib.errors import MMLError
from mml_lib.models.losses import KnownLabelsLoss, balanced_weights, build_loss
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.objectives import Objective
from tests.support.small_tasks import fake_task, small_model
from tests.support.small_trainings import fit, predicted

KIND = "multilabel_classification"
SGD = {"_target_": "torch.optim.SGD", "lr": 0.05}
LOSS = {"_target_": "torch.nn.BCEWithLogitsLoss"}
FOCAL = {"_target_": "mml_lib.models.losses.FocalLoss", "mode": "multilabel"}


def batch(unknown: float = 0.4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=generator, requires_grad=True)
    targets = (torch.rand(6, 3, generator=generator) < 0.5).float()
    return logits, targets.masked_fill(torch.rand(6, 3, generator=generator) < unknown, torch.nan)


@pytest.mark.parametrize(
    "arguments", [{}, {"pos_weight": torch.tensor([3.0, 1.0, 0.5])}, {"weight": torch.tensor([1.0, 2.0, 0.1])}]
)
def test_loss_is_the_mean_over_known_entries_and_others_have_no_gradient(arguments: dict[str, torch.Tensor]):
    logits, targets = batch()
    is_known = ~targets.isnan()
    loss = KnownLabelsLoss(nn.BCEWithLogitsLoss(**arguments))(logits, targets)
    wide = {key: value.expand(6, 3)[is_known] for key, value in arguments.items()}
    assert loss.item() == pytest.approx(bare(logits[is_known], targets[is_known], **wide).item())
    (gradient,) = torch.autograd.grad(loss, logits)
    assert (gradient[~is_known] == 0).all()
    assert (gradient[is_known] != 0).all()


def test_loss_of_a_batch_without_known_labels_is_0():
    logits, _ = batch()
    loss = KnownLabelsLoss(nn.BCEWithLogitsLoss())(logits, torch.full((6, 3), torch.nan))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0
    assert (gradient == 0).all()


def test_loss_without_unknown_labels_is_that_of_torch():
    logits, targets = batch(unknown=0.0)
    assert KnownLabelsLoss(nn.BCEWithLogitsLoss())(logits, targets).item() == pytest.approx(
        bare(logits, targets).item()
    )


def test_mixed_labels_are_known_where_both_are():
    targets = torch.tensor([[1.0, torch.nan], [0.0, 1.0], [1.0, 0.0]])
    torch.manual_seed(0)
    _, mixed, _ = BatchMixing(Mixing(mixup=1.0, p=1.0), 2)(torch.rand(3, 3, 4, 4), targets)
    assert mixed.isnan().tolist() == [[False, True], [False, True], [False, False]]


# --- tasks --------------------------------------------------------------------------------------------------------


def hide(struct: TaskStruct, share: float = 0.4, folder: Path | None = None) -> TaskStruct:
    """Return the task with a share of its labels unknown."""
    task = TaskDescription.read(struct.paths["description"])
    values = task.targets.values.copy()
    hidden = np.random.default_rng(0).random(values.shape) < share
    hidden[hidden.all(axis=1), 0] = False
    values[hidden] = np.nan
    changed = task.changed("hidden", targets=type(task.targets)(KIND, task.targets.classes, values))
    changed.write(struct.paths["description"])
    return TaskStruct(struct.name, struct.paths)


def test_training_with_unknown_labels_equals_one_whose_entries_have_no_gradient(tmp_path: Path):
    struct = hide(fake_task(tmp_path, KIND))
    assert struct.is_partial
    model = small_model(struct, loss=build_loss(LOSS, struct, 0, None), optimizer=SGD)
    fit(model, struct, tmp_path / "a", epochs=2)

    class Bare(nn.Module):
        def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            is_known = ~targets.isnan()
            losses = bare(outputs, targets.nan_to_num(0.0), reduction="none")
            return (losses * is_known).sum() / is_known.sum()

    other = small_model(struct, loss=Bare(), optimizer=SGD)
    fit(other, struct, tmp_path / "b", epochs=2)
    outputs, expected = (predicted(struct, part).logits for part in (model, other))
    assert outputs == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("part", ["train", "val"])
def test_losses_of_epochs_are_means_over_all_known_entries(tmp_path: Path, part: str):
    struct = hide(fake_task(tmp_path, KIND))
    model = small_model(struct, loss=build_loss(LOSS, struct, 0, None), optimizer=SGD | {"lr": 0.0})
    model.network.eval()
    model.network.train = lambda mode=True: model.network  # statistics of a batch differ from those of all
    fit(model, struct, tmp_path / "a")
    predictions = predicted(struct, model, part)
    logits, targets = torch.from_numpy(predictions.logits), torch.from_numpy(predictions.targets)
    is_known = ~targets.isnan()
    assert not is_known.all()
    expected = bare(logits[is_known], targets[is_known]).item()
    assert model.history[-1][f"{part}/loss"] == pytest.approx(expected, rel=1e-4)


def test_balanced_weights_count_known_entries(tmp_path: Path):
    struct = hide(fake_task(tmp_path, KIND))
    targets = struct.targets[struct.select("train", 0)]
    is_known, positive = (~np.isnan(targets)).sum(axis=0), np.nansum(targets, axis=0)
    assert balanced_weights(struct, 0, positive=True) == pytest.approx((is_known - positive) / positive, rel=1e-6)
    classes = targets.shape[1]
    assert balanced_weights(struct, 0, positive=False) == pytest.approx(is_known / (classes * positive), rel=1e-6)


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec", [FOCAL, {"_target_": "torch.nn.MultiLabelSoftMarginLoss"}, LOSS | {"reduction": "sum"}]
)
def test_losses_that_cannot_leave_out_unknown_labels_are_refused(spec: dict[str, Any]):
    struct = SimpleNamespace(name="t", task_type=KIND, is_partial=True)
    with pytest.raises(MMLError, match="cannot leave out the unknown labels of t; set loss: default"):
        build_loss(spec, struct, 0, None)


def test_sure_and_right_answers_cost_less_where_labels_are_unknown():
    logits, targets = batch()
    Objective("t", KIND, KnownLabelsLoss(nn.BCEWithLogitsLoss())).check(nn.Identity(), logits, targets)

    class Backwards(KnownLabelsLoss):
        def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return -super().forward(logits, targets)

    with pytest.raises(MMLError, match="for correct outputs of t and"):
        Objective("t", KIND, Backwards(nn.BCEWithLogitsLoss())).check(nn.Identity(), logits, targets)
