"""Summaries over folds."""

import numpy as np
import pytest

from mml_lib.postprocessing.summary import as_text, bootstrap_interval, fold_table, summarize


def results(values: list[float]) -> list[dict]:
    about = {"task": "t", "run": "0a1b2c3d", "split": "test"}
    return [about | {"fold": fold, "metrics": {"accuracy": value}} for fold, value in enumerate(values)]


def test_summary_has_mean_deviation_and_interval():
    (row,) = summarize(fold_table(results([0.8, 0.9, 1.0]), {"0a1b2c3d": {"label": "lr=1"}})).to_dict("records")
    assert (row["folds"], row["label"], row["metric"]) == (3, "lr=1", "accuracy")
    assert row["mean"] == pytest.approx(0.9)
    assert row["std"] == pytest.approx(0.1)
    assert 0.8 <= row["ci_low"] < 0.9 < row["ci_high"] <= 1.0


def test_single_fold_has_neither_deviation_nor_interval():
    summary = summarize(fold_table(results([0.8]), {}))
    assert summary[["std", "ci_low", "ci_high"]].isna().all(axis=None)
    assert "…" not in as_text(summary)


def test_folds_that_are_alike_have_no_interval():
    summary = summarize(fold_table(results([0.1 + 0.2, 0.3, 0.3]), {}))
    assert summary[["ci_low", "ci_high"]].isna().all(axis=None)
    assert summary["std"].item() == pytest.approx(0)


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [bootstrap_interval(rng.normal(size=40), seed) for seed in range(100)]
    assert 85 <= sum(low <= 0 <= high for low, high in intervals) <= 100


def test_folds_carry_the_intervals_of_their_samples_and_the_summary_does_not():
    told = results([0.8, 0.9])
    for result in told:
        result["metrics"]["own"] = 1.0
    told[0]["intervals"] = {"accuracy": (0.7, 0.85)}  # the other one is of an older version
    folds = fold_table(told, {})
    assert list(folds.columns)[-4:] == ["accuracy", "accuracy_low", "accuracy_high", "own"]
    assert folds[["accuracy_low", "accuracy_high"]].iloc[0].tolist() == [0.7, 0.85]
    assert folds[["accuracy_low", "accuracy_high"]].iloc[1].isna().all()
    assert summarize(folds)["metric"].tolist() == ["accuracy", "own"]
    assert summarize(folds).equals(summarize(fold_table([told[0] | {"intervals": {}}, told[1]], {})))


def test_metric_whose_name_ends_like_an_interval_is_summed_up():
    (result,) = results([0.8])
    result["metrics"]["accuracy_low"] = 0.5
    assert summarize(fold_table([result], {}))["metric"].tolist() == ["accuracy", "accuracy_low"]
