"""A training to kill, and what it leaves."""

import json
from pathlib import Path

import psutil

from tests.support.forked_snakemake import RunningSnakemake
from tests.support.workplaces import TINY, Workplace, steps_of, wait_for

LONG = TINY | {
    # All at once that a training can lose track of: two tasks, tuning, one-cycle, MixUp, adapters, averaged weights.
    "mode": {"preset": "train", "cv": False, "subroutines": ["train"], "multitask": True},
    "pivot": {"name": "stripes"},
    "tasks": {
        "stripes": {"creator": "fake", "num_samples": 150, "num_classes": 2, "size": 24, "folds": 3},
        "angle": {"creator": "fake", "task_type": "regression", "num_samples": 60, "size": 24, "folds": 3},
    },
    "arch": {"preset": "test_resnet", "drop_rate": 0.3},
    "loss": "default",
    "augmentations": "flips",
    "mixing": {"mixup": 0.2, "cutmix": 1.0},
    "adapters": {"r": 4, "lora_dropout": 0.1},
    "callbacks": {"preset": "swa"},
    "tune": {"lr": True, "num_training": 20},
    "trainer": {"max_epochs": 7, "accelerator": "cpu"},
}


def checkpoints(place: Workplace) -> list[Path]:
    return place.files("results/tiny/CHECKPOINTS/*/*/epoch=*.ckpt")


def training(process: RunningSnakemake) -> psutil.Process:
    return wait_for(lambda: steps_of(process, "train_fold.py"))[-1]


def comparable(place: Workplace, fold: int = 0) -> dict[str, object]:
    """Return the artefacts that interruptions must not change: weights, history, model storage without times."""
    (weights,) = place.files(f"results/tiny/PARAMETERS/*/*-fold{fold}.safetensors")
    (history,) = place.files(f"results/tiny/HISTORY/*/*-fold{fold}.csv")
    (model,) = place.files(f"results/tiny/MODELS/*/*-fold{fold}.json")
    storage = json.loads(model.read_text())
    return {
        "weights": weights.read_bytes(),
        "history": history.read_text(),
        "tuning": [file.read_text() for file in place.files("results/tiny/TUNING/*/*.json")],
        "storage": {
            key: value for key, value in storage.items() if key not in ("training_time", "created", "energy_kwh")
        },
    }


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if ".part" in path.name or "CHECKPOINTS" in path.parts]
