"""Mistakes in a study that planning refuses, each with its line."""

import hashlib
from typing import Any

from tests.support.workplaces import TINY


def with_task(task: dict[str, Any], name: str = "mine") -> dict[str, Any]:
    return TINY | {"tasks": {name: task}}


FAKE = TINY["tasks"]["stripes"]


SHA256 = hashlib.sha256(b"something else").hexdigest()


def tagged(*names: str, **task: Any) -> dict[str, Any]:
    return TINY | {"loss": "default", "tasks": {"stripes": FAKE | task, **dict.fromkeys(names)}}


def of_type(task_type: str, **changes: Any) -> dict[str, Any]:
    return with_task(FAKE | {"task_type": task_type}) | {"loss": "default", "metrics": "default"} | changes


PLANNING = {
    "missing path": (
        with_task({"creator": "image_folder", "path": "nowhere"}),
        r"tasks\.mine: creator image_folder: .*{folder}/nowhere",
    ),
    "unknown pivot": (
        TINY | {"pivot": {"name": "stripe"}},
        r"pivot\.name: .*task 'stripe'.*did you mean 'stripes'\?",
    ),
    "unknown preset": (
        TINY | {"optimizer": "adamww"},
        r"study\.yaml: .*preset 'adamww', did you mean 'adamw'\?",
    ),
    "unknown key": (TINY | {"optimiser": "adam"}, r"study\.yaml: unknown key 'optimiser', did you mean 'optimizer'\?"),
    "unknown nested key": (
        TINY | {"trainer": {"max_epoch": 3}},
        r"study\.yaml: .*key 'max_epoch', did you mean 'max_epochs'\?",
    ),
    "unknown option of the mode": (
        TINY | {"mode": {"preset": "train", "cvv": True}},
        r"option 'cvv', did you mean 'cv'\?",
    ),
    "unknown creator": (
        with_task({"creator": "image_folders", "path": "x"}),
        r"tasks\.mine\.creator: .*creator 'image_folders', did you mean 'image_folder'\?",
    ),
    "unknown argument of a creator": (
        with_task({"creator": "fake", "num_sample": 3}),
        r"tasks\.mine: the creator 'fake'.*'num_sample', did you mean 'num_samples'\?",
    ),
    "creator without its path": (
        with_task({"creator": "csv"}),
        r"tasks\.mine: the creator 'csv'.*key 'path'",
    ),
    "unknown scheduler class": (
        TINY | {"mode": {"id": "own", "scheduler": {"_target_": "mml_lib.schedulers.train.TrainSchedular"}}},
        r"has no 'TrainSchedular', did you mean 'TrainScheduler'\?",
    ),
    "unknown metric": (
        TINY | {"metrics": ["acuracy"]},
        r"metric 'acuracy', did you mean 'accuracy'\?",
    ),
    "wrong type": (
        TINY | {"trainer": {"max_epochs": "many"}},
        r"study\.yaml: trainer\.max_epochs: .*integer",
    ),
    "out of range": (
        TINY | {"sampling": {"batch_size": 0}},
        r"study\.yaml: sampling\.batch_size: .*greater",
    ),
    "task name with a space": (with_task(FAKE, "my task"), r"study\.yaml: 'my task' \(tasks\.my task\)"),
    "task name with a slash": (with_task(FAKE, "a/b"), r"study\.yaml: 'a/b' \(tasks\.a/b\)"),
    "project that leaves its folder": (TINY | {"project": "../other"}, r"'\.\./other' \(project\)"),
    "fold that a task does not have": (
        TINY | {"mode": {"preset": "train", "folds": [5]}},
        r"mode\.folds: .*fold 5 here; it has 0 to 1",
    ),
    "swept key that is not part of a pipeline": (
        TINY | {"sweep": {"project": ["a", "b"]}},
        "'project' cannot be varied",
    ),
    "swept value of a wrong type": (
        TINY | {"sweep": {"trainer.max_epochs": [1, "x"]}},
        r"trainer\.max_epochs: .*integer",
    ),
    "removal of what is always kept": (TINY | {"remove": {"models": True}}, "remove.models: 'models' is always kept"),
    "plugin that does not exist": (
        TINY | {"plugins": ["none.py"]},
        r"plugins: .*{folder}/none\.py",
    ),
    "unknown tag": (
        tagged("stripes+subet~0.1"),
        r"stripes\+subet~0\.1: .*tag 'subet', did you mean 'subset'\?",
    ),
    "tag without its argument": (tagged("stripes+nested"), r"nested~FOLD\[~FOLDS\],.*given 0 arguments"),
    "tag with a bad argument": (tagged("stripes+subset~2"), "tag 'subset'.*between 0 and 1, not 2"),
    "tag with a fold that is not there": (
        tagged("stripes+nested~2"),
        "tag 'nested'.*0 to 1, not 2",
    ),
    "tag of another task type": (
        tagged("stripes+shrink_equal~3", task_type="regression"),
        "tag 'shrink_equal' .*classification, not .*regression",
    ),
    "tag without its plus": (
        TINY | {"tagging": {"all": "subset~0.1"}},
        r"study\.yaml: tagging\.all: 'subset~0\.1'.*write it as \+tag~argument",
    ),
    "tagged task without its base": (
        TINY | {"tasks": {"stripes": FAKE, "stripe+subset~0.1": None}},
        r"tasks\.stripe\+subset~0\.1: its base 'stripe'.*did you mean 'stripes'\?",
    ),
    "pivot tags without a pivot": (
        TINY | {"pivot": {"tags": "+nested~0"}},
        r"pivot\.tags: '\+nested~0'.*set pivot\.name",
    ),
    "unknown transform": (
        TINY | {"preprocessing": ["resise"]},
        r"preprocessing\.transforms\.0: .*transform 'resise', did you mean 'resize'\?",
    ),
    "loss of another task type": (
        of_type("regression", loss="cross_entropy"),
        r"loss: torch\.nn\.CrossEntropyLoss.*set loss: default, or loss\.regression",
    ),
    "loss that counts ignored pixels": (
        of_type("semantic_segmentation", loss="cross_entropy", decoder="unet_small"),
        "set ignore_index: 255",
    ),
    "segmentation without a decoder": (
        of_type("semantic_segmentation", decoder=None),
        "decoder: .*set decoder: unet",
    ),
    "metric of another task type": (
        of_type("regression", metrics=["accuracy"]),
        "metrics: 'accuracy'.*known: mae",
    ),
    "training without labels": (of_type("no_task"), "mode train: mine has no labels to learn from"),
    "URL of another kind": (
        with_task({"creator": "csv", "downloads": [{"url": "ftp://x/t.zip", "sha256": SHA256}]}),
        r"tasks\.mine\.downloads\.0\.url: 'ftp://x/t\.zip'",
    ),
    "checksum that is none": (
        with_task({"creator": "csv", "downloads": [{"url": "https://x/t.zip", "sha256": "abc"}]}),
        r"tasks\.mine\.downloads\.0\.sha256: .abc. is not a SHA-256 checksum",
    ),
    "test split that is not there": (
        with_task({"creator": "fake", "test_fraction": 0}) | {"mode": {"preset": "train", "eval": ["test"]}},
        "mode.eval: task mine has no test split",
    ),
}
