"""Training on crops: it resumes bit-identically, and is validated window by window at the size of packed images."""

from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import pytest
import torch

from mml_lib.config.loading import load_study
from mml_lib.config.training_options import Patches, Sampling
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.data.sliding_window import SlidingWindow
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.module import MMLModule
from mml_lib.training.trainer import build_trainer
from tests.support.small_tasks import PRESETS, fake_task, small_model
from tests.support.workplaces import TINY

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore:::torch")

CUTS = [(48, 64), (70, 40), (72, 48)]
PATCHES = Patches(size=[52, 32], per_image=2)
WINDOW = SlidingWindow.of(PATCHES, 4)


def fit(struct: TaskStruct, folder: Path, epochs: int, resume: Path | None = None, **changes: Any) -> MMLModule:
    trainer = {"max_epochs": epochs, "accelerator": "cpu"}
    study = TINY | {"trainer": trainer, "lr_scheduler": None, "paths": {"presets": [str(PRESETS)]}}
    model = small_model(struct, window=WINDOW, **changes)
    data = MMLDataModule(struct, 0, Sampling(batch_size=5), 0, PATCHES)
    build_trainer(load_study(study), folder, {}).fit(model, data, ckpt_path=resume, weights_only=True)
    return model


def test_interrupted_training_on_crops_ends_as_an_uninterrupted_one(tmp_path: Path):
    struct = fake_task(tmp_path, "semantic_segmentation", transforms=(), cuts=CUTS, size=72)
    whole = fit(struct, tmp_path / "whole", 3, metrics={})
    fit(struct, tmp_path / "begun", 2, metrics={})
    (checkpoint,) = [path for path in (tmp_path / "begun").iterdir() if "1" in path.name][-1:]
    resumed = fit(struct, tmp_path / "begun", 3, checkpoint, metrics={})
    assert resumed.history == whole.history
    states = (model.network.state_dict().values() for model in (resumed, whole))
    assert all(torch.equal(*pair) for pair in zip(*states, strict=True))


@pytest.mark.parametrize("kind", ["semantic_segmentation", "classification", "multilabel_classification", "regression"])
def test_validation_sees_whole_images_by_windows(tmp_path: Path, kind: str):
    struct = fake_task(tmp_path, kind, transforms=(), cuts=CUTS, size=72)
    model = fit(struct, tmp_path / "run", 1)
    row = model.history[-1]
    data = MMLDataModule(struct, 0, Sampling(batch_size=5), 0, PATCHES)
    model.eval()
    losses = []
    with torch.no_grad():
        for batch in data.val_dataloader():
            assert len(batch["image"]) == 1
            outputs = WINDOW.outputs_of(batch["image"], model, kind)
            if kind == "semantic_segmentation":
                assert outputs.shape[2:] == batch["target"].shape[1:]
            losses.append(model.loss_of(outputs, batch["target"]).item())
    assert row["val/loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-4)
