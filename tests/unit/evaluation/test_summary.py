"""Summaries: procedures first, their runs beneath; over seeds and folds; what an interval is of."""

from dataclasses import replace

import numpy as np
import pytest

from mml_lib.evaluation.comparisons.leaderboard import ABOUT
from mml_lib.evaluation.evaluation import evaluate, evaluate_resampled
from mml_lib.evaluation.fold_table import fold_table
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.evaluation.run_labels import RunLabel, labels_from_params
from mml_lib.evaluation.summary import as_text, summarize
from mml_lib.predictions.predictions import Predictions
from tests.support.places import REPOSITORY

NUMBER = 60
TARGETS = np.arange(NUMBER) % 3
IDS = np.array([f"s{number:02}" for number in range(NUMBER)])
METRICS = ["accuracy", "f1"]
PROCEDURES = {"a1": "a", "a2": "a", "b1": "b"}
LABELS = {run: RunLabel("t", run, f"{name}, seed={run[1]}", f"of_{name}", name) for run, name in PROCEDURES.items()}


def network(run: str, fold: int, strength: float = 1.0, seed: int = 0, resamples: int = 100, **about) -> tuple:
    """Return the metrics of a network, and these on resamples."""
    noise = np.random.default_rng(seed).normal(size=(NUMBER, 3))
    predictions = Predictions((strength * np.eye(3)[TARGETS] + noise).astype("f"), TARGETS, IDS)
    names = {"task": "t", "run": run, "fold": fold, "split": "test"} | about
    metrics = NetworkMetrics(metrics=evaluate(predictions, METRICS), **names)
    return metrics, evaluate_resampled(predictions, METRICS, resamples)


def summed_up(*networks: tuple, labels: dict | None = None):
    return summarize([result for result, _ in networks], [resampled for _, resampled in networks], labels or {})


def of_study():
    strengths = {"a1": 2, "a2": 2.2, "b1": 0.3}
    return [
        network(run, fold, strength, 10 * place + fold)
        for place, (run, strength) in enumerate(strengths.items())
        for fold in range(3)
    ]


def test_summary_has_mean_deviation_and_interval_of_a_procedure():
    networks = [network("0a1b2c3d", fold, 1, fold) for fold in range(3)]
    values = [result.metrics["accuracy"] for result, _ in networks]
    table = summed_up(*networks, labels={"0a1b2c3d": RunLabel("t", "0a1b2c3d", "lr=1", "p", "lr=1")})
    assert table["metric"].tolist() == ["accuracy", "f1"]
    row = table.iloc[0]
    assert (row["kind"], row["runs"], row["folds"], row["label"]) == ("procedure", 1, 3, "lr=1")
    assert (row["mean"], row["std"]) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert 0 <= row["ci_low"] < row["mean"] < row["ci_high"] <= 1
    assert (row["about"], row["reason"]) == ("procedure", "")
    assert ABOUT["procedure"] in as_text(table)


def test_single_network_has_an_interval_that_is_its_own():
    table = summed_up(network("0a1b2c3d", 0))
    assert table["std"].isna().all()
    assert table[["ci_low", "ci_high"]].notna().all(axis=None)
    assert set(table["about"]) == {"networks"}
    assert ABOUT["networks"] in as_text(table)


def test_folds_that_are_alike_have_an_interval():
    table = summed_up(*(network("0a1b2c3d", fold) for fold in range(3)))
    assert table["std"].tolist() == pytest.approx([0, 0])
    assert table[["ci_low", "ci_high"]].notna().all(axis=None)


