"""Comparison of procedures and networks: on the same samples, by their ids; told apart only where they differ."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mml_lib.config.metric_options import NAMED
from mml_lib.errors import MMLError
from mml_lib.evaluation.alignment import AnyPredictions, align
from mml_lib.evaluation.comparisons.leaderboard import leaderboard, standings
from mml_lib.evaluation.evaluation import evaluate, evaluate_resampled, network_intervals
from mml_lib.evaluation.procedures import NETWORKS, PROCEDURE
from mml_lib.evaluation.run_comparison import (
    Resamples,
    compare,
    compare_ensembles,
    compare_folds,
    resample_runs,
)
from mml_lib.predictions.predictions import MaskPredictions, Predictions
from tests.support.compared_predictions import IDS, NUMBER, TARGETS, of_type, predictions, repeated
from tests.support.simulations import Setting, told_apart


def taken(of: Predictions, rows: np.ndarray) -> Predictions:
    return replace(of, logits=of.logits[rows], targets=of.targets[rows], ids=of.ids[rows])


# --- paired differences -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind, names in NAMED.items() if names])
def test_every_metric_of_every_task_type_is_compared(kind: str):
    networks = {run: of_type(kind, seed) for seed, run in enumerate(("a", "b"))}
    resamples = resample_runs({run: {0: network} for run, network in networks.items()}, NAMED[kind], 50)
    table = compare(resamples).set_index("metric")
    assert list(table.index) == list(NAMED[kind])
    worth = {run: evaluate(network, NAMED[kind]) for run, network in networks.items()}
    for metric in NAMED[kind]:
        assert table.loc[metric, "difference"] == pytest.approx(worth["a"][metric] - worth["b"][metric], abs=1e-12)
        assert table.loc[metric, "ci_low"] < table.loc[metric, "ci_high"]


def test_interval_of_a_run_is_that_of_its_metrics_file():
    alone = predictions()
    resamples = resample_runs({"a": {0: alone}, "b": {0: predictions(2)}}, ["f1"], 200)
    interval = standings(resamples).set_index("run").loc["a", ["ci_low", "ci_high"]]
    assert tuple(interval) == network_intervals(evaluate_resampled(alone, ["f1"], 200))["f1"]


def test_samples_are_paired_by_id_and_not_by_order():
    order = np.random.default_rng(1).permutation(NUMBER)
    plain, turned = (
        compare(resample_runs({"a": {0: predictions()}, "b": {0: other}}, ["accuracy", "auroc"], 100))
        for other in (predictions(1.5, 1), taken(predictions(1.5, 1), order))
    )
    pd.testing.assert_frame_equal(plain, turned)


def test_masks_are_paired_by_id_too():
    masks = of_type("semantic_segmentation")
    pairs = list(masks.images())
    turned = MaskPredictions.of(*zip(*pairs[::-1], strict=True), masks.ids[::-1], 3)
    (row,) = compare(resample_runs({"a": {0: masks}, "b": {0: turned}}, ["dice"], 50)).to_dict("records")
    assert (row["difference"], row["p"]) == (0, 1)
    assert row["ci_low"] == -row["ci_high"] < 0


def test_pairing_tells_apart_what_the_intervals_of_single_runs_do_not():
    """Runs that are right and wrong alike but for a few samples: intervals overlap widely, differences are certain."""
    better = predictions()
    wrong = better.logits.copy()
    wrong[np.flatnonzero(better.logits.argmax(axis=1) == TARGETS)[:10]] *= -1
    resamples = resample_runs({"a": {0: better}, "b": {0: replace(better, logits=wrong)}}, ["accuracy"])
    low, high = (
        standings(resamples).set_index("run")["ci_low"]["a"],
        standings(resamples).set_index("run")["ci_high"]["b"],
    )
    (row,) = compare(resamples).to_dict("records")
    assert low < high
    assert row["about"] == NETWORKS
    assert row["difference"] == pytest.approx(0.05)
    assert row["ci_low"] > 0
    assert row["p"] < 0.01


def test_identical_runs_are_never_told_apart():
    folds = {fold: predictions(seed=fold) for fold in range(3)}
    again = {fold: folds[2 - fold] for fold in range(3)}  # the same networks in another order: sums differ by rounding
    for seed in range(5):
        table = compare(resample_runs({"a": folds, "b": again}, ["accuracy", "auroc", "f1"], 100, seed))
        assert (table["difference"] == 0).all()
        assert (table["ci_low"] == -table["ci_high"]).all()
        assert (table[["p", "p_holm"]] == 1).all(axis=None)


def test_better_networks_are_told_apart():
    table = compare(resample_runs({"a": {0: predictions(3)}, "b": {0: predictions(1, 1)}}, ["accuracy", "auroc"], 500))
    assert (table["ci_low"] > 0).all()
    assert (table["p"] < 1e-6).all()


def test_p_values_are_uniform_where_networks_are_equally_good():
    rng, p_values = np.random.default_rng(3), []
    for seed in range(200):
        targets = rng.integers(0, 3, NUMBER)
        runs = {run: {0: predictions(1, rng.integers(2**31), targets)} for run in "ab"}
        p_values.append(compare(resample_runs(runs, ["auroc"], 99, seed))["p"][0])
    for level, (low, high) in {0.05: (0.01, 0.1), 0.25: (0.17, 0.33), 0.5: (0.41, 0.59), 0.75: (0.67, 0.83)}.items():
        assert low <= np.mean(np.array(p_values) <= level) <= high


def test_p_agrees_with_the_interval():
    """The interval of a difference ends at 0 where its p is 0.05, whatever runs are about."""
    rng = np.random.default_rng(0)
    for number in range(60):
        runs = {
            run: {fold: predictions(1 + rng.normal() / 9, rng.integers(2**31)) for fold in range(3)} for run in "ab"
        }
        (row,) = compare(resample_runs(runs, ["auroc"], 100, number)).to_dict("records")
        assert (row["p"] <= 0.05) == (row["ci_low"] > 0 or row["ci_high"] < 0)


def test_mean_over_folds_is_compared_on_the_same_resample():
    folds = {fold: predictions(seed=fold) for fold in range(3)}
    resamples = resample_runs({"a": folds, "b": {0: predictions(2)}}, ["accuracy"], 50)
    for fold, predictions_of_fold in folds.items():
        alone = resample_runs({"a": {0: predictions_of_fold}}, ["accuracy"], 50).runs["a"][0]
        assert np.array_equal(resamples.runs["a"][fold].draws, alone.draws)
        assert resamples.runs["a"][fold].sample_set == resamples.runs["b"][0].sample_set
    expected = np.mean([evaluate(fold, ["accuracy"])["accuracy"] for fold in folds.values()])
    assert resamples.means("a")[0] == pytest.approx(expected)


def test_folds_with_samples_of_their_own_are_paired_fold_by_fold():
    """As nested validation tests: each fold's samples are resampled by themselves."""
    rows = [np.arange(fold, NUMBER, 2) for fold in range(2)]
    whole = {run: predictions(1, seed) for seed, run in enumerate("ab")}
    runs = {run: {fold: taken(network, rows[fold]) for fold in range(2)} for run, network in whole.items()}
    runs["b"] = dict(reversed(runs["b"].items()))
    aligned = align(runs)
    assert [(fold, network.sample_set) for fold, network in aligned["b"].items()] == [(1, 1), (0, 0)]
    resamples = resample_runs(runs, ["accuracy"], 50)
    assert resamples.means("a")[0] == pytest.approx(evaluate(whole["a"], ["accuracy"])["accuracy"])
    sets = [[resamples.runs[run][fold].sample_set for fold in range(2)] for run in "ab"]
    assert sets[0] == sets[1]
    assert len(set(sets[0])) == 2


