"""A user's own code is part of what decides a result: which edits make another run, and which make none."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.pipelines.own_code import code_of, code_of_patches
from mml_lib.tasks.creators.creator_registry import check_creator_code
from tests.support.own_modules import LOSS, NUMBERS, edit, plan, run_of
from tests.support.planned_studies import FAKE

# --- what counts ----------------------------------------------------------------------------------------------------


def test_studies_without_own_code_have_no_such_key(tmp_path: Path):
    (run,) = plan(tmp_path).runs_of("mine")
    assert "code" not in run.pipeline.content


@pytest.mark.parametrize("as_plugin", [True, False], ids=["plugin", "target alone"])
def test_edited_loss_makes_another_run(as_plugin: bool, tmp_path: Path, module: Callable):
    loss = module(LOSS)
    study = {"loss": {"_target_": f"{loss.stem}.Own"}, "plugins": [str(loss)] if as_plugin else []}
    before = run_of(tmp_path, **study)
    assert run_of(tmp_path, **study) == before
    edit(loss, "* 1.0", "* -1.0")
    assert run_of(tmp_path, **study) != before


@pytest.mark.parametrize(
    ("section", "base"),
    [
        ({"arch": {"_target_": "MODULE.Own"}}, "torch.nn.Module"),
        ({"optimizer": {"_target_": "MODULE.Own", "lr": 0.1}}, "torch.optim.Optimizer"),
        ({"lr_scheduler": {"_target_": "MODULE.Own"}}, "torch.optim.lr_scheduler.LRScheduler"),
        ({"augmentations": {"transforms": [{"_target_": "MODULE.Own"}]}}, "torch.nn.Module"),
        ({"callbacks": {"mine": {"_target_": "MODULE.Own"}}}, "lightning.pytorch.Callback"),
        ({"preprocessing": [{"_target_": "MODULE.own"}]}, "torch.nn.Module"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_every_section_that_names_own_code_counts_it(section: dict, base: str, tmp_path: Path, module: Callable):
    imported = f"import {base.rpartition('.')[0]}\n\n\n"
    own = f"class Own({base}):\n    number = 1\n\n    def __init__(self, *arguments, lr=0.1):\n        pass\n\n\n"
    path = module(f"{imported}{own}def own(image, mask):\n    return image, mask\n")

    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: named(item) for key, item in value.items()}
        return [named(item) for item in value] if isinstance(value, list) else _stem(value)

    def _stem(value: Any) -> Any:
        return value.replace("MODULE", path.stem) if isinstance(value, str) else value

    before = plan(tmp_path, **named(section)).runs_of("mine")[0]
    edit(path, "number = 1", "number = 2")
    after = plan(tmp_path, **named(section)).runs_of("mine")[0]
    assert before.id != after.id
    assert before.pipeline.code.keys() == {path.stem}
    if "preprocessing" in section:
        assert before.pipeline.task["pack"] != after.pipeline.task["pack"], "the packed images are others"


def test_modules_that_a_plugin_imports_count_too(tmp_path: Path, module: Callable):
    deep = module("FACTOR = 1\n", "deep")
    helper = module(f"import {deep.stem}\n\ndef scaled(x):\n    return x * {deep.stem}.FACTOR\n", "helper")
    inside = f"def late():\n    from {helper.stem} import scaled\n    return scaled\n"
    loss = module(LOSS + inside)
    study = {"loss": {"_target_": f"{loss.stem}.Own"}}
    first = run_of(tmp_path, **study)
    edit(deep, "= 1", "= 2")
    second = run_of(tmp_path, **study)
    edit(helper, "x * ", "x + ")
    assert len({first, second, run_of(tmp_path, **study)}) == 3


def test_relative_imports_of_a_package_are_followed_without_importing_it(tmp_path: Path, module: Callable):
    package = module("").parent / f"package{next(NUMBERS)}"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("VERSION = 1\nraise RuntimeError('planning runs no code')\n")
    (package / "inner/losses.py").write_text("from ..parts import part\nfrom . import constants\nclass Own: ...\n")
    (package / "inner/constants.py").write_text("C = 1\n")
    (package / "parts.py").write_text("def part(): return 1\n")
    name = f"{package.name}.inner.losses.Own"
    code = code_of({"loss": {"_target_": name}})
    assert code.keys() == {package.name, *(f"{package.name}.{part}" for part in PARTS)}
    edit(package / "inner/constants.py", "1", "2")
    assert code_of({"loss": {"_target_": name}}) != code
    assert package.name not in sys.modules


PARTS = ("inner.losses", "inner.constants", "parts")


def test_modules_that_are_imported_by_a_name_in_quotes_count(tmp_path: Path, module: Callable):
    package = module("").parent / "quoted"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "losses.py").write_text("import importlib\nparts = importlib.import_module('.parts', __package__)\n")
    (package / "parts.py").write_text("FACTOR = 1.0\n")
    assert set(code_of({"_target_": "quoted.losses.Own"})) == {"quoted", "quoted.losses", "quoted.parts"}


@pytest.mark.parametrize(
    "source",
    ["x = " + " + ".join(["1"] * 900), "if 0: x = 0\n" + "\n".join(f"elif {n}: x = {n}" for n in range(400))],
)
def test_deeply_nested_source_counts_by_its_text(source: str, module: Callable):
    path = module(source, "deep")
    content = {"_target_": f"{path.stem}.x"}
    first = code_of(content)
    assert set(first) == {path.stem}
    path.write_text(source.replace("1", "2"))
    os.utime(path, ns=(0, 0))
    assert code_of(content)[path.stem] != first[path.stem]


def test_installed_packages_do_not_count():
    assert code_of([{"_target_": "torch.optim.AdamW"}, {"_target_": "mml_lib.models.losses.CrossEntropyDice"}]) == {}
    assert code_of({"_target_": "nowhere.at_all.Name"}) == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    def forward", "    # twice as good\n    def forward"),
        ('"""A loss."""', '"""The best loss of all."""'),
        ("(logits, target) * 1.0", "(\n            logits,\n            target,\n        ) * 1.0"),
        ("* 1.0\n", "* 1.0\n\n\n"),
    ],
    ids=["comment", "docstring", "formatting", "empty lines"],
)
def test_what_changes_no_code_makes_no_run(old: str, new: str, tmp_path: Path, module: Callable):
    loss = module(LOSS)
    study = {"loss": {"_target_": f"{loss.stem}.Own"}}
    before = run_of(tmp_path, **study)
    edit(loss, old, new)
    assert run_of(tmp_path, **study) == before


def test_plugins_that_a_run_does_not_use_do_not_count(tmp_path: Path, module: Callable):
    figures = module("import logging\nlogging.getLogger('x')\n\ndef draw():\n    return 1\n", "figures")
    plain = run_of(tmp_path)
    assert run_of(tmp_path, plugins=[str(figures)]) == plain


def test_a_plugin_that_changes_other_modules_is_used_by_all_runs(tmp_path: Path, module: Callable):
    patch = module("import torch.nn as nn\nnn.ReLU.inplace = True\n", "patch")
    study = {"plugins": [str(patch)]}
    before = run_of(tmp_path, **study)
    assert before != run_of(tmp_path)
    edit(patch, "True", "False")
    assert run_of(tmp_path, **study) != before


@pytest.mark.parametrize(
    ("statement", "counts"),
    [
        ("nn.ReLU.inplace = True", True),
        ("setattr(nn.ReLU, 'inplace', True)", True),
        ("del nn.modules.LAST", True),
        ("try:\n    import gone\nexcept ImportError:\n    nn.LAST = 1", True),
        ("before, nn.ReLU.inplace = nn.ReLU.inplace, True", True),
        ("before = setattr(nn.ReLU, 'inplace', True)", True),
        ("class Patch:\n    nn.LAST = 1", True),
        ("match 1:\n    case 1:\n        nn.LAST = 1", True),
        ("class Own:\n    table = {}\n    table['a'] = nn.LAST", False),
        ("TABLE = {}\nTABLE['a'] = 1", False),
        ("print('loaded')", False),
        ("if __name__ == '__main__':\n    nn.LAST = 1", False),
        ("def later():\n    nn.LAST = 1", False),
    ],
)
def test_what_a_plugin_does_when_it_is_imported(statement: str, counts: bool, tmp_path: Path, module: Callable):
    helper = module(f"from torch import nn\n\n{statement}\n", "helper")
    path = module(f"import {helper.stem}\n", "plugin")
    assert bool(code_of_patches([path.stem])) == counts


def test_networks_that_a_plugin_registers_with_timm_count(tmp_path: Path, module: Callable):
    name = f"own_net_{next(NUMBERS)}"
    source = "import mml_lib.torchvision_schemas\nfrom timm.models import register_model\n\n"
    source += f"@register_model\ndef {name}(**kwargs):\n    return 1\n"
    net = module(source, "net")
    study = {"plugins": [str(net)], "arch": {"preset": "timm", "name": name, "pretrained": False}}
    before = run_of(tmp_path, **study)
    edit(net, "return 1", "return 2")
    assert run_of(tmp_path, **study) != before
    other = {"plugins": [str(net)], "arch": {"preset": "timm", "name": "resnet18", "pretrained": False}}
    assert "code" not in plan(tmp_path, **other).runs_of("mine")[0].pipeline.content


def test_source_that_is_no_python_is_named(tmp_path: Path, module: Callable):
    loss = module("class Own(:\n")
    with pytest.raises(MMLError, match=rf"{loss}, line 1"):
        run_of(tmp_path, loss={"_target_": f"{loss.stem}.Own"})


# --- data, predictions and metrics ----------------------------------------------------------------------------------


def test_an_edited_creator_makes_another_data_set(tmp_path: Path, module: Callable):
    name = f"own_creator_{next(NUMBERS)}"
    source = (
        "from mml_lib.tasks.creators.creator_registry import register_creator\n\n"
        f"@register_creator('{name}')\ndef make(folder, n: int = 1):\n    return 1\n"
    )
    path = module(source, "creator")
    study = {"plugins": [str(path)], "tasks": {"mine": {"creator": name}}}
    before = plan(tmp_path, **study).study.task("mine")
    edit(path, "return 1", "return 2")
    after = plan(tmp_path, **study).study.task("mine")
    assert before.dataset != after.dataset
    assert before.id != after.id
    edit(path, "return 2", "return 2  # images")
    assert plan(tmp_path, **study).study.task("mine").id == after.id


def test_an_edited_tag_makes_another_task_of_the_same_data_set(tmp_path: Path, module: Callable):
    name = f"own_tag_{'abcdefghij'[next(NUMBERS) % 10]}"
    source = (
        f"from mml_lib.tasks.tags import register_tag\n\n@register_tag('{name}')\ndef tag(task):\n    return task\n"
    )
    path = module(source, "tag")
    study = {"plugins": [str(path)], "tasks": {"mine": FAKE, f"mine+{name}": None}, "pivot": {}}
    before = plan(tmp_path, **study).study.task(f"mine+{name}")
    edit(path, "return task", "return (task)[0]")
    after = plan(tmp_path, **study).study.task(f"mine+{name}")
    assert (before.id != after.id, before.dataset == after.dataset) == (True, True)


def test_an_own_metric_refreshes_metrics_and_trains_nothing(tmp_path: Path, module: Callable):
    path = module("import torchmetrics\n\n\nclass Own(torchmetrics.Metric):\n    number = 1\n")
    metric = [{"_target_": f"{path.stem}.Own", "name": "mine"}, "accuracy"]
    before = plan(tmp_path, metrics=metric).study.inputs.evaluate.metric_params()
    assert run_of(tmp_path, metrics=metric) == run_of(tmp_path)
    edit(path, "number = 1", "number = 2")
    assert plan(tmp_path, metrics=metric).study.inputs.evaluate.metric_params() != before
    assert run_of(tmp_path, metrics=metric) == run_of(tmp_path)
    assert plan(tmp_path).study.inputs.evaluate.metric_params() == {}


def test_own_views_of_test_time_augmentation_refresh_predictions(tmp_path: Path, module: Callable):
    path = module("class Own:\n    number = 1\n")
    study = {"tta": {"transforms": [{"_target_": f"{path.stem}.Own"}]}}
    before = plan(tmp_path, **study).study.inputs.evaluate.prediction_params()
    edit(path, "number = 1", "number = 2")
    assert plan(tmp_path, **study).study.inputs.evaluate.prediction_params() != before
    assert "code" not in plan(tmp_path, tta="flips").study.inputs.evaluate.prediction_params()


# --- what is said ---------------------------------------------------------------------------------------------------


def test_plan_names_the_module_that_changed(tmp_path: Path, module: Callable):
    loss = module(LOSS)
    study = {"loss": {"_target_": f"{loss.stem}.Own"}, "project": "demo"}
    before = plan(tmp_path, **study)
    (old,) = before.runs_of("mine")
    pipeline = Path(before.fm.construct_saving_path(None, "pipeline", task="mine", run=old.id))
    pipeline.parent.mkdir(parents=True)
    pipeline.write_text(old.pipeline.to_yaml())
    assert "changed since" not in plan(tmp_path, **study).study.overview()
    edit(loss, "* 1.0", "* 3.0")
    after = plan(tmp_path, **study)
    (new,) = after.runs_of("mine")
    assert f"run {new.id} is new: {loss.stem} ({loss}) changed since run {old.id}" in after.study.overview()
    explanation = after.study.project_models.explanation(old.id)
    assert explanation["differences"][0]["keys"].keys() == {f"code.{loss.stem}"}
    assert "changed since" not in plan(tmp_path, **study, seed=5).study.overview(), "it differs by its seed as well"


def test_a_data_set_is_made_by_no_other_creator_than_it_is_named_by():
    check_creator_code("digits", {}, "DSET_digits")
    with pytest.raises(MMLError, match=r"DSET_digits-1234.*creator 'digits'"):
        check_creator_code("digits", {"gone": "0" * 16}, "DSET_digits-1234")
