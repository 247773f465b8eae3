"""Weights of samples in trainings: a sample of weight 2 counts as two, one of weight 0 as none."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mml_lib.config.training_options import Mixing, Sampling
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.data.mixing import BatchMixing
from mml_lib.errors import MMLError
from mml_lib.models.losses import balanced_weights, build_loss
from mml_lib.task_types import IGNORE
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.struct import TaskStruct
from tests.support.small_tasks import LOSSES, fake_task, small_model
from tests.support.small_trainings import fit, predicted

NUMBERS = [2, 1, 0, 3]
"""Weights of four samples, and how often each is there without weights."""

FOCAL = {"_target_": "mml_lib.models.losses.FocalLoss", "gamma": 2.0}
CE, BCE = "torch.nn.CrossEntropyLoss", "torch.nn.BCEWithLogitsLoss"
OWN_WEIGHTS = torch.tensor([0.5, 2.0, 1.0])

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "cross-entropy": ("classification", {"_target_": CE}),
    "smoothed": ("classification", {"_target_": CE, "label_smoothing": 0.1}),
    "weighted classes": ("classification", {"_target_": CE, "weight": OWN_WEIGHTS.tolist()}),
    "soft targets": ("soft", {"_target_": CE, "weight": OWN_WEIGHTS.tolist()}),
    "focal": ("classification", FOCAL | {"mode": "multiclass"}),
    "focal of weighted classes": ("classification", FOCAL | {"mode": "multiclass", "class_weights": [0.5, 2.0, 1.0]}),
    "labels": ("multilabel_classification", {"_target_": BCE, "pos_weight": OWN_WEIGHTS.tolist()}),
    "focal of labels": ("multilabel_classification", FOCAL | {"mode": "multilabel"}),
    "smoothed labels": (
        "multilabel_classification",
        {"_target_": "segmentation_models_pytorch.losses.SoftBCEWithLogitsLoss", "smooth_factor": 0.1},
    ),
    "partial labels": ("partial", {"_target_": BCE, "pos_weight": OWN_WEIGHTS.tolist()}),
    "values": ("regression", {"_target_": "torch.nn.MSELoss"}),
    "Huber": ("regression", {"_target_": "torch.nn.HuberLoss"}),
    "masks": ("semantic_segmentation", {"_target_": CE, "weight": OWN_WEIGHTS.tolist()}),
    "masks by Dice": ("semantic_segmentation", {"_target_": "mml_lib.models.losses.CrossEntropyDice"}),
    "masks by focal loss": ("semantic_segmentation", FOCAL | {"mode": "multiclass"}),
}


def batch(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return outputs and targets of four samples."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(4, 3, generator=generator)
    if kind == "regression":
        return logits[:, 0], torch.rand(4, generator=generator)
    if kind == "classification":
        return logits, torch.tensor([0, 2, 1, 1])
    if kind == "semantic_segmentation":
        targets = torch.randint(3, (4, 5, 5), generator=generator)
        targets[0, :3] = targets[3, 0] = IGNORE
        return torch.randn(4, 3, 5, 5, generator=generator), targets
    soft = torch.rand(4, 3, generator=generator)
    if kind == "soft":
        return logits, soft.softmax(dim=1)
    return logits, soft.masked_fill(soft < 0.3, torch.nan) if kind == "partial" else (soft > 0.5).float()


def loss_for(kind: str, spec: dict[str, Any], weighted: bool = True) -> nn.Module:
    task_type = {"soft": "classification", "partial": "multilabel_classification"}.get(kind, kind)
    partial = kind == "partial"
    struct = SimpleNamespace(name="t", task_type=task_type, is_partial=partial, is_weighted=weighted, num_classes=3)
    return build_loss(spec, struct, 0, None)


@pytest.mark.parametrize(("kind", "spec"), CASES.values(), ids=CASES.keys())
def test_a_sample_of_weight_2_counts_as_two(kind: str, spec: dict[str, Any]):
    outputs, targets = batch(kind)
    outputs.requires_grad_()
    loss = loss_for(kind, spec)(outputs, targets, torch.tensor([5.0 * number for number in NUMBERS]))
    rows = torch.tensor(NUMBERS)
    bare = loss_for(kind, spec, weighted=False)
    expected = bare(outputs.repeat_interleave(rows, 0), targets.repeat_interleave(rows, 0))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    gradients = [torch.autograd.grad(value, outputs, retain_graph=True)[0] for value in (loss, expected)]
    assert torch.allclose(*gradients, atol=1e-6)
    assert (gradients[0][2] == 0).all()


@pytest.mark.parametrize(("kind", "spec"), CASES.values(), ids=CASES.keys())
def test_equal_weights_change_nothing_and_none_at_all_is_0(kind: str, spec: dict[str, Any]):
    outputs, targets = batch(kind)
    loss = loss_for(kind, spec)
    expected = loss_for(kind, spec, weighted=False)(outputs, targets).item()
    for weights in (torch.full((4,), 0.3), None):
        assert loss(outputs, targets, weights).item() == pytest.approx(expected, rel=1e-5)
    assert loss(outputs, targets, torch.zeros(4)).item() == 0


@pytest.mark.parametrize("name", ["partial labels", "masks", "masks by Dice", "masks by focal loss"])
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 3.0]])
def test_outputs_where_nothing_is_known_have_no_part_in_a_loss(name: str, weights: list[float] | None):
    kind, spec = CASES[name]
    outputs, targets = batch(kind)
    unknown = targets.isnan() if kind == "partial" else (targets == IGNORE)[:, None].expand_as(outputs)
    loss, further = (
        loss_for(kind, spec, weighted=weights is not None),
        [] if weights is None else [torch.tensor(weights)],
    )
    other = [outputs.masked_fill(unknown, value).requires_grad_() for value in (-50.0, 0.0, 50.0)]
    losses = [loss(changed, targets, *further) for changed in other]
    assert unknown.any()
    assert len({value.item() for value in losses}) == 1
    for value, changed in zip(losses, other, strict=True):
        assert (torch.autograd.grad(value, changed)[0][unknown] == 0).all()


def test_losses_that_cannot_weigh_samples_are_refused():
    dice = {"_target_": "segmentation_models_pytorch.losses.DiceLoss", "mode": "multiclass"}
    for spec in (dice, {"_target_": CE, "reduction": "sum"}):
        with pytest.raises(MMLError, match="cannot weigh the samples of t; set loss: default"):
            loss_for("classification", spec)
    focal = {"_target_": "segmentation_models_pytorch.losses.FocalLoss", "mode": "multiclass"}
    with pytest.raises(MMLError, match="FocalLoss cannot weigh samples"):
        loss_for("classification", focal)(*batch("classification"), torch.ones(4))


def test_parts_of_a_mixed_sample_count_by_their_weights():
    targets, weights = torch.tensor([0, 2, 1]), torch.tensor([1.0, 0.0, 3.0])
    images = torch.eye(3)[:, :, None, None].expand(3, 3, 2, 2)
    torch.manual_seed(1)
    images, mixed, whole = BatchMixing(Mixing(mixup=1.0), 3)(images, targets, weights)
    share = images[0, 0, 0, 0].item()
    logits = torch.randn(3, 3)
    losses = functional.cross_entropy(logits, mixed, reduction="none") * whole
    own, other = (functional.cross_entropy(logits, side, reduction="none") for side in (targets, targets.roll(1)))
    expected = share * weights * own + (1 - share) * weights.roll(1) * other
    assert 0 < share < 1
    assert losses.tolist() == pytest.approx(expected.tolist(), rel=1e-5)


# --- tasks ------------------------------------------------------------------------------------------------------------


def weigh(struct: TaskStruct, weights: np.ndarray) -> TaskStruct:
    """Return the task with weights of its samples."""
    task = TaskDescription.read(struct.paths["description"])
    samples = {**task.samples, "weight": weights.tolist()}
    TaskDescription(task.header, samples).changed("weighted").write(struct.paths["description"])
    return TaskStruct(struct.name, struct.paths)


def losses_of(struct: TaskStruct, model: Any, part: str) -> np.ndarray:
    """Return the loss of each sample of a part."""
    predictions = predicted(struct, model, part)
    logits, targets = torch.from_numpy(predictions.logits), torch.from_numpy(predictions.targets)
    head = model.network.head_of(struct.name)
    if struct.task_type == "regression":
        return (head.standardise(logits[:, 0]) - head.standardise(targets)).square().numpy()
    if struct.task_type == "classification":
        return functional.cross_entropy(logits, targets, reduction="none").numpy()
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1).numpy()


@pytest.mark.parametrize("kind", ["classification", "multilabel_classification", "regression"])
def test_losses_of_epochs_are_weighted_means_over_samples(tmp_path: Path, kind: str):
    struct = fake_task(tmp_path, kind)
    struct = weigh(struct, np.random.default_rng(0).choice([0.0, 0.5, 2.0], len(struct.samples["id"])))
    still = {"_target_": "torch.optim.SGD", "lr": 0.0}
    model = small_model(struct, loss=build_loss(dict(LOSSES[kind]), struct, 0, None), optimizer=still)
    model.network.eval()
    model.network.train = lambda mode=True: model.network  # batch normalisation by one batch differs from that by all
    fit(model, struct, tmp_path / "a")
    for part in ("train", "val"):
        weights = struct.weights[struct.select(part, 0)]
        expected = np.average(losses_of(struct, model, part), weights=weights)
        assert model.history[-1][f"{part}/loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", LOSSES)
def test_training_with_equal_weights_is_that_without(tmp_path: Path, kind: str):
    histories = []
    struct = fake_task(tmp_path, kind)
    for number in range(2):
        struct = weigh(struct, np.full(len(struct.samples["id"]), 0.25)) if number else struct
        optimizer = {"_target_": "torch.optim.SGD", "lr": 0.01}
        model = small_model(struct, loss=build_loss(dict(LOSSES[kind]), struct, 0, None), optimizer=optimizer)
        fit(model, struct, tmp_path / str(number), epochs=2)
        histories.append(model.history)
    for row, expected in zip(*histories, strict=True):
        assert row["train/loss"] == pytest.approx(expected["train/loss"], rel=1e-3)
        assert row["val/loss"] == pytest.approx(expected["val/loss"], rel=1e-3)


@pytest.mark.parametrize("packed", [True, False])
def test_batches_hold_the_weights_of_their_samples(tmp_path: Path, packed: bool):
    cuts = () if packed else [(32, 32), (20, 24)]
    struct = fake_task(tmp_path, "classification", cuts=cuts, **({} if packed else {"transforms": ()}))
    weights = np.arange(len(struct.samples["id"]), dtype=float) + 1
    struct = weigh(struct, weights)
    images = MMLDataModule(struct, 0, Sampling(), seed=0).part("train")
    rows = struct.select("train", 0)
    assert images[np.array([3, 0])]["weight"].tolist() == weights[rows[[3, 0]]].tolist()
    assert (
        "weight" not in MMLDataModule(fake_task(tmp_path / "b", "classification"), 0, Sampling(), 0).part("train")[[0]]
    )


@pytest.mark.parametrize("kind", ["classification", "multilabel_classification", "semantic_segmentation"])
@pytest.mark.parametrize("positive", [False, True])
def test_balanced_weights_of_classes_count_weights_of_samples(tmp_path: Path, kind: str, positive: bool):
    struct = fake_task(tmp_path, kind)
    numbers = np.random.default_rng(1).integers(0, 3, len(struct.samples["id"]))
    rows = struct.select("train", 0)
    targets = np.repeat(struct.targets[rows], numbers[rows], axis=0)
    counts = np.bincount(targets) if kind == "classification" else targets.sum(axis=0)
    whole = len(targets) if kind == "multilabel_classification" else counts.sum()
    expected = (whole - counts) / counts if positive else whole / (len(counts) * counts)
    weighted = weigh(struct, 4.0 * numbers)
    assert balanced_weights(weighted, 0, positive) == pytest.approx(expected.tolist(), rel=1e-6)


def test_values_are_standardised_by_weighted_moments(tmp_path: Path):
    struct = fake_task(tmp_path, "regression")
    numbers = np.random.default_rng(1).integers(0, 3, len(struct.samples["id"]))
    train = struct.samples["split"] == "train"
    values = np.repeat(struct.targets[train].astype(float), numbers[train])
    target = weigh(struct, 4.0 * numbers).header["target"]
    moments = [values.mean(), values.std(), values.min(), values.max()]
    assert [target[key] for key in ("mean", "std", "min", "max")] == pytest.approx(moments, rel=1e-6)