# --- procedures ---------------------------------------------------------------------------------------------------


def test_runs_that_differ_in_their_seed_are_one_procedure():
    runs, procedures = repeated({"good": 3, "weak": 0.5})
    resamples = resample_runs(runs, ["accuracy"], 100, procedures=procedures)
    (row,) = compare(resamples).to_dict("records")
    assert (row["run"], row["other"], row["kind"], row["about"]) == ("good", "weak", PROCEDURE, PROCEDURE)
    means = {name: np.mean([resamples.means(run)[0] for run in of]) for name, of in procedures.items()}
    assert row["difference"] == pytest.approx(means["good"] - means["weak"])
    assert row["p"] < 0.05


def test_single_network_tells_nothing_of_its_procedure():
    runs = {"a": {0: predictions(3)}, "b": {0: predictions(1, 1)}}
    resamples = resample_runs(runs, ["accuracy"], 100)
    assert compare(resamples)["about"].item() == NETWORKS
    assert standings(resamples)["among_best"].all()


def test_single_run_varies_as_the_other_procedure_does():
    runs, procedures = repeated({"good": 3}, folds=1)
    runs["lone"] = {0: predictions(0.5, 99)}
    (row,) = compare(resample_runs(runs, ["accuracy"], 100, procedures=procedures)).to_dict("records")
    assert row["about"] == PROCEDURE
    assert row["p"] < 0.05


def test_ensembles_stand_apart():
    runs, procedures = repeated({"good": 3, "weak": 0.5})
    runs["together"] = {-1: predictions(6, 999)}
    resamples = resample_runs(runs, ["accuracy"], 100, procedures=procedures, ensembles=["together"])
    assert "together" not in {*compare(resamples)["run"], *compare(resamples)["other"]}
    assert compare_folds(resamples, dict.fromkeys(range(2), (80, 20)))[["run", "other"]].to_numpy().tolist() == [
        ["good", "weak"]
    ]
    table = standings(resamples).set_index("run")
    assert np.isnan(table.loc["together", "rank"])
    assert not table.loc["together", "among_best"]
    assert table.loc["together", "difference"] > 0
    assert table.loc["together", "about"] == NETWORKS
    against = compare_ensembles(resamples).set_index("other")
    best = np.mean([resamples.means(run)[0] for run in procedures["good"]])
    assert against.loc["good", "difference"] == pytest.approx(resamples.means("together")[0] - best)


