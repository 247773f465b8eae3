"""Out-of-fold results: each sample once, pooled over folds, with the variance between trainings in their interval."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mml_lib.errors import MMLError
from mml_lib.evaluation.comparisons.answer import Answer, ComparedNetwork
from mml_lib.evaluation.evaluation import evaluate, network_estimates
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.evaluation.out_of_fold import evaluate_out_of_fold, pool_out_of_fold
from mml_lib.evaluation.procedures import compare_procedures
from mml_lib.evaluation.resampled import read_resampled
from mml_lib.evaluation.summary import as_text, summarize
from mml_lib.interactive import load_metrics
from mml_lib.predictions.predictions import MaskPredictions, Predictions
from mml_lib.reports.pages import table_page
from mml_lib.studies.study import Study
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.splitting import Splitting, assign
from mml_lib.tasks.targets import Targets
from tests.support.places import CONFIG

SIZES = (10, 30, 60)


def fold(accuracy: float, number: int, start: int = 0) -> Predictions:
    """Return predictions of two classes, of which a share is right."""
    targets = np.arange(number) % 2
    right = np.arange(number) < round(accuracy * number)
    predicted = np.where(np.random.default_rng(start).permutation(right), targets, 1 - targets)
    ids = np.array([f"s{start + row:04}" for row in range(number)])
    return Predictions(2 * np.eye(2, dtype="f")[predicted], targets, ids)


def folds(accuracies: tuple[float, ...], sizes: tuple[int, ...] = SIZES) -> dict[int, Predictions]:
    starts = np.cumsum([0, *sizes]).tolist()
    return {k: fold(accuracy, sizes[k], starts[k]) for k, accuracy in enumerate(accuracies)}


def test_each_sample_counts_once_whatever_its_fold():
    parts = folds((1.0, 0.5, 0.5))
    pooled = pool_out_of_fold(parts, "run a")
    assert len(pooled.ids) == len(set(pooled.ids.tolist())) == 100
    resampled = evaluate_out_of_fold(parts, ["accuracy"], 100)
    assert evaluate(pooled, ["accuracy"])["accuracy"] == pytest.approx(0.55)
    assert resampled.values.tolist() == pytest.approx([0.55])  # the mean over folds is 0.67
    assert resampled.fold_values.tolist() == [pytest.approx([1.0, 0.5, 0.5])]


def test_sample_in_two_folds_is_refused():
    with pytest.raises(MMLError, match="run a: sample 's0000'"):
        pool_out_of_fold({0: fold(1, 10), 1: fold(1, 10)}, "run a")


def test_masks_of_different_sizes_are_pooled():
    masks = [np.full((2 + k, 3), k, np.uint8) for k in range(2)]
    parts = {k: MaskPredictions.of([masks[k]], [masks[k]], np.array([f"m{k}"]), 2) for k in range(2)}
    pooled = pool_out_of_fold(parts, "run a")
    assert [mask.shape for mask, _ in pooled.images()] == [(2, 3), (3, 3)]
    assert pooled.ids.tolist() == ["m0", "m1"]


def test_variance_between_trainings_widens_the_interval():
    alike, unlike = (
        network_estimates(evaluate_out_of_fold(folds(accuracies, (100,) * 5), ["accuracy"], 200))["accuracy"]
        for accuracies in ((0.7,) * 5, (0.5, 0.6, 0.7, 0.8, 0.9))
    )
    assert alike.mean == unlike.mean == pytest.approx(0.7)
    assert (alike.about, unlike.about) == ("procedure", "procedure")
    assert unlike.high - unlike.low > 2 * (alike.high - alike.low)
    assert alike.high - alike.low == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / 500), rel=0.1)


def test_procedures_are_compared_over_the_same_samples():
    parts = folds((0.6, 0.7, 0.8), (60, 60, 60))
    first, second = (
        evaluate_out_of_fold(networks, ["accuracy"], 200) for networks in (parts, folds((0.9,) * 3, (60,) * 3))
    )
    same = compare_procedures({"a": {0: first}}, {"b": {0: first}}, "accuracy")
    assert (same.difference, same.about) == (0, "procedure")
    apart = compare_procedures({"a": {0: first}}, {"b": {0: second}}, "accuracy")
    assert apart.difference == pytest.approx(-0.2)
    assert apart.low < -0.2 < apart.high


def test_folds_of_pooled_metrics_are_stored(tmp_path: Path):
    resampled = evaluate_out_of_fold(folds((0.6, 0.7, 0.8)), ["accuracy", "f1"], 20)
    resampled.write(tmp_path / "out_of_fold.npz")
    stored = read_resampled(tmp_path / "out_of_fold.npz")
    assert (stored.folds, stored.fold_draws.shape) == (3, (2, 3, 20))
    assert np.array_equal(stored.fold_values, resampled.fold_values)


def test_summary_counts_folds_and_says_what_is_pooled():
    parts = folds((0.6, 0.7, 0.8))
    names = {"task": "t", "run": "0a1b2c3d", "fold": None, "on": "t", "split": "out_of_fold"}
    result = NetworkMetrics(metrics={"accuracy": 0.5, "own": 1.0}, **names)
    table = summarize([result], [evaluate_out_of_fold(parts, ["accuracy"], 100)], {})
    row = table.set_index("metric").loc["accuracy"]
    assert (row["split"], row["runs"], row["folds"], row["about"]) == ("out_of_fold", 1, 3, "procedure")
    assert row["ci_low"] < row["mean"] < row["ci_high"]
    assert "t: pooled." in as_text(table, ["t: pooled"]).splitlines()
    assert "<p>t: pooled.</p>" in table_page("summary", table, "summary.csv", ["t: pooled"])


def test_comparison_is_of_pooled_predictions_and_its_t_test_of_folds():
    samples = [Sample(f"s{row:04}", f"{row}.png", "ab"[row % 2], fold=row // 20) for row in range(60)]
    dataset = Dataset("d", Delivery(samples, ["a", "b"], "classification"), [(8, 8)] * 60, Path())
    targets = Targets.of(dataset, None, "t")
    task = TaskDescription.of({"name": "t"}, dataset, targets, assign(samples, targets, "t", Splitting(3)))
    answer = Answer(["accuracy"], 100)
    for run, accuracies in (("a", (0.9, 0.8, 1.0)), ("b", (0.5, 0.6, 0.4))):
        for number, predictions in folds(accuracies, (20, 20, 20)).items():
            answer.add(ComparedNetwork("t", run, number, "", run, "", held_out=number), predictions, task)
    pooled = answer.pooled()
    resamples = pooled.resample()
    assert pooled.fold_tests(resamples)["folds"].tolist() == [3]
    board = pooled.leaderboard(resamples)
    assert board[["run", "folds", "accuracy", "accuracy_about"]].to_numpy().tolist() == [
        ["a", 3, pytest.approx(0.9), "procedure"],
        ["b", 3, pytest.approx(0.5), "procedure"],
    ]
    assert set(pooled.classes()["fold"]) == {""}
    assert pooled.classes()["support"].tolist() == [30] * 4


def test_notebooks_read_out_of_fold_metrics(tmp_path: Path):
    about = {"task": "t", "run": "0a1b2c3d", "on": "t", "split": "out_of_fold"}
    metrics = NetworkMetrics(metrics={"accuracy": 0.5}, fold=None, **about)
    metrics.write(tmp_path / "p/METRICS/t/0a1b2c3d/out_of_fold.json")
    table = load_metrics("p", split="out_of_fold", results=tmp_path)
    assert table[["run", "fold", "split", "accuracy"]].to_numpy().tolist() == [["0a1b2c3d", -1, "out_of_fold", 0.5]]


# --- plans --------------------------------------------------------------------------------------------------------

FAKE = {"creator": "fake", "num_samples": 24, "folds": 3}
CROSS_VALIDATED = FAKE | {"test_fraction": 0}


def planned(task: dict[str, Any], **changes: Any) -> Any:
    mode = {"preset": "train"} | changes.pop("mode", {})
    base = {"tasks": {"mine": task}, "arch": "test_resnet", "loss": "default", "optimizer": "adamw"}
    base["paths"] = {"presets": [str(CONFIG)]}
    return Study(base | {"mode": mode} | changes).scheduler("train")


@pytest.mark.parametrize(
    ("task", "mode", "pooled"),
    [
        (CROSS_VALIDATED, {}, True),
        (CROSS_VALIDATED, {"folds": [2, 1, 0]}, True),
        (FAKE, {"eval": ["val", "test"]}, True),
        (FAKE, {}, False),
        (CROSS_VALIDATED, {"cv": False}, False),
        (CROSS_VALIDATED, {"folds": [0, 1]}, False),
        (CROSS_VALIDATED, {"nested": True}, False),
        (CROSS_VALIDATED, {"subroutines": ["train", "predict"]}, False),
    ],
)
def test_folds_are_pooled_where_networks_of_all_are_tested_on_them(task: dict, mode: dict, pooled: bool):
    scheduler = planned(task, mode=mode)
    steps = [
        params for command, params in zip(scheduler.commands, scheduler.params, strict=True) if "of_fold" in command
    ]
    assert len(steps) == pooled
    notes = " ".join(scheduler.split_notes)
    assert ("out_of_fold pools 3 networks" in notes) == (pooled or "subroutines" in mode)


def test_one_test_split_for_all_folds_is_said_with_the_way_to_cross_validation():
    (note,) = planned(FAKE).announcement
    assert note == (
        "mine: 3 networks, one per fold, all tested on the same test split; for cross-validation, in which each sample "
        "is tested once, set tasks.mine.test_fraction: 0"
    )
    assert planned(FAKE, mode={"cv": False}).announcement == []
    (derived,) = planned(FAKE, pivot={"name": "mine", "tags": "+nested~0"}).announcement
    assert derived.endswith("all tested on the same test split")


def test_choice_among_procedures_by_the_samples_that_are_reported_is_said():
    variants = {"a": {}, "b": {"optimizer.lr": 0.5}}
    notes = planned(CROSS_VALIDATED, variants=variants).announcement
    assert any("of each run" in note for note in notes)
    assert any("optimistic" in note for note in notes)
    assert not any("optimistic" in note for note in planned(CROSS_VALIDATED, sweep={"seed": [1, 2]}).announcement)
