"""Planned studies of two tasks, and networks that they start from."""

import json
from pathlib import Path
from typing import Any

from snakemake.iocontainers import Wildcards

from mml_lib.files.formats import FORMATS
from mml_lib.models.model_storage import ModelStorage
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.studies.study import Study
from tests.support.places import CONFIG

FAKE = {"creator": "fake", "num_samples": 24, "folds": 3}


TASKS = {
    "mine": FAKE,
    "b": FAKE | {"num_samples": 27},
    "c": FAKE | {"seed": 2, "task_type": "regression"},
    "d": FAKE | {"seed": 3, "task_type": "semantic_segmentation"},
    "archive": FAKE | {"task_type": "no_task"},
}


def planned(mode: dict[str, Any], folder: Path, **changes: Any) -> AbstractBaseScheduler:
    base = {
        "mode": {"preset": "train", **mode},
        "pivot": {"name": "mine"},
        "tasks": TASKS,
        "arch": "test_resnet",
        "decoder": "unet_small",
        "loss": "default",
        "optimizer": "adamw",
        "paths": {"presets": [str(CONFIG)], "data": str(folder / "data"), "results": str(folder / "results")},
    }
    study = Study(base | changes)
    study.check()
    return study.scheduler(study.cfg.mode.id)


def describe(study: Study, task: str, **num_samples: int) -> None:
    """Put the part of a task's description that plans read in its place."""
    header = {**FORMATS["description"].stamp, "header": {"num_samples": num_samples, "classes": None}}
    _made(Path(study.tasks.description_path(task))).write_text(json.dumps(header)[:-1] + ",\n")


def wildcards(**tokens: Any) -> Wildcards:
    return Wildcards(fromdict=tokens)


def transfer(folder: Path, mode: dict[str, Any] | None = None, **changes: Any) -> AbstractBaseScheduler:
    return planned({"preset": "tl", "pretrain_task": "b", **(mode or {})}, folder, **changes)


def store(folder: Path, project: str, plan: AbstractBaseScheduler, task: str, **metrics: float) -> str:
    """Put models of a task's first run, one a fold, into a project; return the run."""
    run = plan.runs_of(task)[0]
    root = folder / "results" / project
    for fold, value in enumerate(metrics.values()):
        storage = ModelStorage(
            task, run.id, fold, 1 - value, {"val/accuracy": value}, 1, 0, 1.0, 1, "cpu", created=f"2026-01-0{9 - fold}"
        )
        storage.write(_made(root / f"MODELS/{task}/{run.id}-fold{fold}.json"))
        _made(root / f"PARAMETERS/{task}/{run.id}-fold{fold}.safetensors").touch()
    _made(root / f"PIPELINES/{task}/{run.id}.yaml").write_text(run.pipeline.to_yaml())
    return run.id


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
