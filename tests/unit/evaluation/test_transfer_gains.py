"""Gains of transfer: the matrix of sources and targets, its intervals, and its figure."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mml_lib.evaluation.comparisons.rank_correlations import correlation_table
from mml_lib.evaluation.comparisons.tested import TestedNetwork, runs_of
from mml_lib.evaluation.comparisons.transfer_gains import as_text, gain_matrix, gain_table, sentences
from mml_lib.evaluation.procedures import compare_procedures
from mml_lib.reports.question_figures import draw_transfer
from tests.support.small_networks import network_of

STRENGTHS = {"scratch": 1.0, "from a": 3.0, "from b": 1.1, "from c": 0.3}
TRANSFERS = [
    {"source": name[-1], "setting": "", "procedure": name, "scratch": "scratch"}
    for name in STRENGTHS
    if name != "scratch"
]


def networks(targets: str = "ab", folds: int = 3, runs: int = 3) -> list[TestedNetwork]:
    return [
        network_of(
            strength, seed=1000 * place + 100 * number + 10 * run + fold, task=target, procedures=(name,),
            run=f"{name}{run}", fold=fold,
        )
        for number, target in enumerate(targets)
        for place, (name, strength) in enumerate(STRENGTHS.items())
        for run in range(runs)
        for fold in range(folds)
        if name != f"from {target}"
    ]  # fmt: skip


def test_each_gain_is_the_paired_difference_to_scratch_with_its_interval():
    members = networks()
    table = gain_table(members, TRANSFERS, "accuracy")
    assert list(table["reason"][table["gain"].isna()]) == 2 * ["no network of the target has this source"]
    gains = table.dropna(subset="gain")
    assert list(zip(gains["source"], gains["target"], strict=True)) == [("b", "a"), ("c", "a"), ("a", "b"), ("c", "b")]
    for _, row in gains.iterrows():
        own, scratch = (
            runs_of(member for member in members if member.task == row["target"] and member.procedures == (name,))
            for name in (f"from {row['source']}", "scratch")
        )
        cells = [
            [[fold.value("accuracy") for fold in run.values()] for run in part.values()] for part in (own, scratch)
        ]
        assert row["gain"] == pytest.approx(np.mean(cells[0]) - np.mean(cells[1]))
        assert row["gain"] == pytest.approx(row["mean"] - row["scratch_mean"])
        comparison = compare_procedures(own, scratch, "accuracy")
        assert (row["gain_low"], row["gain_high"], row["p"]) == (comparison.low, comparison.high, comparison.p)
        assert (row["runs"], row["folds"], row["about"]) == (3, 3, "procedure")
    strong = gains[(gains["source"] == "a") & (gains["target"] == "b")].iloc[0]
    assert strong["gain_low"] > 0
    assert "paired" in sentences(gains)[0]
    assert len(as_text(gains).splitlines()) == 1 + len(gains) + 1


def test_gain_is_positive_where_an_error_becomes_smaller():
    gains = gain_table(networks(), TRANSFERS, "log_loss").set_index(["source", "target"])
    strong, weak = gains.loc["a", "b"], gains.loc["c", "b"]
    assert strong["mean"] < strong["scratch_mean"]
    assert strong["gain"] == pytest.approx(strong["scratch_mean"] - strong["mean"])
    assert 0 < strong["gain_low"] < strong["gain"] < strong["gain_high"]
    assert weak["gain_low"] < weak["gain"] < weak["gain_high"] < strong["gain"]


def test_matrix_has_a_row_for_each_source_and_a_column_for_each_target():
    matrix = gain_matrix(gain_table(networks(), TRANSFERS, "accuracy"))
    assert (list(matrix.index), list(matrix.columns)) == (["a", "b", "c"], ["a", "b"])
    assert matrix.isna().to_numpy().sum() == 2
    assert np.isnan([matrix.loc[name, name] for name in "ab"]).all()
    settings = [transfer | {"setting": "frozen"} for transfer in TRANSFERS[2:]]
    matrix = gain_matrix(gain_table(networks(), [*TRANSFERS[1:2], *settings], "accuracy"))
    assert list(matrix.index) == ["b", "c (frozen)"]


def test_single_networks_have_gains_about_these_networks_alone():
    gains = gain_table(networks(folds=1, runs=1), TRANSFERS, "accuracy")
    assert set(gains["about"].dropna()) == {"networks"}
    assert gains["gain"].notna().sum() == 4


def test_metric_that_no_target_has_gives_an_empty_table():
    gains = gain_table(networks(), TRANSFERS, "r2")
    assert (len(gains), gain_matrix(gains).shape) == (0, (0, 0))


def test_figure_names_sources_and_targets_and_marks_what_is_sure(tmp_path: Path):
    gains = gain_table(networks(), TRANSFERS, "accuracy")
    distances = {"mmd": gain_matrix(gains).fillna(0.25), "old: fid": gain_matrix(gains)}
    correlations = correlation_table(gains, distances)
    draw_transfer(gains, "accuracy", distances, correlations, tmp_path / "gains.svg")
    drawn = (tmp_path / "gains.svg").read_text()
    strong = gains[(gains["source"] == "a") & (gains["target"] == "b")]["gain"].iloc[0]
    assert f"{strong:+.3f}•" in drawn
    assert all(
        word in drawn for word in ("source", "target", "distance mmd", "distance old: fid", "undefined, too few")
    )
    settings = pd.concat([correlations.assign(setting=setting) for setting in ("first", "second")])
    other = {"mmd": distances["mmd"], "emd": distances["mmd"].rename(index=lambda name: f"other {name}")}
    draw_transfer(gains, "accuracy", other, settings, tmp_path / "few.svg")
    drawn = (tmp_path / "few.svg").read_text()
    assert "distance emd" not in drawn, "no distance of these sources"
    assert drawn.count("weighted tau: undefined") == 1, "one line for settings that are undefined alike"
    draw_transfer(gains.assign(gain=np.nan), "accuracy", {}, correlations, tmp_path / "undefined.svg")
