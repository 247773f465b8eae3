"""Layers of a study: defaults, files in their order, values of the command line."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mml_lib.config.loading import load_study
from mml_lib.config.pipeline_folder import add_presets
from mml_lib.config.reading.layers import DEFAULTS, overlay, with_defaults
from mml_lib.config.reading.presets import GROUPS
from mml_lib.config.reading.study_files import read_study
from mml_lib.engine.command_line import StudyLayers, study_layers
from tests.support.places import REPOSITORY

MINIMAL = "project: lesions\ntasks: {lesions: {creator: fake}}\n"


def load(config: dict[str, Any]) -> Any:
    config = dict(config)
    add_presets(config, REPOSITORY / "config")
    return load_study(config)


def write(folder: Path, **texts: str) -> list[Path]:
    """Write study files by name."""
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return [folder / f"{name}.yaml" for name in texts]


def test_project_and_tasks_are_enough(tmp_path: Path):
    study = load(StudyLayers.read(write(tmp_path, study=MINIMAL)).config)
    assert (study.project, list(study.tasks), study.mode.id) == ("lesions", ["lesions"], "train")


def test_defaults_name_sections_that_there_are_and_no_task():
    assert set(read_study(DEFAULTS)) <= {*GROUPS, "normalization"}


def test_files_are_laid_over_each_other_in_order_tasks_included(tmp_path: Path):
    files = write(
        tmp_path,
        first="tasks: {a: {creator: fake, folds: 3}, b: {creator: fake}}\nseed: 1\noptimizer: {preset: sgd, lr: 0.1}",
        second="tasks: {a: {folds: 4}, c: {creator: digits}}\nseed: 2\noptimizer: {lr: 0.2}",
    )
    study = load(StudyLayers.read(files, ["seed=3", "optimizer.momentum=0.5"]).config)
    assert {name: task.folds for name, task in study.tasks.items()} == {"a": 4, "b": 5, "c": 5}
    assert study.seed == 3
    assert study.optimizer.spec() == {"_target_": "torch.optim.SGD", "lr": 0.2, "momentum": 0.5, "nesterov": True}


@pytest.mark.parametrize(
    ("below", "over", "result"),
    [
        ("adamw", {"lr": 1}, {"preset": "adamw", "lr": 1}),
        ({"preset": "adamw", "lr": 1}, {"weight_decay": 2}, {"preset": "adamw", "lr": 1, "weight_decay": 2}),
        ({"preset": "adamw", "lr": 1}, {"preset": "adamw", "weight_decay": 2}, {"preset": "adamw", "weight_decay": 2}),
        ({"preset": "adamw", "lr": 1}, "sgd", "sgd"),
        ({"preset": "adamw", "lr": 1}, {"_target_": "x.Y"}, {"_target_": "x.Y"}),
        ({"_target_": "x.Y", "a": 1}, {"preset": "sgd"}, {"preset": "sgd"}),
        (None, {"lr": 1}, {"lr": 1}),
    ],
)
def test_section_that_names_its_preset_replaces_the_one_below(below: Any, over: Any, result: Any):
    assert overlay({"optimizer": below}, {"optimizer": over}) == {"optimizer": result}


def test_section_that_is_switched_off_below_is_switched_on_by_its_keys():
    assert load(with_defaults({"tasks": {"a": {"creator": "fake"}}, "tune": {"lr": True}})).tune.lr


def called(arguments: str, folder: Path, kept: list[str], values: list[str] | None = None) -> SimpleNamespace:
    """Snakemake's workflow object of a call, with the files and values that Snakemake keeps."""
    settings = SimpleNamespace(configfiles=[folder / file for file in kept], config_args=values)
    return SimpleNamespace(
        arguments=["snakemake", *arguments.split()],
        config_settings=settings,
        workdir_init=str(folder),
        basedir=str(REPOSITORY),
        configfiles=[],
    )


@pytest.mark.parametrize(
    ("arguments", "kept", "values", "files", "config"),
    [
        ("--configfile a.yaml b.yaml -n", "ab", None, "ab", {}),
        ("--configfile a.yaml --configfile b.yaml", "b", None, "ab", {}),
        ("--configfile=b.yaml -n --configfiles a.yaml", "a", None, "ba", {}),
        ("--config seed=1 --configfile a.yaml --config num_workers=2", "a", ["num_workers=2"], "a", None),
        ("-C seed=1 -C num_workers=2 --configfile a.yaml", "a", ["num_workers=2"], "a", None),
        ("--cores 2 --profile mine", "ab", ["seed=1", "num_workers=2"], "ab", None),
        ("--configfile a.yaml b.yaml ./a.yaml", "aba", None, "ba", {}),
    ],
)
def test_each_occurrence_of_an_option_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, kept: str, values: Any, files: str, config: Any
):
    named = [f"{name}.yaml" for name in files]
    write(tmp_path, a=MINIMAL, b=MINIMAL)
    workflow = called(arguments, tmp_path, [f"{name}.yaml" for name in kept], values)
    monkeypatch.setattr("sys.argv", workflow.arguments)
    layers = study_layers(workflow, REPOSITORY)
    assert layers.files == [tmp_path / name for name in named]
    assert layers.values == ({"seed": 1, "num_workers": 2} if config is None else config)
    assert workflow.config_settings.configfiles == layers.files, "its jobs get all of them"
    assert len(workflow.config_settings.config_args or ()) == len(layers.values)


def test_demo_study_is_read_where_no_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    workflow = called("-n", tmp_path, [])
    monkeypatch.setattr("sys.argv", workflow.arguments)
    assert study_layers(workflow, REPOSITORY).files == [REPOSITORY / "config/config.yaml"]
    os.mkdir("config")
    (tmp_path / "config/config.yaml").write_text(MINIMAL)
    assert study_layers(workflow, REPOSITORY).files == [tmp_path / "config/config.yaml"]
    write(tmp_path, a=MINIMAL)
    workflow = called("--configfile a.yaml", tmp_path, ["a.yaml"])
    monkeypatch.setattr("sys.argv", workflow.arguments)
    assert study_layers(workflow, REPOSITORY).files == [tmp_path / "a.yaml"], "one that is named has no other below it"
