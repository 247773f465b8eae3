"""Everything that belongs to a pipeline: what each part does, and that a training with it resumes where it was."""

import random
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

from mml_lib.config.schema import StudyConfig
from mml_lib.config.training_options import Mixing, Sampling
from mml_lib.data.augmentation import Augmentation
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.data.mixing import BatchMixing
from mml_lib.errors import MMLError
from mml_lib.models.losses import build_loss
from mml_lib.models.network import Network, head_spec, load_network, save_network
from mml_lib.task_types import LEARNABLE
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.module import MMLModule
from mml_lib.training.trainer import build_trainer
from tests.support.pipeline_studies import SWA, study
from tests.support.small_tasks import ARCH, fake_task, small_model

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore:::torch")


def model_of(struct: TaskStruct, cfg: StudyConfig, **changes: Any) -> MMLModule:
    """Return a module with the parts of a study."""
    parts = {
        "loss": build_loss(cfg.loss_of(struct.task_type).spec(), struct, 0, cfg.class_weights),
        "optimizer": cfg.optimizer.spec(),
        "lr_scheduler": cfg.lr_scheduler,
        "augmentation": Augmentation(cfg.augmentations),
        "metrics": {},
        "mixing": BatchMixing(cfg.mixing, struct.num_classes) if cfg.mixing else None,
        "compile_with": cfg.compile.model_dump() if cfg.compile else None,
    }
    return small_model(struct, **parts | changes)


