"""Baselines on features: rows beside networks, and a mode of their own."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.schedulers.train import TrainScheduler
from tests.support.planned_studies import FAKE, planned, wildcards

BOTH = ["nearest_neighbour", "linear_probe"]


def baselines(folder: Path, mode: dict[str, Any] | None = None, **changes: Any) -> TrainScheduler:
    scheduler = planned({"preset": "baselines", **(mode or {})}, folder, **changes)
    assert isinstance(scheduler, TrainScheduler)
    return scheduler


def test_the_mode_fits_each_baseline_on_each_fold_and_trains_nothing(tmp_path: Path):
    steps = baselines(tmp_path).steps_by_rule
    assert {rule: len(of_rule) for rule, of_rule in steps.items()} == {
        "extract_features": 1,
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
    assert inputs.baseline_method(wildcards(**tokens)) in BOTH
    with pytest.raises(MMLError, match="run ffffffff of mine is no baseline"):
        inputs.baseline_method(wildcards(task="mine", run="ffffffff"))


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
        ({"feature_baselines": ["linear"]}, {}, r"feature_baselines.*linear_probe"),
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
