"""Trainings that fail in one line: numbers that are not finite any more, and memory that does not suffice."""

import json
import logging
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins import MixedPrecision

from mml_lib.config.loading import load_study
from mml_lib.config.metric_options import StoreBest
from mml_lib.config.training_options import Sampling
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.errors import MMLError
from mml_lib.inference.prediction import predict
from mml_lib.machine.leases import SHARE, own_share
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.checkpoints import WholeCheckpointIO, problem_of
from mml_lib.training.guards import EVERY, describe_images, is_out_of_memory
from mml_lib.training.module import MMLModule
from mml_lib.training.trainer import build_trainer, storage_of
from tests.support.small_tasks import PRESETS, fake_task, small_model
from tests.support.workplaces import TINY

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore:::torch")

SHORT = Sampling(batch_size=6)
"""Two batches an epoch, of the 12 training samples."""


CHECKS = 2
"""Calls of a loss, without gradients, by the check that a training begins with."""


class Failing(torch.nn.CrossEntropyLoss):
    """A loss that fails in one of its training batches, counted from 0, or in one of its validation batches."""

    def __init__(self, train: int | None = None, val: int | None = None, by: str = "value"):
        super().__init__()
        self.fails = {"train": train, "val": val}
        self.by = by
        self.seen = {"train": 0, "val": -CHECKS}

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        loss, phase = super().forward(outputs, targets), "train" if torch.is_grad_enabled() else "val"
        self.seen[phase] += 1
        if self.seen[phase] - 1 != self.fails[phase]:
            return loss
        if self.by == "memory":
            torch.empty(1 << 46)
        return loss * np.nan if self.by == "value" else loss + (0 * outputs).sum().sqrt()  # of an infinite slope


def fit(model: MMLModule, struct: TaskStruct, folder: Path, sampling: Sampling = SHORT, **trainer: Any) -> Trainer:
    """Train a module on fold 0, by the trainer of a study; return it."""
    arguments = trainer.pop("arguments", {})
    settings = {"max_epochs": 3, "accelerator": "cpu"} | trainer
    study = TINY | {"trainer": settings, "lr_scheduler": None, "paths": {"presets": [str(PRESETS)]}}
    built = build_trainer(load_study(study), folder, arguments)
    built.fit(model, MMLDataModule(struct, 0, sampling, seed=0))
    return built


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> TaskStruct:
    return fake_task(tmp_path_factory.mktemp("images"), "classification")


def refuse(images: TaskStruct, folder: Path, loss: Failing, words: str, **trainer: Any) -> MMLModule:
    model = small_model(images, loss=loss, metrics={})
    with pytest.raises(MMLError, match=words):
        fit(model, images, folder, **trainer)
    return model


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.ckpt"))


# --- numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize(("by", "quantity"), [("value", "loss"), ("slope", "weights")])
def test_training_that_diverges_names_the_batch_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, images: TaskStruct, by: str, quantity: str, every: int
):
    words = (
        rf"^the {quantity} of t became nan at batch 1 \(from 0\) in epoch 1; lower optimizer\.lr or set "
        r"trainer\.gradient_clip_val \(which makes a new run, and the checkpoint of epoch 0 of this one is kept\)$"
    )
    loss = Failing(train=3, by=by)
    refuse(images, tmp_path, loss, words, check_val_every_n_epoch=every)
    assert loss.seen["val"] == (1 if every == 1 else 0), "what diverged is not validated"
    assert kept(tmp_path) == ["epoch=000000.ckpt"]
    assert problem_of(tmp_path / "epoch=000000.ckpt") is None
    weights = torch.load(tmp_path / "epoch=000000.ckpt", weights_only=True)["state_dict"]
    assert all(value.isfinite().all() for value in weights.values())


def test_training_that_diverges_in_its_first_epoch_promises_no_checkpoint(tmp_path: Path, images: TaskStruct):
    refuse(images, tmp_path, Failing(train=0), r"at batch 0 .* in epoch 0; .* \(which makes a new run\)$")
    assert kept(tmp_path) == []


def test_remedies_are_those_that_are_left(tmp_path: Path, images: TaskStruct):
    half = {"precision": None, "plugins": [MixedPrecision("16-mixed", "cpu"), WholeCheckpointIO()]}
    words = r"; lower optimizer\.lr, lower trainer\.gradient_clip_val or set trainer\.precision: bf16-mixed \("
    refuse(images, tmp_path, Failing(train=0), words, gradient_clip_val=1.0, arguments=half)


def test_training_that_diverges_ends_within_its_epoch(tmp_path: Path, images: TaskStruct):
    loss = Failing(train=EVERY + 3)
    sampling = Sampling(batch_size=2, sample_num=2 * 3 * EVERY)
    refuse(images, tmp_path, loss, rf"at batch {EVERY + 3} \(from 0\) in epoch 0", sampling=sampling)
    assert loss.seen == {"train": 2 * EVERY, "val": 0}


