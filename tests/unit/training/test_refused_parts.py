"""Parts of a pipeline that do not go together are refused while planning."""

import inspect
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import pytest
import torch
from lightning.pytorch import Trainer

from mml_lib.config.image_options import Images
from mml_lib.config.loading import load_study
from mml_lib.config.training_options import FURTHER, SET_HERE
from mml_lib.config.training_options import Trainer as TrainerSection
from mml_lib.errors import MMLError
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.studies.checks.study_checks import check_trainable
from mml_lib.tasks.task_identity import TaskIdentity
from mml_lib.training.trainer import build_trainer
from tests.support.pipeline_studies import EARLY, SWA, study
from tests.support.small_tasks import PRESETS
from tests.support.workplaces import TINY


def test_every_argument_of_the_trainer_is_known():
    signature = set(inspect.signature(Trainer.__init__).parameters) - {"self"}
    assert signature == set(TrainerSection.model_fields) | set(FURTHER) | set(SET_HERE)


@pytest.mark.parametrize(
    ("trainer", "words"),
    [
        ({"min_epoch": 3}, "key 'min_epoch', did you mean 'min_epochs'"),
        ({"logger": True}, "'logger' cannot be set in a study"),
        ({"max_time": 14400}, "write '00:04:00:00' in quotes"),
    ],
)
def test_wrong_arguments_of_the_trainer_are_refused_in_planning(trainer: dict[str, Any], words: str):
    with pytest.raises(MMLError, match=words):
        study(trainer=trainer)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trainer": {"accelerator": "gpu"}}, "accelerator 'gpu' is not available"),
        ({"trainer": {"accelerator": "cuda"}}, "accelerator 'cuda' is not available"),
        ({"trainer": {"val_check_interval": 1.5}}, "trainer: .*val_check_interval"),
        ({"callbacks": {"e": {"_target_": "lightning.pytorch.callbacks.EarlyStopping"}}}, r"callbacks\.e: .*monitor"),
        ({"callbacks": {"e": {"_target_": "torch.nn.Identity"}}}, r"callbacks\.e: torch\.nn\.Identity"),
        ({"callbacks": {"preset": "swa", "swa": {"swa_lrs": -1.0}}}, r"callbacks\.swa: .*positive"),
    ],
)
def test_trainer_that_cannot_be_built_says_which_key(tmp_path: Path, change: dict[str, Any], words: str):
    if "accelerator" in words and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(MMLError, match=words):
        build_trainer(study(**change), tmp_path, {})


REFUSED = [
    ({"metrics": []}, "classification", "there is none for t"),
    ({"metrics": {"regression": []}}, "regression", "there is none for t"),
    ({"class_weights": "balanced"}, "regression", "which has no classes"),
    ({"class_weights": "balanced", "sampling": "balanced"}, "classification", "are balanced already"),
    ({"class_weights": "balanced", "loss": {"preset": "cross_entropy", "weight": [1, 2]}}, "classification", "its own"),
    ({"mixing": {"mixup": 0.2}}, "semantic_segmentation", "cannot be mixed"),
    (
        {"augmentations": {"transforms": [{"_target_": "torchvision.transforms.RandomHorizontalFlip"}]}},
        "semantic_segmentation",
        r"name torchvision\.transforms\.v2\.RandomHorizontalFlip, which does",
    ),
    (
        {"augmentations": {"transforms": [{"_target_": "torch.nn.Dropout2d"}]}},
        "semantic_segmentation",
        r"torch\.nn\.Dropout2d .*masks of t",
    ),
    ({"mixing": {"mixup": 0.2}, "loss": "focal"}, "classification", "takes no mixed classes"),
    (
        {"callbacks": {"preset": "early_stopping", "early_stopping": {"monitor": "val/acc"}}},
        "classification",
        "val/acc",
    ),
    ({"lr_scheduler": {"preset": "plateau", "monitor": "val/f1"}}, "classification", "set mode: max"),
    ({"lr_scheduler": {"preset": "plateau", "monitor": "val/top5_accuracy"}}, "classification", "set mode: max"),
    ({"lr_scheduler": {"preset": "plateau", "monitor": "accuracy"}}, "classification", "has no 'accuracy'"),
    ({"store_best": "top5_accuracy"}, "regression", "store_best: 'top5_accuracy'"),
    ({"callbacks": SWA | EARLY}, "classification", r"before callbacks\.swa averages"),
    ({"callbacks": SWA, "store_best": True}, "classification", "averaged weights are no epoch's"),
    ({"trainer": {"check_val_every_n_epoch": 2}}, "classification", "set a divisor of"),
    ({"trainer": {"devices": 2}, "sampling": {"batch_size": 3}}, "classification", "cannot divide batches of 3 images"),
    ({"trainer": {"devices": 2}, "tune": {"lr": True}}, "classification", "what is tried out on one device"),
    ({"trainer": {"strategy": "ddp"}}, "classification", "trainer.strategy: ddp is for several"),
    (
        {"tune": {"lr": True}, "lr_scheduler": {"preset": "one_cycle", "max_lr": 0.1}},
        "classification",
        "max_lr would win",
    ),
]


