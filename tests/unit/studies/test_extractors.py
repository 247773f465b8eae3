"""Extractors: what decides features names them, and where they come from is known while planning."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.schedulers.base import AbstractBaseScheduler
from tests.support.places import CONFIG
from tests.support.planned_studies import planned, store, wildcards


def features(folder: Path, **section: Any) -> AbstractBaseScheduler:
    return planned({"preset": "features"}, folder, features=section)


def name_of(folder: Path, **section: Any) -> str:
    return features(folder, **section).study.extractors.own.name


def extracted(scheduler: AbstractBaseScheduler) -> list[str]:
    return [step["task"] for step in scheduler.steps_by_rule.get("extract_features", ())]


def test_what_decides_features_is_part_of_their_name(tmp_path: Path):
    names = [
        name_of(tmp_path, **section)
        for section in (
            {"arch": "test_resnet"},
            {"arch": "test_resnet", "pretrained": False},
            {"arch": "test_resnet", "pretrained": False, "seed": 1},
            {"arch": "test_resnet", "pooling": "tokens"},
            {"arch": "test_resnet", "precision": "bf16-mixed"},
            {"arch": "test_resnet", "preprocessing": {"size": 64}},
            {"arch": "test_vit"},
        )
    ]
    assert len(set(names)) == len(names)
    assert {name.partition("-")[0] for name in names} == {"test_resnet", "test_vit"}


@pytest.mark.parametrize(
    "section",
    [
        {"batch_size": 3},
        {"arch": {"preset": "timm", "name": "test_resnet"}, "pretrained": True},
        {"arch": {"preset": "test_resnet", "pretrained": True}},
        {"seed": 3},
        {"preprocessing": {"preset": "default"}},
    ],
    ids=str,
)
def test_what_changes_no_features_changes_no_name(tmp_path: Path, section: dict[str, Any]):
    assert name_of(tmp_path, **{"arch": "test_resnet", **section}) == name_of(tmp_path, arch="test_resnet")


def test_features_are_of_a_pretrained_resnet18_by_default(tmp_path: Path):
    backbone = features(tmp_path).study.cfg.features.backbone
    assert (backbone["name"], backbone["pretrained"]) == ("resnet18", True)
    assert name_of(tmp_path, preset="default") == name_of(tmp_path)


def test_a_name_of_timm_needs_no_preset(tmp_path: Path):
    assert features(tmp_path, arch="convnext_tiny").study.cfg.features.backbone["name"] == "convnext_tiny"


def test_every_task_of_the_study_is_extracted_or_the_pivot(tmp_path: Path):
    assert extracted(features(tmp_path)) == ["mine"]
    all_tasks = planned({"preset": "features"}, tmp_path, pivot={})
    assert extracted(all_tasks) == ["mine", "b", "c", "d", "archive"]


def test_a_changed_task_gets_features_of_its_own(tmp_path: Path):
    first = features(tmp_path).study
    changed = planned({"preset": "features"}, tmp_path, tasks={"mine": {"creator": "fake", "num_samples": 12}}).study
    path, other = first.inputs.features.path("mine"), changed.inputs.features.path("mine")
    assert first.extractors.own.name == changed.extractors.own.name
    assert path != other


def test_a_network_of_the_study_is_trained_first(tmp_path: Path):
    study = features(tmp_path, task="b").study
    (model,) = study.extractors.own.models
    assert (model["task"], model["fold"], model["project"]) == ("b", 0, None)
    tokens = study.inputs.features.tokens("mine")
    run = study.scheduler("features").runs_of("b")[0].id
    paths = study.inputs.features.candidate_parameters(wildcards(**tokens))
    assert [Path(path).name for path in paths] == [f"{run}-fold0.safetensors"]
    assert study.extractors.own.name.startswith(f"b-{run}-fold0-")


def test_the_networks_of_a_project_are_candidates(tmp_path: Path):
    plan = planned({}, tmp_path)
    run = store(tmp_path, "old", plan, "b", first=0.5, second=0.7)
    study = planned(
        {"preset": "features"}, tmp_path, features={"task": "b"}, reuse={"models": "old"}, project="new"
    ).study
    assert [model["fold"] for model in study.extractors.own.models] == [0, 1]
    assert study.extractors.own.name.startswith("b-performance-")
    one = plan.study.extractors.of_network("b", run, 1)
    assert [model["fold"] for model in one.models] == [1]
    named = planned(
        {"preset": "features"},
        tmp_path,
        features={"run": run, "task": "b", "fold": 1},
        reuse={"models": "old"},
        project="new",
    ).study
    assert named.extractors.own.name == one.name


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"task": "b", "run": "ffffffff"}, r"^features\.run: .* no network of b of run ffffffff"),
        ({"task": "b", "fold": 7}, r"^features\.fold: .* no network of b of fold 7"),
        ({"task": "bb"}, r"^features\.task: .* no network of 'bb' .*did you mean 'b'"),
    ],
)
def test_a_network_that_is_not_there_is_named(tmp_path: Path, section: dict[str, Any], sentence: str):
    store(tmp_path, "old", planned({}, tmp_path), "b", first=0.5)
    with pytest.raises(MMLError, match=sentence):
        planned({"preset": "features"}, tmp_path, features=section, reuse={"models": "old"}, project="new")


def test_a_fold_that_a_task_of_the_study_does_not_have_is_named(tmp_path: Path):
    with pytest.raises(MMLError, match=r"^features\.fold: task b has no fold 3; it has 0 to 2"):
        features(tmp_path, task="b", fold=3)


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"arch": "resnet18", "task": "b"}, "features: arch and task both name a backbone"),
        ({"pretrained": True, "task": "b"}, "features: pretrained applies to arch"),
        ({"fold": 0}, "features: fold applies to a trained network"),
        ({"pooling": "token"}, r"features\.pooling: .*'pooled' or 'tokens'"),
        ({"batch_sise": 3}, r"unknown key 'features\.batch_sise', did you mean 'batch_size'"),
        ({"model_selection": "best"}, r"features\.model_selection: there is no selection 'best'.*performance"),
        ({"run": "abc"}, r"features\.run: 'abc' is not a run id"),
        ({"preset": "dinov3"}, r"features: there is no preset 'dinov3', did you mean 'dinov2'"),
        ({"preprocessing": "size23"}, r"preprocessing: there is no preset 'size23', did you mean 'size32'"),
    ],
)
def test_mistakes_in_the_section_are_named_by_their_key(tmp_path: Path, section: dict[str, Any], sentence: str):
    with pytest.raises(MMLError, match=sentence):
        features(tmp_path, **section)


def test_features_of_other_projects_are_reused_where_they_are_of_the_same_task(tmp_path: Path):
    study = planned({"preset": "features"}, tmp_path, pivot={}, project="old").study
    path = Path(study.inputs.features.path("mine"))
    path.parent.mkdir(parents=True)
    path.touch()
    again = planned({"preset": "features"}, tmp_path, pivot={}, project="new", reuse={"features": "old"})
    assert extracted(again) == ["b", "c", "d", "archive"]
    assert Path(again.study.inputs.features.path("mine")) == path
    other = {"arch": "test_resnet"}
    changed = planned(
        {"preset": "features"}, tmp_path, pivot={}, project="new", reuse={"features": "old"}, features=other
    )
    assert extracted(changed) == ["mine", "b", "c", "d", "archive"]


def test_planning_imports_no_torch(tmp_path: Path):
    code = f"""
import sys
from mml_lib.studies.study import Study
study = Study({{"mode": "features", "tasks": {{"t": {{"creator": "fake"}}}}, "arch": "test_resnet", "loss": "default",
    "optimizer": "adamw", "paths": {{"presets": [{str(CONFIG)!r}], "data": "d", "results": "r"}}}})
assert study.scheduler("features").commands[-1] == "extract_features"
assert not {{"torch", "pandas", "lightning", "sklearn"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=120)