def test_accumulated_losses_are_looked_at_too(tmp_path: Path, images: TaskStruct):
    refuse(images, tmp_path, Failing(train=2), r"at batch 0 .* in epoch 1", accumulate_grad_batches=2)


def test_undefined_validation_loss_stops_nothing_and_is_never_the_best(
    tmp_path: Path, images: TaskStruct, caplog: pytest.LogCaptureFixture
):
    model = small_model(images, loss=Failing(val=0), store_best=StoreBest())
    with caplog.at_level(logging.WARNING, "mml_lib"):
        fit(model, images, tmp_path, max_epochs=2)
    assert [np.isfinite(row["val/loss"]) for row in model.history] == [False, True]
    assert all(np.isfinite(row["train/loss"]) for row in model.history)
    assert [record.getMessage() for record in caplog.records if "validation loss" in record.getMessage()] == [
        "the validation loss of t is nan in epoch 0, its training loss is finite: training continues, and store_best "
        "does not choose this epoch"
    ]
    assert model.keep_best()["epoch"] == 1


def test_model_whose_validation_loss_is_undefined_is_stored_as_valid_json(tmp_path: Path, images: TaskStruct):
    model = small_model(images, loss=Failing(val=0))
    trainer = fit(model, images, tmp_path, max_epochs=1)
    storage = storage_of(model, trainer, model.keep_best(), {"task": "t", "run": "0a1b2c3d", "fold": 0}, created="now")
    storage.write(tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text(), parse_constant=pytest.fail)["performance"] is None


# --- memory -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fails", "number"), [({"train": 3}, 4), ({"val": 3}, 2)])  # of 6 to be validated: 4 and 2
def test_lack_of_memory_in_training_names_the_batch_and_what_to_change(
    tmp_path: Path, images: TaskStruct, fails: dict[str, int], number: int
):
    words = (
        f"^out of memory on cpu in epoch 1 of t with a batch of {number} images of 32×32; halve sampling.batch_size, "
        "and keep the effective batch by trainer.accumulate_grad_batches: 4$"
    )
    sampling = Sampling(batch_size=4)
    refuse(images, tmp_path, Failing(**fails, by="memory"), words, sampling=sampling, accumulate_grad_batches=2)
    assert kept(tmp_path) == ["epoch=000000.ckpt"]


def test_lack_of_a_shared_gpus_memory_names_the_share(tmp_path: Path, images: TaskStruct, monkeypatch):
    monkeypatch.setenv(SHARE, "700")
    words = r"32×32; raise gpu_mem_mb of its resources \(700 now\), or halve sampling\.batch_size, and"
    refuse(images, tmp_path, Failing(train=3, by="memory"), words, sampling=Sampling(batch_size=4))


def test_share_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(SHARE, "abc")
    with pytest.raises(MMLError, match=rf"{SHARE} is a number of MB, not 'abc'; unset it"):
        own_share()


def test_lack_of_memory_in_prediction_names_the_batch_and_what_to_change(images: TaskStruct):
    model = small_model(images)
    model.network.register_forward_pre_hook(lambda *_: torch.empty(1 << 46))
    data = MMLDataModule(images, 0, Sampling(batch_size=4), seed=0)
    words = (
        "^out of memory on cpu in predicting by the network of t with a batch of 4 images of 32×32; free memory that "
        "other processes use, or lower sampling.batch_size, which makes a new run$"
    )
    with pytest.raises(MMLError, match=words):
        predict(model, data.ordered("val"), images.samples["id"][images.select("val", 0)], torch.device("cpu"))


def test_other_errors_stay_what_they_are(tmp_path: Path, images: TaskStruct):
    model = small_model(images)
    model.network.register_forward_pre_hook(lambda *_: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        fit(model, images, tmp_path)
    data = MMLDataModule(images, 0, SHORT, seed=0)
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        predict(model, data.ordered("val"), images.samples["id"][images.select("val", 0)], torch.device("cpu"))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 18.11 GB)"), True),
        (MemoryError("Unable to allocate 1.00 PiB for an array"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (MMLError("the task out of memory does not exist"), False),
    ],
)
def test_lack_of_memory_is_recognised_behind_other_errors_too(error: Exception, expected: bool):
    outer = MMLError("loss: it does not take outputs 4×2")
    outer.__cause__ = error
    assert (is_out_of_memory(error), is_out_of_memory(outer)) == (expected, expected)


def test_batches_of_several_tasks_are_named_once_for_each_size():
    small, large = ({"image": torch.zeros(4, 3, size, size)} for size in (8, 16))
    assert describe_images({"a": small, "b": small}) == "a batch of 4 images of 8×8"
    assert describe_images({"a": small, "b": large}) == "a batch of 4 images of 8×8 and a batch of 4 images of 16×16"