@pytest.mark.parametrize(("change", "task_type", "words"), REFUSED)
def test_what_does_not_go_together_is_refused_in_planning(change: dict[str, Any], task_type: str, words: str):
    cfg = study(**({"metrics": "default"} | change))
    task = load_study(TINY | {"tasks": {"t": {"creator": "fake", "task_type": task_type}}, "paths": PATHS}).tasks["t"]
    with pytest.raises(MMLError, match=words):
        check_trainable(TaskIdentity.of("t", task), cfg)


@pytest.mark.parametrize(
    "images", [{"channels": "grey"}, {"channels": "luma"}, {"window": [{"center": 1, "width": 2}]}]
)
@pytest.mark.parametrize(
    "change",
    [
        {"preprocessing": {"transforms": ["resize", "color_constancy"]}},
        {"augmentations": {"transforms": [{"_target_": "kornia.augmentation.RandomHue"}]}},
    ],
)
def test_colours_of_images_that_are_to_have_none_are_refused_in_planning(images: dict[str, Any], change: dict):
    task = load_study(TINY | {"tasks": {"t": {"creator": "fake", "images": images}}, "paths": PATHS}).tasks["t"]
    with pytest.raises(MMLError, match=r"tasks\.t\.images leaves no colour: (preprocessing|augmentations)"):
        check_trainable(TaskIdentity.of("t", task), study(**change))
    colours = task.model_copy(update={"images": Images(channels="rgb")})
    check_trainable(TaskIdentity.of("t", colours), study(**change))


def test_metric_that_is_named_twice_counts_once():
    assert study(metrics=["accuracy", "f1", "accuracy"]).metrics_of("classification") == ["accuracy", "f1"]


PATHS = {"presets": [str(PRESETS)]}


def test_mixing_names_at_least_one_way():
    with pytest.raises(MMLError, match="mixing needs mixup"):
        study(mixing={"p": 0.5})


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ({"trainer": {"devices": 0}}, "trainer.devices: .*than 0"),
        ({"trainer": {"strategy": "fsdp"}}, "trainer.strategy"),
        ({"tune": {"bs": False}}, "tune needs lr: true"),
        ({"tune": {"lr": True, "min_lr": 1, "max_lr": 0.1}}, r"min_lr \(1.0\).*max_lr"),
    ],
)
def test_section_that_means_nothing_is_refused(section: dict[str, Any], why: str):
    with pytest.raises(MMLError, match=why):
        study(**section)


def test_new_sections_left_alone_leave_runs_alone():
    content = Pipeline.of(study(lr_scheduler="plateau"), {"task_type": "classification", "pack": "a-b"}).content
    assert not {"class_weights", "mixing", "compile", "adapters", "tune"} & content.keys()
    assert "monitor" not in content["lr_scheduler"]
    assert content["trainer"].keys() == TrainerSection.model_fields.keys() - {"accelerator", "devices", "strategy"}
