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
        "tasks.mine: creator image_folder: the path {folder}/nowhere does not exist",
    ),
    "unknown pivot": (
        TINY | {"pivot": {"name": "stripe"}},
        "pivot.name: there is no task 'stripe' in the study, did you mean 'stripes'?",
    ),
    "unknown preset": (
        TINY | {"optimizer": "adamww"},
        "study.yaml: optimizer: there is no preset 'adamww', did you mean 'adamw'?",
    ),
    "unknown key": (TINY | {"optimiser": "adam"}, "study.yaml: unknown key 'optimiser', did you mean 'optimizer'?"),
    "unknown nested key": (
        TINY | {"trainer": {"max_epoch": 3}},
        "study.yaml: trainer: unknown key 'max_epoch', did you mean 'max_epochs'?",
    ),
    "unknown option of the mode": (
        TINY | {"mode": {"preset": "train", "cvv": True}},
        "mode (train): unknown option 'cvv', did you mean 'cv'?",
    ),
    "unknown creator": (
        with_task({"creator": "image_folders", "path": "x"}),
        "tasks.mine.creator: there is no creator 'image_folders', did you mean 'image_folder'?",
    ),
    "unknown argument of a creator": (
        with_task({"creator": "fake", "num_sample": 3}),
        "tasks.mine: the creator 'fake' takes no 'num_sample', did you mean 'num_samples'?",
    ),
    "creator without its path": (
        with_task({"creator": "csv"}),
        "tasks.mine: the creator 'csv' needs the key 'path'",
    ),
    "unknown scheduler class": (
        TINY | {"mode": {"id": "own", "scheduler": {"_target_": "mml_lib.schedulers.train.TrainSchedular"}}},
        "has no 'TrainSchedular', did you mean 'TrainScheduler'?",
    ),
    "unknown metric": (
        TINY | {"metrics": ["acuracy"]},
        "there is no metric 'acuracy', did you mean 'accuracy'?",
    ),
    "wrong type": (
        TINY | {"trainer": {"max_epochs": "many"}},
        "study.yaml: trainer.max_epochs: input should be a valid integer",
    ),
    "out of range": (
        TINY | {"sampling": {"batch_size": 0}},
        "study.yaml: sampling.batch_size: input should be greater",
    ),
    "task name with a space": (with_task(FAKE, "my task"), "study.yaml: 'my task' (tasks.my task) is no valid name"),
    "task name with a slash": (with_task(FAKE, "a/b"), "study.yaml: 'a/b' (tasks.a/b) is no valid name"),
    "project that leaves its folder": (TINY | {"project": "../other"}, "'../other' (project) is no valid name"),
    "fold that a task does not have": (
        TINY | {"mode": {"preset": "train", "folds": [5]}},
        "mode.folds: task stripes has no fold 5 here; it has 0 to 1",
    ),
    "swept key that is not part of a pipeline": (
        TINY | {"sweep": {"project": ["a", "b"]}},
        "'project' cannot be varied",
    ),
    "swept value of a wrong type": (
        TINY | {"sweep": {"trainer.max_epochs": [1, "x"]}},
        "trainer.max_epochs: input should be a valid integer",
    ),
    "removal of what is always kept": (TINY | {"remove": {"models": True}}, "remove.models: 'models' is always kept"),
    "plugin that does not exist": (
        TINY | {"plugins": ["none.py"]},
        "plugins: the file {folder}/none.py does not exist",
    ),
    "unknown tag": (
        tagged("stripes+subet~0.1"),
        "task stripes+subet~0.1: there is no tag 'subet', did you mean 'subset'?",
    ),
    "tag without its argument": (tagged("stripes+nested"), "is written nested~FOLD[~FOLDS], it was given 0 arguments"),
    "tag with a bad argument": (tagged("stripes+subset~2"), "the tag 'subset' takes a number between 0 and 1, not 2"),
    "tag with a fold that is not there": (
        tagged("stripes+nested~2"),
        "the tag 'nested' takes a fold from 0 to 1, not 2",
    ),
    "tag of another task type": (
        tagged("stripes+shrink_equal~3", task_type="regression"),
        "the tag 'shrink_equal' is for classification, not for regression",
    ),
    "tag without its plus": (
        TINY | {"tagging": {"all": "subset~0.1"}},
        "study.yaml: tagging.all: 'subset~0.1' is no chain of tags; write it as +tag~argument",
    ),
    "tagged task without its base": (
        TINY | {"tasks": {"stripes": FAKE, "stripe+subset~0.1": None}},
        "tasks.stripe+subset~0.1: its base 'stripe' is not among the tasks, did you mean 'stripes'?",
    ),
    "pivot tags without a pivot": (
        TINY | {"pivot": {"tags": "+nested~0"}},
        "pivot.tags: '+nested~0' has no task to be put on; set pivot.name",
    ),
    "unknown transform": (
        TINY | {"preprocessing": ["resise"]},
        "preprocessing.transforms.0: there is no transform 'resise', did you mean 'resize'?",
    ),
    "loss of another task type": (
        of_type("regression", loss="cross_entropy"),
        "loss: torch.nn.CrossEntropyLoss is not for regression (mine); set loss: default, or loss.regression",
    ),
    "loss that counts ignored pixels": (
        of_type("semantic_segmentation", loss="cross_entropy", decoder="unet_small"),
        "set ignore_index: 255",
    ),
    "segmentation without a decoder": (
        of_type("semantic_segmentation", decoder=None),
        "decoder: the segmentation mine needs one; set decoder: unet",
    ),
    "metric of another task type": (
        of_type("regression", metrics=["accuracy"]),
        "metrics: 'accuracy' is not for regression (mine); known: mae",
    ),
    "training without labels": (of_type("no_task"), "mode train: mine has no labels to learn from"),
    "URL of another kind": (
        with_task({"creator": "csv", "downloads": [{"url": "ftp://x/t.zip", "sha256": SHA256}]}),
        "tasks.mine.downloads.0.url: 'ftp://x/t.zip' cannot be fetched",
    ),
    "checksum that is none": (
        with_task({"creator": "csv", "downloads": [{"url": "https://x/t.zip", "sha256": "abc"}]}),
        "tasks.mine.downloads.0.sha256: string should match pattern",
    ),
    "test split that is not there": (
        with_task({"creator": "fake", "test_fraction": 0}) | {"mode": {"preset": "train", "eval": ["test"]}},
        "mode.eval: task mine has no test split",
    ),
}
