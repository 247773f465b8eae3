"""Baselines on features: rows beside networks, and a mode of their own."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.schedulers.train import TrainScheduler
from tests.support.planned_studies import FAKE, describe, planned, wildcards

BOTH = ["nearest_neighbour", "linear_probe"]


def baselines(folder: Path, mode: dict[str, Any] | None = None, **changes: Any) -> TrainScheduler:
    scheduler = planned({"preset": "baselines", **(mode or {})}, folder, **changes)
    assert isinstance(scheduler, TrainScheduler)
    return scheduler


def test_the_mode_fits_each_baseline_on_each_fold_and_trains_nothing(tmp_path: Path):
    steps = baselines(tmp_path).steps_by_rule
    assert {rule: len(of_rule) for rule, of_rule in steps.items()} == {
        "extract_features": 1,
        "fit_linear_probe": 3,
        "predict_baseline": 6,
        "test_baseline": 6,
        "summarize": 1,
    }
    assert {step["fold"] for step in steps["predict_baseline"]} == {0, 1, 2}


def test_baselines_have_labels_and_runs_of_their_own(tmp_path: Path):
    scheduler = baselines(tmp_path)
    labels = scheduler.run_labels
    assert sorted(label.label for label in labels.values()) == [
        f"{method} on {scheduler.study.extractors.own.name}" for method in sorted(BOTH)
    ]
    other = baselines(tmp_path, features={"arch": "test_resnet"})
    assert not labels.keys() & other.run_labels.keys()
    tokens = scheduler.steps_by_rule["predict_baseline"][0]
    inputs = scheduler.study.inputs.features
    assert inputs.baseline_label(wildcards(**tokens)) in BOTH
    with pytest.raises(MMLError, match="run ffffffff of mine is not a baseline"):
        inputs.baseline_label(wildcards(task="mine", run="ffffffff"))


def test_a_probe_is_fitted_once_for_all_splits(tmp_path: Path):
    tasks = {"mine": FAKE | {"test_fraction": 0.25}}
    scheduler = baselines(tmp_path, {"eval": ["val", "test"], "feature_baselines": ["linear_probe"]}, tasks=tasks)
    steps, inputs = scheduler.steps_by_rule, scheduler.study.inputs.features
    assert len(steps["fit_linear_probe"]) == 3
    assert len(steps["predict_baseline"]) == 6
    probes = {path for step in steps["predict_baseline"] for path in inputs.probe(wildcards(**step))}
    assert len(probes) == 3


def test_models_of_one_method_with_other_options_stand_beside_each_other(tmp_path: Path):
    models = [*BOTH, {"method": "linear_probe", "penalty": 100}, {"method": "nearest_neighbour", "neighbours": 1}]
    scheduler = baselines(tmp_path, {"feature_baselines": [*models, *models]})
    labels = {run: label.label.partition(" on ")[0] for run, label in scheduler.run_labels.items()}
    assert sorted(labels.values()) == [
        "linear_probe",
        "linear_probe (penalty 100)",
        "nearest_neighbour",
        "nearest_neighbour (neighbours 1)",
    ]
    assert labels.keys() > baselines(tmp_path).run_labels.keys(), "options that are unset change no run"
    inputs = scheduler.study.inputs.features
    penalties = {inputs.penalty(wildcards(**step)) for step in scheduler.steps_by_rule["fit_linear_probe"]}
    assert penalties == {None, 100}


@pytest.mark.parametrize("entry", ["linear_probe", {"method": "linear_probe"}])
def test_a_single_baseline_needs_no_list(entry: Any, tmp_path: Path):
    (label,) = baselines(tmp_path, {"feature_baselines": entry}).run_labels.values()
    assert label.label.startswith("linear_probe on ")


def test_more_neighbours_than_samples_are_refused_once_the_task_is_described(tmp_path: Path):
    mode = {"feature_baselines": [{"method": "nearest_neighbour", "neighbours": 17}]}
    describe(baselines(tmp_path, mode).study, "mine", all=24, train=24)
    with pytest.raises(MMLError, match=r"more than the 16 training samples of mine outside a fold; lower neighbours"):
        baselines(tmp_path, mode)


def test_a_mode_with_networks_lists_baselines_beside_them(tmp_path: Path):
    scheduler = planned({"preset": "train", "feature_baselines": ["linear_probe"]}, tmp_path)
    assert len(scheduler.steps_by_rule["test_baseline"]) == 3
    assert len(scheduler.run_labels) == 2
    metrics = scheduler.study.inputs.evaluate.all_metrics(wildcards(mode="train"))
    assert sum("/BASELINES/" in path for path in metrics) == 3


def test_the_leaderboard_compares_baselines(tmp_path: Path):
    tasks = {"mine": FAKE | {"test_fraction": 0.25}}
    scheduler = planned({"preset": "post", "feature_baselines": ["linear_probe"]}, tmp_path, tasks=tasks)
    post = scheduler.study.inputs.post
    compared, paths = (
        read(wildcards(task="mine", mode="post")) for read in (post.compared_networks, post.compared_predictions)
    )
    assert len(compared) == len(paths) == 6
    assert [Path(path).parts[-4] for path in paths] == ["CALIBRATED"] * 3 + ["BASELINES"] * 3
    assert {network["shown"]["label"].partition(" ")[0] for network in compared[3:]} == {"linear_probe"}
    assert len(post.members(wildcards(task="mine", mode="post"))) == 3, "no baseline joins the ensemble"
    drawn = scheduler.study.inputs.report.run_labels(wildcards(task="mine", mode="post"))
    assert drawn.keys() == {network["run"] for network in compared}


def test_without_a_test_split_folds_are_pooled(tmp_path: Path):
    steps = baselines(tmp_path, tasks={"mine": FAKE | {"test_fraction": 0}}).steps_by_rule
    assert {step["eval"] for step in steps["predict_baseline"]} == {"val"}
    assert len(steps["test_pooled_baseline"]) == 2


@pytest.mark.parametrize(
    ("mode", "changes", "sentence"),
    [
        ({}, {"pivot": {"name": "d"}}, r"^mode\.feature_baselines: d is a .*segmentation"),
        ({}, {"pivot": {"name": "archive"}}, r"^mode\.feature_baselines: archive is "),
        ({}, {"features": {"pooling": "tokens"}}, r"^mode\.feature_baselines: .*features\.pooling: pooled"),
        ({"nested": True}, {}, r"^mode\.feature_baselines: nested folds"),
        ({"feature_baselines": ["linear"]}, {}, r"feature_baselines.*did you mean 'linear_probe'"),
        ({"feature_baselines": [{"method": "linear_probe", "neighbours": 3}]}, {}, r"feature_baselines.*neighbours"),
        ({"feature_baselines": [{"method": "linear_probe", "penalty": 0}]}, {}, r"feature_baselines.*penalty"),
        ({"feature_baselines": [{"method": "linear_probe", "penalty": True}]}, {}, r"feature_baselines.*penalty"),
        ({"feature_baselines": [{"penalty": 3}]}, {}, r"feature_baselines.*method"),
        ({"feature_baselines": [{"method": "linear_probe", "C": 3}]}, {}, r"unknown option.*0.C'.*penalty"),
        ({}, {"features": {"task": "mine"}}, r"^mode\.feature_baselines: .*learned images of it.*features\.arch"),
    ],
)
def test_what_gives_no_baselines_is_refused(tmp_path: Path, mode: dict, changes: dict, sentence: str):
    with pytest.raises(MMLError, match=sentence):
        baselines(tmp_path, mode, **changes)


def test_images_that_the_network_of_the_features_has_learned_are_compared(tmp_path: Path):
    other = FAKE | {"num_samples": 27}
    scheduler = baselines(tmp_path, tasks={"mine": FAKE, "other": other}, features={"task": "other"})
    (guard,) = scheduler.guards.guards
    assert (guard.learned[0], guard.tested[0]) == ("other", "mine")
    assert "check_images" in scheduler.commands


def test_reused_features_are_not_extracted(tmp_path: Path):
    study = baselines(tmp_path, project="old").study
    path = Path(study.inputs.features.path("mine"))
    path.parent.mkdir(parents=True)
    path.touch()
    again = baselines(tmp_path, project="new", reuse={"features": "old"})
    assert "extract_features" not in again.commands
    tokens = again.steps_by_rule["predict_baseline"][0]
    assert Path(again.study.inputs.features.baseline_features(wildcards(**tokens))) == path
