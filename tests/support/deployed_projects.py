"""A small finished project of any task type: networks with random weights on two folds, and their predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mml_lib.config.training_options import Patches, Sampling
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.data.sliding_window import SlidingWindow
from mml_lib.files.atomic import write_text
from mml_lib.files.manager import MMLFileManager
from mml_lib.images.transforms import is_restorable
from mml_lib.inference.delivered_masks import DeliveredMasks
from mml_lib.inference.prediction import predict
from mml_lib.models.model_storage import ModelStorage
from mml_lib.models.network import save_network
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.predictions.predictions import AnyPredictions, read_predictions
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.struct import TaskStruct
from mml_lib.training.module import MMLModule
from tests.support.small_tasks import ARCH, fake_task, small_model

RESIZED = ({"name": "resize", "size": [32, 32]},)
CROPPED = ({"name": "resize_smallest", "size": 40}, {"name": "center_crop", "size": [32, 32]})


@dataclass(frozen=True)
class DeployedProject:
    """A finished project.

    Args:
        fm: its file manager.
        struct: its task.
        run: id of its run.
        pipeline: pipeline of the run.
    """

    fm: MMLFileManager
    struct: TaskStruct
    run: str
    pipeline: Pipeline

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of `load_predictor` that name the project."""
        return {"project": "demo", "results": self.fm.results_path, "data": self.fm.data_path}

    @property
    def dataset(self) -> Dataset:
        return Dataset.read(self.struct.paths["dataset"])

    def path(self, key: str, fold: int = 0, **tokens: Any) -> Path:
        return Path(self.fm.path(key, task="t", run=self.run, fold=fold, **tokens))

    def stored(self, fold: int = 0) -> AnyPredictions:
        """Return the stored test predictions of a fold."""
        return read_predictions(self.path("predictions", fold, eval="test"))

    def files(self, ids: Sequence[str]) -> dict[str, Path]:
        """Return the image file of each sample."""
        dataset = self.dataset
        rows = {sample.id: row for row, sample in enumerate(dataset.delivery.samples)}
        return {str(name): Path(str(dataset.image_path(rows[str(name)]))) for name in ids}


def deployed_project(
    folder: Path,
    task_type: str = "classification",
    transforms: Sequence[dict[str, Any]] = RESIZED,
    patches: int | None = None,
    arch: dict[str, Any] = ARCH,
    **arguments: Any,
) -> DeployedProject:
    """Write a project with one task `t`, learned by one run on two folds: the files that predictors read."""
    MMLFileManager.clear_instance()
    fm = MMLFileManager(folder / "data", folder / "results", "demo")
    images = Path(fm.path("dataset", dataset="DSET_t")).parent
    struct = fake_task(images, task_type, transforms=transforms, **({"unlabelled": 2} | arguments))
    content: dict[str, Any] = {
        "version": 1,
        "task": {
            **{"name": "t", "id": "0a1b2c3d", "dataset": "DSET_t", "pack": "p-01234567", "task_type": task_type},
        },
        "seed": 0,
        "preprocessing": {"id": "p", "size": [32, 32], "transforms": [dict(spec) for spec in transforms]},
        "sampling": {"batch_size": 3},
        "arch": arch,
    }
    if patches:
        content["patches"] = {"size": patches}
    pipeline = Pipeline(content)
    write_text(fm.path("pipeline", task="t", run=pipeline.run), pipeline.to_yaml())
    description = fm.path("description", task="t", task_id="0a1b2c3d")
    write_text(description, struct.paths["description"].read_text())
    for fold in (0, 1):
        _write_network(fm, struct, pipeline, fold, patches, transforms)
    return DeployedProject(fm, struct, pipeline.run, pipeline)


def _write_network(
    fm: MMLFileManager,
    struct: TaskStruct,
    pipeline: Pipeline,
    fold: int,
    patches: int | None,
    transforms: Sequence[dict[str, Any]],
) -> None:
    options = Patches(size=patches) if patches else None
    window = SlidingWindow.of(options, 3) if options else None
    repeats = 3 // len(struct.means)  # the network takes colours
    model = small_model(struct, window=window, mean=struct.means * repeats, std=struct.stds * repeats)
    spread_outputs(model, fold)
    tokens = {"task": "t", "run": pipeline.run, "fold": fold}
    about = {
        "mean": model.mean.flatten().tolist(),
        "std": model.std.flatten().tolist(),
        "classes": {"t": struct.classes},
    }
    save_network(model.network, fm.path("parameters", **tokens), {**tokens, **about})
    metric = TASK_TYPES[struct.task_type].default_metrics[0]
    storage = ModelStorage(
        **tokens,
        performance=1.0,
        metrics={"val/loss": 1.0, f"val/{metric}": 0.5},
        epochs=1,
        stored_epoch=0,
        training_time=1.0,
        num_parameters=7,
        device="cpu",
        created="2026-01-02 03:04:05",
    )
    storage.write(fm.path("models", **tokens))
    data = MMLDataModule(struct, fold, Sampling(batch_size=3), 0, options)
    for part in ("test", "val"):
        ids = struct.samples["id"][struct.select(part, fold)]
        delivered = None
        if options and TASK_TYPES[struct.task_type].has_masks and is_restorable(transforms):
            delivered = DeliveredMasks(Dataset.read(struct.paths["dataset"]), transforms, struct.lookup)
        predictions = predict(model, data.ordered(part), ids, torch.device("cpu"), None, delivered)
        predictions.write(fm.path("predictions", **tokens, eval=part))


def spread_outputs(model: MMLModule, seed: int) -> None:
    """Give a network random weights and batch statistics by which images have different outputs."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    for name, parameter in model.network.named_parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.5 if "head" in name else 1.5 / parameter[0].numel() ** 0.5)