def fit(
    struct: TaskStruct, cfg: StudyConfig, folder: Path, resume: Path | None = None, **changes: Any
) -> tuple[MMLModule, list[Path]]:
    """Train on fold 0, from a checkpoint on if there is one; return the module and the checkpoints of all epochs."""
    model, trainer = model_of(struct, cfg, **changes), build_trainer(cfg, folder, {})
    trainer.checkpoint_callback.save_top_k = -1
    data = MMLDataModule(struct, 0, Sampling(batch_size=5), seed=0)
    trainer.fit(model, data, ckpt_path=resume, weights_only=True)
    return model, sorted(folder.glob("*.ckpt"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> TaskStruct:
    return fake_task(tmp_path_factory.mktemp("images"), "classification")


# --- resuming -----------------------------------------------------------------------------------------------------

STOP = {"preset": "early_stopping", "early_stopping": {"patience": 1, "min_delta": 10.0}}
EMA = {"preset": "ema", "ema": {"decay": 0.9}}
PLATEAU = {"preset": "plateau", "patience": 0, "factor": 0.5, "threshold": 0.5}
PARTS: dict[str, dict[str, Any]] = {
    "one_cycle, accumulated, clipped": {
        "lr_scheduler": "one_cycle",
        "trainer": {"accumulate_grad_batches": 2, "gradient_clip_val": 0.5, "max_epochs": 2},
    },
    "plateau": {"lr_scheduler": PLATEAU},
    "plateau, rarely validated": {"lr_scheduler": PLATEAU, "trainer": {"check_val_every_n_epoch": 2, "max_epochs": 4}},
    "restarts": {"lr_scheduler": {"preset": "cosine_restarts", "T_0": 2}},
    "warm-up, lamb": {"lr_scheduler": "cosine_warmup", "optimizer": "lamb", "trainer": {"max_epochs": 2}},
    "mixup, cutmix, randaugment": {
        "mixing": {"mixup": 0.2, "cutmix": 1.0, "p": 0.8},
        "augmentations": "randaugment",
        "trainer": {"max_epochs": 2},
    },
    "torchvision, a module that draws by numpy": {
        "augmentations": {
            "transforms": [
                {"_target_": "torchvision.transforms.v2.RandomAffine", "degrees": 20, "fill": 0.5},
                {"_target_": "torchvision.transforms.ColorJitter", "brightness": 0.4},
                {"_target_": "tests.unit.training.test_pipeline_parts.Darkened"},
            ]
        },
        "trainer": {"max_epochs": 2},
    },
    "early stopping": {"callbacks": STOP},
    "swa": {"callbacks": SWA, "lr_scheduler": "exponential"},
    "ema": {"callbacks": EMA, "trainer": {"max_epochs": 2}},
    "max_time": {"trainer": {"max_time": {"microseconds": 1}}},
}


@pytest.mark.long
@pytest.mark.parametrize("part", PARTS)
def test_training_that_is_interrupted_after_any_epoch_gives_the_same_weights(
    tmp_path: Path, images: TaskStruct, part: str
):
    cfg = study(**PARTS[part])
    whole, checkpoints = fit(images, cfg, tmp_path / "whole")
    assert len(checkpoints) == len(whole.history)
    for number, checkpoint in enumerate(checkpoints):
        resumed, _ = fit(images, cfg, tmp_path / str(number), resume=checkpoint)
        assert resumed.history == whole.history
        assert bytes_of(resumed, tmp_path) == bytes_of(whole, tmp_path)


def bytes_of(model: MMLModule, folder: Path) -> bytes:
    """Return the file of the weights."""
    save_network(model.network, folder / "weights", {})
    return (folder / "weights").read_bytes()


def test_swa_of_a_network_without_batch_norm_survives_an_interruption_after_its_last_epoch(
    tmp_path: Path, images: TaskStruct
):
    plain = {"_target_": "tests.unit.training.test_pipeline_parts.PlainNetwork"}
    cfg = study(callbacks=SWA, trainer={"max_epochs": 2})
    networks = [Network(plain, {"t": head_spec(images, None)}) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    whole, checkpoints = fit(images, cfg, tmp_path / "whole", network=networks[0])
    resumed, _ = fit(images, cfg, tmp_path / "resumed", resume=checkpoints[-1], network=networks[1])
    assert [row["epoch"] for row in whole.history] == [0, 1, 2]  # the last of them is that of the average
    assert bytes_of(resumed, tmp_path) == bytes_of(whole, tmp_path)


class Darkened(torch.nn.Module):
    """An augmentation that draws by NumPy and by Python."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images * np.random.rand() * random.random()


class PlainNetwork(torch.nn.Sequential):
    """A network without batch normalisation."""

    num_features = 4

    def __init__(self) -> None:
        super().__init__(torch.nn.AvgPool2d(16), torch.nn.Flatten(), torch.nn.Linear(12, 4))


# --- what the parts do --------------------------------------------------------------------------------------------


def history(images: TaskStruct, folder: Path, column: str, **parts: Any) -> list[float]:
    model, _ = fit(images, study(**parts), folder)
    return [row[column] for row in model.history if column in row]


def test_early_stopping_and_max_time_end_a_training(tmp_path: Path, images: TaskStruct):
    assert len(history(images, tmp_path / "a", "lr", callbacks=STOP)) == 2
    assert len(history(images, tmp_path / "b", "lr", **PARTS["max_time"])) == 1


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ({"preset": "exponential", "gamma": 0.5}, [1, 0.5, 0.25]),
        ({"preset": "cosine_restarts", "T_0": 2}, [1, 0.5, 1]),
        (PLATEAU | {"threshold": 0.99}, [1, 1, 0.5]),  # the loss does not become a hundredth
        ("cosine_warmup", [0.962, 0.5, 0.038]),  # in the last of three steps each
        ("none", [1, 1, 1]),
    ],
)
def test_history_has_the_learning_rate_that_was_used(
    tmp_path: Path, images: TaskStruct, scheduler: Any, expected: list
):
    rates = history(images, tmp_path, "lr", lr_scheduler=scheduler)
    assert [rate / 0.003 for rate in rates] == pytest.approx(expected, abs=1e-3)


def test_epochs_that_are_not_validated_have_no_validation_loss(tmp_path: Path, images: TaskStruct):
    model, _ = fit(images, study(trainer={"check_val_every_n_epoch": 2, "max_epochs": 2}), tmp_path)
    assert ["val/loss" in row for row in model.history] == [False, True]


def test_averaged_weights_are_those_that_were_validated(tmp_path: Path, images: TaskStruct):
    for callbacks in (SWA, EMA):
        cfg = study(callbacks=callbacks)
        model, _ = fit(images, cfg, tmp_path / next(reversed(callbacks)))
        results = Trainer(
            accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False
        ).validate(model, MMLDataModule(images, 0, Sampling(batch_size=5), seed=0), verbose=False)
        assert results[0]["val/loss"] == pytest.approx(model.history[-1]["val/loss"])


@pytest.mark.long
def test_compiled_training_stores_ordinary_weights(tmp_path: Path, images: TaskStruct):
    model, _ = fit(images, study(compile={"backend": "eager"}, trainer={"max_epochs": 1}), tmp_path)
    bytes_of(model, tmp_path)
    loaded, _ = load_network(tmp_path / "weights")
    assert model.network._compiled_call_impl is not None
    assert loaded.state_dict().keys() == Network(ARCH, {"t": head_spec(images, None)}).state_dict().keys()


# --- mixing -------------------------------------------------------------------------------------------------------

BATCH = torch.eye(4).view(4, 1, 4, 1).expand(4, 3, 4, 4).contiguous()
CLASSES = torch.tensor([0, 1, 2, 1])


@pytest.mark.parametrize("mixing", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
@pytest.mark.parametrize("soft", [False, True])
def test_targets_are_mixed_in_the_shares_of_the_images(mixing: dict[str, float], soft: bool):
    one_hot = torch.nn.functional.one_hot(CLASSES, 3).float()
    whole = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 16, 16)  # image n is of value n
    for seed in range(20):
        torch.manual_seed(seed)
        images, targets, _ = BatchMixing(Mixing(**mixing), 3)(whole, one_hot if soft else CLASSES)
        other = ((images[1:] - whole[1:]).mean((1, 2, 3)) / (whole[:3] - whole[1:]).mean((1, 2, 3))).mean()
        assert torch.allclose(targets, one_hot * (1 - other) + one_hot.roll(1, 0) * other, atol=1e-5)


def test_batches_are_mixed_as_often_as_p_says():
    mixing = BatchMixing(Mixing(mixup=0.4, p=0.25), 3)
    torch.manual_seed(0)
    assert 70 < sum(not torch.equal(mixing(BATCH, CLASSES)[0], BATCH) for _ in range(400)) < 130


# --- losses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["default", "label_smoothing", "focal"])
@pytest.mark.parametrize("task_type", LEARNABLE)
def test_every_loss_preset_learns_every_task_type_with_weights_where_there_are_classes(
    tmp_path: Path, task_type: str, preset: str
):
    struct = fake_task(tmp_path, task_type, soft=True)
    weights = None if task_type == "regression" else "balanced"
    cfg = study(loss=preset, class_weights=weights)
    loss = build_loss(cfg.loss_of(task_type).spec(), struct, 0, cfg.class_weights)
    data = MMLDataModule(struct, 0, Sampling(batch_size=8), seed=0)
    targets = next(iter(data.train_dataloader()))["target"]
    outputs = torch.zeros(
        len(targets), *(() if task_type == "regression" else (struct.num_outputs, *targets.shape[1:]))
    )
    outputs = outputs[..., 0] if task_type == "multilabel_classification" else outputs
    outputs.requires_grad_()
    before = loss(outputs, targets)
    before.backward()
    assert loss(outputs - outputs.grad * 0.1, targets) < before


def test_balanced_weights_are_counted_in_the_training_folds(tmp_path: Path):
    struct = fake_task(tmp_path, "classification", num_samples=40)
    train = struct.select("train", 0)
    struct.targets[:] = 2
    struct.targets[train[:4]] = 0
    struct.targets[train[4:5]] = 1
    counts = np.array([4, 1, len(train) - 5])
    loss = build_loss({"_target_": "torch.nn.CrossEntropyLoss"}, struct, 0, "balanced")
    assert loss.weight.tolist() == pytest.approx(len(train) / (3 * counts))


def test_class_weights_by_name_leave_other_classes_at_one(images: TaskStruct):
    first, *others = images.classes
    loss = build_loss({"_target_": "torch.nn.CrossEntropyLoss"}, images, 0, {first: 5.0})
    assert loss.weight.tolist() == [5.0, *(1.0 for _ in others)]
    with pytest.raises(MMLError, match="has no class 'nobody'"):
        build_loss({"_target_": "torch.nn.CrossEntropyLoss"}, images, 0, {"nobody": 1.0})
    with pytest.raises(MMLError, match="L1Loss has no argument"):
        build_loss({"_target_": "torch.nn.L1Loss"}, images, 0, "balanced")


@pytest.mark.parametrize("preset", ["default", "cross_entropy", "focal", "label_smoothing"])
def test_pixels_that_are_all_ignored_cost_nothing(tmp_path: Path, preset: str):
    struct = fake_task(tmp_path, "semantic_segmentation")
    loss = build_loss(study(loss=preset).loss_of(struct.task_type).spec(), struct, 0, None)
    assert loss(torch.ones(2, 3, 4, 4), torch.full((2, 4, 4), 255)) == 0


# --- augmentation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["randaugment", "medical_color", {"preset": "randaugment", "magnitude": 0.5}])
def test_augmentation_presets_change_images_and_keep_classes_of_masks(preset: Any):
    augmentation = Augmentation(study(augmentations=preset).augmentations, masks=True)
    torch.manual_seed(0)
    images, masks = torch.rand(16, 3, 32, 32), torch.tensor([0, 9])[torch.randint(0, 2, (16, 32, 32))]
    changed, moved = augmentation.with_masks(images, masks)
    assert sum(not torch.equal(*pair) for pair in zip(changed, images, strict=True)) >= 8
    assert (changed.min() >= 0) & (changed.max() <= 1)
    assert set(moved.unique().tolist()) <= {0, 9, 255}
    assert torch.equal(moved, masks) == (preset == "medical_color")