def test_equal_procedures_are_seldom_told_apart_and_better_ones_found():
    """tests/benchmarks/test_coverage.py has the whole table."""
    setting = Setting("dice", samples=100, folds=3, runs=3, spread=0.3, of_folds=0.3)
    assert told_apart(setting, 60, seed=1) <= 0.12
    assert told_apart(Setting("dice", samples=100, folds=5, runs=5, spread=0.3), 12, better=2, seed=1) >= 0.8


def test_whole_groups_are_compared():
    """Groups of ten alike samples: as networks the two differ, but by two patients alone."""
    better = predictions()
    wrong = better.logits.copy()
    wrong[:20] *= -1
    runs = {"a": {0: better}, "b": {0: replace(better, logits=wrong)}}
    groups = {id_: f"patient{number // 10}" for number, id_ in enumerate(IDS.tolist())}
    alone, grouped = (
        compare(resample_runs(runs, ["accuracy"], 200, groups=units))["p"].iloc[0] for units in (None, groups)
    )
    assert alone < grouped


# --- bad input ----------------------------------------------------------------------------------------------------


def broken(fault: str) -> AnyPredictions:
    good = predictions()
    logits, targets = good.logits.copy(), good.targets.copy()
    if fault == "infinite":
        logits[7, 1] = np.inf
    if fault == "unlabelled":
        targets[3] = -1
    if fault == "other targets":
        targets[3] = (targets[3] + 1) % 3
    changed = replace(good, logits=logits, targets=targets)
    return {
        "fewer": taken(good, np.arange(10, NUMBER)),
        "more": replace(taken(good, np.append(np.arange(NUMBER), 0)), ids=np.append(IDS, "s999")),
        "others": replace(good, ids=np.char.add("t", IDS)),
        "classes": replace(good, logits=logits[:, :2]),
        "type": of_type("regression"),
        "none": taken(good, np.arange(0)),
    }.get(fault, changed)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("fewer", r"run 'bad', fold 4 was.*190 samples.*run 'good' \('s0'"),
        ("more", r"run 'bad', fold 4 was.*201 samples.*'s999'"),
        ("others", r"run 'bad', fold 4 was.*200 samples,.*run 'good'"),
        ("classes", r"run 'bad', fold 4 has 2 classes and run 'good' has 3"),
        ("type", r"run 'bad', fold 4 is a regression and run 'good' a classification"),
        ("infinite", r"run 'bad', fold 4 has outputs .*not finite, .*'s7'"),
        ("unlabelled", r"run 'bad', fold 4 has samples without labels, .*'s3'"),
        ("other targets", r"run 'bad', fold 4 and run 'good' .*different targets"),
        ("none", r"run 'bad', fold 4 has no samples"),
    ],
)
def test_predictions_that_cannot_be_compared_are_refused(fault: str, message: str):
    with pytest.raises(MMLError, match=message) as error:
        resample_runs({"good": {0: predictions()}, "bad": {4: broken(fault)}}, ["accuracy"], 10)
    assert "\n" not in str(error.value)


def test_calls_that_name_nothing_known_are_refused():
    runs = {"a": {0: predictions()}, "b": {0: predictions(2)}}
    resamples: Resamples = resample_runs(runs, ["accuracy"], 10)
    with pytest.raises(MMLError, match="no predictions to compare"):
        resample_runs({}, ["accuracy"])
    with pytest.raises(MMLError, match="run 'b' has no predictions"):
        resample_runs({"a": runs["a"], "b": {}}, ["accuracy"])
    with pytest.raises(MMLError, match="by 'acuracy', did you mean 'accuracy'"):
        resample_runs(runs, ["acuracy"])
    with pytest.raises(MMLError, match="sizes of fold 0"):
        compare_folds(resamples, {1: (10, 10)})
    with pytest.raises(MMLError, match="cannot be ordered by 'f1'"):
        leaderboard(standings(resamples), "f1")


def test_run_that_lacks_the_samples_of_a_fold_is_refused():
    halves = {fold: taken(predictions(), np.arange(fold, NUMBER, 2)) for fold in range(2)}
    with pytest.raises(MMLError, match=r"run 'b'.*fold 1 of run 'a'"):
        resample_runs({"a": halves, "b": {0: halves[0]}}, ["accuracy"], 10)


def test_comparison_imports_no_torch():
    code = (
        "import sys, mml_lib.evaluation.comparisons.leaderboard, mml_lib.evaluation.subgroups\n"
        "assert not {'torch', 'scipy.stats', 'matplotlib'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
