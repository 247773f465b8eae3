"""A small project on the disk: real files of two runs on one task, without a training."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.images.surveying import survey_images
from mml_lib.models.model_storage import ModelStorage
from mml_lib.predictions.predictions import Predictions
from mml_lib.studies.study import Study
from mml_lib.tasks.creators.creator_registry import create
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.splitting import Splitting, assign
from mml_lib.tasks.targets import Targets
from tests.support.places import CONFIG

FAKE = {"creator": "fake", "num_samples": 24, "folds": 2, "unlabelled": 3}
CLASSES = ["angle000", "angle060", "angle120"]


@dataclass
class Project:
    """A study, and the ids of its runs by learning rate."""

    study: Study
    runs: dict[float, str]

    @property
    def root(self) -> Path:
        return self.study.fm.results_path

    def path(self, key: str, **tokens: Any) -> Path:
        return Path(self.study.fm.path(key, **({"task": "shapes", "run": self.runs[0.1], "fold": 0} | tokens)))


def small_study(folder: Path, **changes: Any) -> Study:
    base = {
        "project": "demo",
        "mode": "train",
        "tasks": {"shapes": FAKE},
        "preprocessing": "default",
        "normalization": "imagenet",
        "arch": "test_resnet",
        "augmentations": "none",
        "loss": "default",
        "optimizer": "adamw",
        "lr_scheduler": "none",
        "sampling": "default",
        "trainer": "default",
        "sweep": {"optimizer.lr": [0.1, 0.2]},
        "paths": {"presets": [str(CONFIG)], "data": str(folder / "data"), "results": str(folder / "results")},
    }
    return Study(base | changes)


def small_project(folder: Path, **changes: Any) -> Project:
    """Write a project `demo`: a task `shapes` of 3 classes, learned by two runs on two folds each."""
    study = small_study(folder, **changes)
    description = _describe(study, folder / "images")
    runs = study.scheduler("train").runs_of("shapes")
    for number, run in enumerate(runs):
        write(study.fm.path("pipeline", task="shapes", run=run.id), run.pipeline.to_yaml())
        for fold in (0, 1):
            _network(study, description, run.id, fold, good=number == 0 and fold == 1)
    return Project(study, {run.pipeline.content["optimizer"]["lr"]: run.id for run in runs})


def write(path: str | Path, content: str) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def _describe(study: Study, images: Path) -> TaskDescription:
    definition = study.tasks["shapes"].definition()
    delivery = create("fake", {"num_samples": 24, "unlabelled": 3}, images)
    dataset = survey_images(delivery, "DSET_shapes", images, 1)
    targets = Targets.of(dataset, None, "shapes")
    description = TaskDescription.of(
        definition, dataset, targets, assign(delivery.samples, targets, "shapes", Splitting.of(definition))
    )
    description.write(study.fm.path("description", task="shapes", task_id=definition["id"]))
    return description


def _network(study: Study, description: TaskDescription, run: str, fold: int, good: bool) -> None:
    about = {"task": "shapes", "run": run, "fold": fold}
    value = 1.0 if good else 0.5
    metrics = {"train/loss": 0.1, "val/loss": 1 - value, "val/accuracy": value, "val/auroc": None}
    storage = ModelStorage(
        **about,
        performance=1 - value,
        metrics=metrics,
        epochs=3,
        stored_epoch=1,
        training_time=61.2,
        num_parameters=7,
        device="cpu",
        created="2026-01-02 03:04:05",
    )
    storage.write(study.fm.path("models", **about))
    write(study.fm.path("parameters", **about), "w" * 1000)
    write(study.fm.path("history", **about), "epoch\n")
    for split in ("test", "unlabelled"):
        rows = np.flatnonzero(np.array(description.samples["split"]) == split)
        targets = np.array([-1 if split == "unlabelled" else description.targets.values[row] for row in rows])
        logits = np.eye(3, dtype="f")[np.where(targets < 0, 0, targets) if good else np.zeros(len(rows), int)]
        ids = np.array(description.samples["id"])[rows]
        Predictions(2 * logits, targets, ids).write(study.fm.path("predictions", **about, eval=split))
    details = {**about, "on": "shapes", "split": "test", "samples": 5}
    metrics = NetworkMetrics(metrics={"accuracy": value}, intervals={"accuracy": (0.2, 1.0)}, **details)
    metrics.write(study.fm.path("metrics", **about, eval="test"))