def test_runs_of_a_procedure_stand_beneath_it():
    table = summed_up(*of_study(), labels=LABELS)
    accuracy = table[table["metric"] == "accuracy"]
    assert accuracy["kind"].tolist() == ["procedure", "run", "run", "procedure"]
    procedure, *runs, other = accuracy.to_dict("records")
    assert (procedure["procedure"], procedure["run"], procedure["label"]) == ("of_a", "", "a")
    assert (procedure["runs"], procedure["folds"]) == (2, 3)
    assert (other["run"], other["label"]) == ("b1", "b, seed=1")
    assert {row["run"]: row["label"] for row in runs} == {"a1": "a, seed=1", "a2": "a, seed=2"}
    assert procedure["mean"] == pytest.approx(np.mean([row["mean"] for row in runs]))
    assert other["difference"] == pytest.approx(other["mean"] - procedure["mean"])
    assert other["difference_high"] < 0
    assert (procedure["among_best"], other["among_best"]) == (True, False)
    text = as_text(table)
    assert "procedure" in text.splitlines()[0]
    assert "nan" not in text.lower()


def test_metrics_without_a_name_have_no_interval_and_say_why():
    result, resampled = network("0a1b2c3d", 0)
    result = replace(result, metrics={**result.metrics, "own": 1.0})
    row = summed_up((result, resampled)).set_index("metric").loc["own"]
    assert row["mean"] == 1
    assert np.isnan(row["ci_low"])
    assert row["reason"]
    assert row["reason"] in as_text(summed_up((result, resampled)))


def test_without_resamples_the_reason_is_said():
    table = summed_up(network("0a1b2c3d", 0, resamples=0), network("0a1b2c3d", 1, resamples=0))
    assert table[["ci_low", "ci_high"]].isna().all(axis=None)
    assert set(table["reason"]) == {"no resamples (bootstrap: 0)"}
    assert table["mean"].notna().all()


def test_other_tasks_and_splits_are_summed_up_by_themselves():
    table = summed_up(
        network("a1", 0),
        network("a1", 0, on="u", seed=1),
        network("a1", 0, split="val", seed=2),
        network("b1", 0, task="u"),
    )
    keys = table[["task", "on", "split"]].drop_duplicates().to_numpy().tolist()
    assert keys == [["t", "", "test"], ["t", "", "val"], ["t", "u", "test"], ["u", "", "test"]]


def test_folds_carry_the_intervals_of_their_samples():
    results = [replace(network("0a1b2c3d", fold)[0], metrics={"accuracy": 0.8, "own": 1.0}) for fold in range(2)]
    results[0] = replace(results[0], intervals={"accuracy": (0.7, 0.85)})  # the other one is of an older version
    folds = fold_table(results, {})
    assert list(folds.columns)[-4:] == ["accuracy", "accuracy_low", "accuracy_high", "own"]
    assert folds[["accuracy_low", "accuracy_high"]].iloc[0].tolist() == [0.7, 0.85]
    assert folds[["accuracy_low", "accuracy_high"]].iloc[1].isna().all()


def test_networks_have_the_labels_and_the_fold_that_params_of_a_rule_hold():
    label = RunLabel("t", "recipe", "lr=1", "procedure", "lr=1 = again", fold=2)
    labels = {"0a1b2c3d": label, "0b1b2c3d": RunLabel("t", "0b1b2c3d", "lr=2", "other", "")}
    assert labels_from_params({run: label.as_params() for run, label in labels.items()}) == labels
    results = [network(run, 0, on="u")[0] for run in (*labels, "0c1b2c3d")]
    folds = fold_table(results, labels)
    assert list(folds.columns)[:6] == ["task", "run", "label", "on", "split", "fold"]
    rows = folds.drop(columns=["accuracy", "f1"]).to_numpy().tolist()
    assert rows == [
        ["t", "0b1b2c3d", "lr=2", "u", "test", 0],
        ["t", "0c1b2c3d", "", "u", "test", 0],
        ["t", "recipe", "lr=1", "u", "test", 2],
    ]


@pytest.mark.parametrize("path", ["config/guide/evaluation.md", "rules/captions/figure.rst", "rules/captions/page.rst"])
def test_guide_and_captions_say_of_what_intervals_are_in_the_same_words(path: str):
    text = " ".join((REPOSITORY / path).read_text(encoding="utf-8").split())
    assert all(sentence in text for sentence in ABOUT.values())
