"""The pre-flight check: what cannot be trained is told, by its key, from a dummy batch."""

import copy
import socket
from pathlib import Path
from typing import Any

import pytest

from mml_lib.config.pipeline_folder import add_presets
from mml_lib.config.reading.presets import merge
from mml_lib.engine.preflight import launch
from mml_lib.engine.preflight.launch import (
    Candidate,
    mistake_lines,
    reaches_hub,
    read_tried,
    record_tried,
    searched_pipelines,
)
from mml_lib.engine.preflight.tried_pipelines import TriedPipelines
from mml_lib.studies.checks import study_checks
from mml_lib.studies.study import Study
from tests.support.messages import mentions
from tests.support.places import REPOSITORY


@pytest.fixture(autouse=True)
def _no_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave all to the trial, as planning does where sources do not state what they take."""
    monkeypatch.setattr(study_checks, "check_targets", lambda task, cfg: None)


KINDS = ("classification", "multilabel_classification", "semantic_segmentation", "regression")


def study_of(changes: dict[str, Any], task_type: str = "classification") -> Study:
    config = {
        "project": "tiny",
        "mode": "train",
        "tasks": {"stripes": {"creator": "fake", "num_samples": 48, "size": 24, "folds": 2, "task_type": task_type}},
        "preprocessing": {"preset": "default", "size": 32},
        "normalization": "task",
        "arch": "test_resnet",
        "decoder": "unet_small",
        "loss": "default",
        "optimizer": "adamw",
        "sampling": {"batch_size": 8},
        "trainer": {"max_epochs": 2, "accelerator": "cpu"},
    }
    config = copy.deepcopy(config | changes)
    add_presets(config, REPOSITORY / "config")
    return Study(config)


def mistakes(changes: dict[str, Any], task_type: str = "classification") -> list[str]:
    study = study_of(changes, task_type)
    scheduler = study.scheduler("train")
    pipelines = TriedPipelines(study)
    return [line for run in scheduler.runs_of("stripes") for line in pipelines.mistakes(run.pipeline)]


def called(target: str, **arguments: Any) -> dict[str, Any]:
    return {"_target_": target, **arguments}


MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    "argument of a network": (
        {"arch": {"preset": "timm", "name": "resnet18", "drop_rat": 0.1}},
        "arch.drop_rat: ",
        "did you mean 'drop_rate'?",
    ),
    "network that is not a module": (
        {"arch": called("torch.optim.Adam")},
        "arch: ",
        "does not derive from torch.nn.modules.module.Module",
    ),
    "network without features": (
        {"arch": called("torch.nn.Conv2d", in_channels=3, out_channels=4, kernel_size=3)},
        "arch: ",
        "num_features",
    ),
    "network of another size": (
        {"arch": {"preset": "timm", "name": "vit_tiny_patch16_224"}},
        "arch: ",
        "set preprocessing.size",
    ),
    "argument of an optimizer": (
        {"optimizer": {"preset": "adamw", "weight_decy": 0.1}},
        "optimizer.weight_decy: ",
        "did you mean 'weight_decay'?",
    ),
    "value of an optimizer": ({"optimizer": called("torch.optim.Adam", lr=0.1, betas=[2, 3])}, "optimizer: ", "beta"),
    "unknown optimizer": ({"optimizer": called("torch.optim.Adamm", lr=0.1)}, "optimizer: ", "'Adam"),
    "unknown optimizer of timm": (
        {"optimizer": {"preset": "timm", "opt": "nadamv"}},
        "optimizer: ",
        "nadamv",
    ),
    "optimizer of matrices only": ({"optimizer": called("torch.optim.Muon", lr=0.1)}, "optimizer: ", "2D"),
    "argument of a schedule": (
        {"lr_scheduler": called("torch.optim.lr_scheduler.StepLR", stepsize=3)},
        "lr_scheduler.stepsize: ",
        "did you mean 'step_size'?",
    ),
    "schedule without an argument": (
        {"lr_scheduler": called("torch.optim.lr_scheduler.StepLR")},
        "lr_scheduler: ",
        "step_size",
    ),
    "schedule that needs momentum": (
        {"lr_scheduler": "one_cycle", "optimizer": called("torch.optim.Adagrad", lr=0.1)},
        "lr_scheduler: ",
        "momentum",
    ),
    "schedule that ends too early": (
        {
            "lr_scheduler": called("torch.optim.lr_scheduler.OneCycleLR", max_lr=0.1, total_steps=1, interval="epoch"),
        },
        "lr_scheduler: ",
        "step",
    ),
    "argument of a loss": (
        {"loss": called("torch.nn.CrossEntropyLoss", label_smothing=0.1)},
        "loss.label_smothing: ",
        "did you mean 'label_smoothing'?",
    ),
    "loss that does not fit": ({"loss": called("torch.nn.GaussianNLLLoss")}, "loss: ", "set loss: default"),
    "loss of other shapes": ({"loss": called("torch.nn.CosineEmbeddingLoss")}, "loss: ", "set loss: default"),
    "loss with a value for each sample": (
        {"loss": called("torch.nn.CrossEntropyLoss", reduction="none")},
        "loss: ",
        "reduction: mean",
    ),
    "weights for a loss that takes none": (
        {"loss": called("torch.nn.MultiMarginLoss", weight=[1.0]), "class_weights": None},
        "loss: ",
        "weight",
    ),
    "unknown augmentation": (
        {"augmentations": {"transforms": [called("kornia.augmentation.RandomHorizontalFlp")]}},
        "augmentations",
        "did you mean 'RandomHorizontalFlip'?",
    ),
    "argument of an augmentation": (
        {"augmentations": {"transforms": [called("kornia.augmentation.RandomRotation", degree=3)]}},
        "augmentations",
        "'degrees'",
    ),
    "augmentation that is no module": (
        {"augmentations": {"transforms": [called("torch.optim.Adam")]}},
        "augmentations",
        "Adam",
    ),
    "argument of a callback": (
        {"callbacks": {"stop": called("lightning.pytorch.callbacks.EarlyStopping", monitr="val/loss")}},
        "callbacks.stop: ",
        "did you mean 'monitor'?",
    ),
    "callback that is none": ({"callbacks": {"mine": called("torch.nn.ReLU")}}, "callbacks.mine: ", "does not derive"),
    "metric that is none": ({"metrics": [called("torch.nn.ReLU", name="mine")]}, "metrics", "ReLU"),
    "metric of another type": (
        {"metrics": [called("torchmetrics.classification.BinaryAccuracy", name="mine")]},
        "metrics",
        "",
    ),
    "adapters of no layer": ({"adapters": {"target_modules": ["nowhere"]}}, "adapters", "nowhere"),
    "profiler and precision that trainers do not have": (
        {"trainer": {"max_epochs": 1, "accelerator": "cpu", "val_check_interval": 3.7}},
        "trainer: ",
        "val_check_interval",
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_is_told_by_its_key(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    changes, begins, holds = MISTAKES[case]
    lines = mistakes(changes)
    assert len(lines) == 1, lines
    assert lines[0].startswith(begins)
    assert holds in lines[0]
    assert "\n" not in lines[0]


SEGMENTATION: dict[str, tuple[dict[str, Any], str, str]] = {
    "decoder that does not fit": (
        {"decoder": {"preset": "unet_small", "decoder_channels": [8, 4]}},
        "decoder.decoder_channels",
        "one for each level",
    ),
    "argument of a decoder": (
        {"decoder": {"preset": "unet_small", "atention": 1}},
        "decoder.atention: ",
        "attention_type",
    ),
    "network without feature maps": (
        {"arch": {"preset": "timm", "name": "vit_tiny_patch16_224"}, "preprocessing": {"size": 224}},
        "arch: ",
        "feature maps",
    ),
    "loss of values": ({"loss": called("torch.nn.MultiMarginLoss")}, "loss: ", "set loss: default"),
}


@pytest.mark.parametrize("case", SEGMENTATION)
def test_mistake_in_a_segmentation(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    changes, begins, holds = SEGMENTATION[case]
    (line,) = mistakes(changes, "semantic_segmentation")
    assert line.startswith(begins)
    assert holds in line


SOUND: dict[str, dict[str, Any]] = {
    "as it is": {},
    "with schedules and augmentations": {"lr_scheduler": "one_cycle", "augmentations": "baseline"},
    "with a plateau": {"lr_scheduler": "plateau", "optimizer": "sgd"},
    "with callbacks and the best epoch": {"callbacks": "early_stopping", "store_best": True},
    "of images as they are": {"preprocessing": "none", "arch": {"preset": "timm", "name": "resnet18"}},
    "with views": {"tta": "d4", "optimizer": "lamb"},
    "in half precision": {"trainer": {"max_epochs": 2, "precision": "16-mixed"}},
    "on GPUs alone": {"optimizer": called("torch.optim.Adam", lr=0.1, capturable=True), "trainer": {"max_epochs": 1}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_trained_is_not_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names = SOUND if kind == "classification" else ["as it is", "with schedules and augmentations"]
    for name in names:
        assert mistakes(SOUND[name], kind) == [], name


def test_mistakes_of_all_parts_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    cases = ("argument of a network", "argument of an optimizer", "argument of a schedule", "argument of a loss")
    cases += ("unknown augmentation", "argument of a callback")
    changes: dict[str, Any] = {}
    for case in cases:
        changes = merge(changes, MISTAKES[case][0])
    lines = mistakes(changes)
    assert len(lines) == len(cases)
    for case in cases:
        assert any(line.startswith(MISTAKES[case][1]) for line in lines), case


def test_what_only_a_gpu_can_do_is_refused_for_the_cpu_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    lines = ["import torch", "class Fast(torch.nn.Module):", "    def forward(self, outputs, targets):"]
    Path("fast_loss.py").write_text("\n".join([*lines, "        raise RuntimeError('this kernel needs CUDA')"]))
    changes = {"plugins": ["fast_loss.py"], "loss": called("fast_loss.Fast")}
    (line,) = mistakes(changes)
    assert line.startswith("loss: ")
    assert mistakes(changes | {"trainer": {"max_epochs": 2, "accelerator": "auto"}}) == []


def test_weights_that_cannot_be_fetched_are_told_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (line,) = mistakes({"arch": {"preset": "timm", "name": "resnet10t", "pretrained": True}})
    assert line.startswith("arch.pretrained: the weights of resnet10t cannot be loaded")


def test_a_sweep_builds_its_network_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    built, original = [], TriedPipelines._build_network
    monkeypatch.setattr(
        TriedPipelines, "_build_network", lambda self, structs: built.append(1) or original(self, structs)
    )
    assert mistakes({"sweep": {"optimizer.lr": [number / 1000 for number in range(1, 51)], "seed": [1, 2]}}) == []
    assert len(built) == 1


def test_runs_are_named_where_others_are_sound():
    study = [Candidate(None, ["run a (x)", "run b (y)"]), Candidate(None, ["run c (z)"])]  # type: ignore[arg-type]
    assert mistake_lines(study, [["loss: wrong"], []], 3) == ["loss: wrong (run a (x), run b (y))"]
    assert mistake_lines(study, [["loss: wrong"], ["loss: wrong"]], 3) == ["loss: wrong"]


def test_values_of_a_search_are_tried_and_their_mistakes_name_the_searched_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    space = {"optimizer": ["adamw", "sgd"], "optimizer.momentum": {"low": 0.1, "high": 0.9}}
    space |= {"augmentations": ["none", "flips"]}
    task = {"creator": "fake", "num_samples": 48, "size": 24, "folds": 2, "test_fraction": 0.3}
    study = study_of({"tasks": {"stripes": task}, "search": {"objective": "loss", "space": space}})
    candidates = list(searched_pipelines(study, study.searches.of_task("stripes")).values())
    assert len(candidates) == 6
    pipelines = TriedPipelines(study)
    (line,) = mistake_lines(candidates, [pipelines.mistakes(candidate.pipeline) for candidate in candidates], 1)
    assert mentions(line, "search.space.optimizer.momentum: ", "AdamW")


def test_a_check_that_dies_refuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "MODULE", "mml_lib.no_such_module")
    study = study_of({})
    pipelines = [run.pipeline for run in study.scheduler("train").runs_of("stripes")]
    assert launch.try_pipelines(study, pipelines) == []
    output, _ = capfd.readouterr()
    assert mentions(output, "warning: ", "status 1", "1 were not tried")


def test_what_was_tried_is_remembered(tmp_path: Path):
    assert read_tried(tmp_path / "none") == []
    record_tried(tmp_path / "tried", ["a", "b"])
    assert read_tried(tmp_path / "tried") == ["a", "b"]


def test_hub_that_cannot_be_reached_is_noticed_at_once(monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert reaches_hub()
    assert not reaches_hub()
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert reaches_hub()
