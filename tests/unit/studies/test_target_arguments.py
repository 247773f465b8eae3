"""Objects that a study names by `_target_`: unknown names and wrong arguments are refused while planning."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)

from mml_lib.errors import MMLError
from mml_lib.studies.checks.named_parts.source_signatures import find_definition
from mml_lib.studies.checks.named_parts.target_arguments import check_target
from tests.support.messages import mentions
from tests.support.planned_studies import planned

CSV = "lightning.pytorch.loggers.CSVLogger"
FOLDERS = (
    *("torch.optim", "torch.optim.lr_scheduler", "torch.nn", "lightning.pytorch.loggers"),
    *("lightning.pytorch.callbacks", "kornia.augmentation", "torchvision.transforms.v2", "torchmetrics"),
    *("segmentation_models_pytorch.losses", "mml_lib.models.losses", "mml_lib.models.schedules"),
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_sources_state_the_arguments_that_imported_objects_take(folder: str):
    module = importlib.import_module(folder)
    count = 0
    for name, target in vars(module).items():
        if name.startswith("_") or not (inspect.isclass(target) or inspect.isfunction(target)):
            continue
        definition = find_definition(f"{folder}.{name}")
        signature = definition.signature() if definition else None
        if signature is None:
            continue
        count += 1
        parameters = inspect.signature(target).parameters.values()
        by_name = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        assert list(signature.names) == by_name, name
        assert not any(p.kind is p.VAR_KEYWORD for p in parameters), name
        assert set(signature.needed) == {
            p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL
        }, name
    assert count > 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer": {"preset": "adamw", "lrr": 1}}, ["optimizer.lrr", "AdamW", "did you mean 'lr'"]),
        ({"optimizer": {"_target_": "torch.optim.Adamm", "lr": 1}}, ["optimizer", "did you mean 'Adam"]),
        ({"optimizer": {"_target_": "torch.nn.ReLU", "lr": 1}}, ["optimizer", "torch.nn.ReLU", "Optimizer"]),
        ({"lr_scheduler": {"preset": "step", "gama": 1}}, ["lr_scheduler.gama", "StepLR", "did you mean 'gamma'"]),
        ({"lr_scheduler": {"_target_": "torch.optim.lr_scheduler.StepLR"}}, ["lr_scheduler", "step_size"]),
        ({"loss": {"_target_": "torch.nn.CrossEntropyLoss", "smoothing": 0.1}}, ["loss.smoothing", "label_smoothing"]),
        ({"callbacks": {"stop": {"preset": "early_stopping"}}}, ["callbacks.stop"]),
        (
            {"callbacks": {"stop": {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitr": "val/loss"}}},
            ["callbacks.stop.monitr", "did you mean 'monitor'"],
        ),
        ({"logger": {"_target_": CSV, "nme": "x"}}, ["logger.nme", "CSVLogger", "did you mean 'name'"]),
        ({"logger": {"_target_": f"{CSV}2"}}, ["logger", "'CSVLogger2'", "did you mean 'CSVLogger'"]),
        ({"logger": {"_target_": CSV.replace("loggers", "logers")}}, ["logger", "'logers'", "'loggers'"]),
        ({"optimizer": {"_target_": "torch.optm.Adam", "lr": 1}}, ["optimizer", "torch", "'optm'", "'optim'"]),
        ({"logger": {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "a"}}, ["logger", "Logger"]),
        ({"logger": {"_target_": "nowhere.Logger"}}, ["logger", "nowhere", "install"]),
        (
            {"augmentations": {"transforms": [{"_target_": "kornia.augmentation.RandomAffine", "degree": 3}]}},
            ["augmentations.transforms.degree", "did you mean 'degrees'"],
        ),
        ({"arch": {"preset": "smp", "nam": "resnet18"}}, ["arch.nam", "did you mean 'name'"]),
        (
            {"features": {"arch": {"preset": "smp", "pretraind": True}}, "mode": {"preset": "features"}},
            ["features.arch"],
        ),
        (
            {"search": {"space": {"optimizer.lrr": [1, 2]}}, "mode": {"preset": "train"}},
            ["optimizer.lrr", "did you mean 'lr'"],
        ),
        (
            {"search": {"space": {"optimizer.lr": [0.1, 1]}, "sampler": "optuna.samplers.TPESampling"}},
            ["search.sampler", "did you mean 'TPESampler'"],
        ),
        (
            {"search": {"space": {"optimizer": ["adamw", "sgd"], "optimizer.momentum": [0.1, 0.9]}}},
            ["search.space.optimizer.momentum: torch.optim.AdamW"],
        ),
        (
            {"optimizer": {"preset": "adamw", "lrr": 1}, "loss": {"_target_": "torch.nn.MSELos"}},
            ["loss: ", "'MSELos'", "wrong too: optimizer.lrr"],
        ),
        ({"variants": {"a": {}, "b": {"optimizer.decay": 1}}}, ["optimizer.decay", "weight_decay", "(b)"]),
    ],
)
def test_wrong_arguments_are_refused_while_planning(tmp_path: Path, changes: dict[str, Any], words: list[str]):
    changes = dict(changes)
    with pytest.raises(MMLError) as error:
        planned(changes.pop("mode", {}), tmp_path, **changes).create_routine()
    assert mentions(str(error.value), *words), str(error.value)


def test_a_searched_key_of_a_searched_section_need_not_suit_the_study_itself(tmp_path: Path):
    sections = ["sgd", {"preset": "sgd", "nesterov": False}]
    space = {"optimizer": sections, "optimizer.momentum": {"low": 0.1, "high": 0.9}}
    conditional = {
        "optimizer": ["adamw", "sgd"],
        "optimizer.momentum": {"low": 0, "high": 1, "when": {"optimizer": "sgd"}},
    }
    for place, searched in enumerate((space, conditional)):
        search = {"space": searched, "objective": "loss", "trials": 2}
        planned({}, tmp_path / str(place), search=search).create_routine()


def test_what_a_source_does_not_state_is_left_to_the_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "parts_at_run_time.py").write_text(
        "import functools\n\n\ndef twice(function):\n    return functools.partial(function, 2)\n\n\n"
        "@twice\ndef made(number):\n    return number\n\n\nglobals()['other'] = made\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("made", "other"):
        check_target("optimizer", {"_target_": f"parts_at_run_time.{name}", "anything": 1})


def test_reading_sources_imports_nothing():
    code = (
        "import sys; from mml_lib.studies.checks.named_parts.target_arguments import check_target as check; "
        f"check('logger', {{'_target_': '{CSV}', 'name': 'x'}}); "
        "check('optimizer', {'_target_': 'torch.optim.AdamW', 'lr': 1}); "
        "assert not {'torch', 'lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
