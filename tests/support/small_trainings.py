"""Short trainings, and the predictions of their networks."""

from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import torch
from lightning.pytorch import Trainer

from mml_lib.config.loading import load_study
from mml_lib.config.training_options import Sampling
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.inference.prediction import predict
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.module import MMLModule
from mml_lib.training.trainer import build_trainer
from tests.support.small_tasks import PRESETS
from tests.support.workplaces import TINY


def fit(
    model: MMLModule,
    struct: TaskStruct,
    folder: Path,
    epochs: int = 1,
    precision: str = "32-true",
    resume: Path | None = None,
) -> Trainer:
    """Train a module on fold 0, and return its trainer."""
    trainer = {"max_epochs": epochs, "accelerator": "cpu", "precision": precision}
    study = TINY | {"trainer": trainer, "lr_scheduler": None, "paths": {"presets": [str(PRESETS)]}}
    built = build_trainer(load_study(study), folder / "checkpoints", {})
    built.fit(model, MMLDataModule(struct, 0, Sampling(batch_size=5), seed=0), ckpt_path=resume, weights_only=True)
    return built


def predicted(struct: TaskStruct, model: MMLModule, part: str = "test", batch_size: int = 3) -> Any:
    data = MMLDataModule(struct, 0, Sampling(batch_size=batch_size), seed=0)
    ids = struct.samples["id"][struct.select(part, 0)]
    return predict(model, data.ordered(part), ids, torch.device("cpu"))
