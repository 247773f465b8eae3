"""Rank correlation of nearness and gain: by its definition, over targets, and where it is undefined."""

import itertools

import numpy as np
import pandas as pd
import pytest

from mml_lib.evaluation.comparisons.rank_correlations import (
    as_text,
    correlation_table,
    weighted_tau,
)

NAMES = list("abcde")


def by_definition(near: np.ndarray, gain: np.ndarray) -> float:
    """Return Vigna's weighted tau by its definition: weighted sums over all pairs, mean of both rankings."""
    taus = []
    for first, second in ((near, gain), (gain, near)):
        order = np.lexsort((second, first))[::-1]
        rank = np.empty(len(near))
        rank[order] = np.arange(len(near))
        sums = np.zeros(3)
        for one, other in itertools.combinations(range(len(near)), 2):
            weight = 1 / (rank[one] + 1) + 1 / (rank[other] + 1)
            signs = np.sign(near[one] - near[other]), np.sign(gain[one] - gain[other])
            sums += weight * np.array([signs[0] * signs[1], signs[0] ** 2, signs[1] ** 2])
        taus.append(sums[0] / np.sqrt(sums[1] * sums[2]))
    return float(np.mean(taus))


def gains_of(values: np.ndarray, setting: str = "") -> pd.DataFrame:
    """Return the table of gains of a matrix, sources×targets."""
    return pd.DataFrame(
        [
            {"source": source, "setting": setting, "target": target, "metric": "accuracy", "gain": values[row, column]}
            for column, target in enumerate(NAMES)
            for row, source in enumerate(NAMES)
        ]
    )


def matrix_of(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values, index=NAMES, columns=NAMES)


def without_diagonal(seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(5, 5))
    np.fill_diagonal(values, np.nan)
    return values


@pytest.mark.parametrize("seed", range(5))
def test_correlation_is_that_of_its_definition_with_ties_too(seed: int):
    rng = np.random.default_rng(seed)
    near, gain = rng.normal(size=8), rng.integers(0, 4, 8).astype(float)
    tau, reason = weighted_tau(near, gain)
    assert (tau, reason) == (pytest.approx(by_definition(near, gain)), "")


def test_near_sources_that_help_more_agree_and_far_ones_disagree():
    gains = without_diagonal(0)
    table = correlation_table(gains_of(gains), {"near": matrix_of(-gains), "far": matrix_of(gains)})
    assert table[table["measure"] == "near"]["tau"].tolist() == pytest.approx([1.0] * 6)
    assert table[table["measure"] == "far"]["tau"].tolist() == pytest.approx([-1.0] * 6)
    assert set(table["sources"]) == {4}


def test_order_of_the_best_sources_counts_most():
    gain = np.array([4.0, 3.0, 2.0, 1.0])
    best_exchanged, worst_exchanged = np.array([3.0, 4.0, 2.0, 1.0]), np.array([4.0, 3.0, 1.0, 2.0])
    assert weighted_tau(best_exchanged, gain)[0] < weighted_tau(worst_exchanged, gain)[0]


def test_mean_over_targets_has_the_interval_of_all_resamples_of_targets():
    gains, distances = without_diagonal(1), without_diagonal(2)
    table = correlation_table(gains_of(gains), {"mmd": matrix_of(distances)})
    whole, single = table[table["target"] == ""].iloc[0], table[table["target"] != ""]
    expected = []
    for column in range(5):
        rows = [row for row in range(5) if row != column]
        expected.append(by_definition(-distances[rows, column], gains[rows, column]))
    assert single["tau"].tolist() == pytest.approx(expected)
    assert whole["tau"] == pytest.approx(np.mean(expected))
    means = np.array([np.mean(drawn) for drawn in itertools.product(expected, repeat=5)])
    low, high = np.percentile(means, [2.5, 97.5])
    assert (whole["tau_low"], whole["tau_high"]) == (pytest.approx(low, abs=0.03), pytest.approx(high, abs=0.03))
    assert whole["targets"] == 5
    assert f"{whole['tau']:+.3f}" in as_text(table)


def test_fewer_than_three_sources_are_undefined_and_said_so():
    gains, distances = without_diagonal(1), without_diagonal(2)
    distances[2:, 0] = np.nan
    table = correlation_table(gains_of(gains), {"mmd": matrix_of(distances)}).set_index("target")
    assert np.isnan(table.loc["a", "tau"])
    assert table.loc["a", "reason"].endswith("distance: 1, and 3 or more are needed")
    assert table.loc["", "targets"] == 4
    few = correlation_table(gains_of(np.where(np.arange(5)[:, None] < 2, gains, np.nan)), {"mmd": matrix_of(distances)})
    assert few["tau"].isna().all()
    assert few["reason"].str.len().min() > 0


@pytest.mark.parametrize(
    ("near", "gain", "reason"),
    [
        ([1.0, 1.0, 1.0], [0.1, 0.2, 0.3], "all distances are equal"),
        ([1.0, 2.0, 3.0], [0.1, 0.1, 0.1], "all gains are equal"),
        ([1.0, 2.0], [0.1, 0.2], "too few sources with a gain and a distance: 2, and 3 or more are needed"),
    ],
)
def test_what_cannot_be_ranked_is_undefined(near: list, gain: list, reason: str):
    tau, why = weighted_tau(np.array(near), np.array(gain))
    assert np.isnan(tau)
    assert why == reason


def test_settings_are_correlated_alone_and_unknown_targets_are_named():
    gains, distances = without_diagonal(1), matrix_of(without_diagonal(2)).drop(columns="e")
    both = pd.concat([gains_of(gains), gains_of(-gains, "frozen")])
    table = correlation_table(both, {"mmd": distances})
    for setting, alone in (("", gains), ("frozen", -gains)):
        own = correlation_table(gains_of(alone), {"mmd": distances})["tau"]
        assert table[table["setting"] == setting]["tau"].tolist() == pytest.approx(own.tolist(), nan_ok=True)
    assert table[table["target"] == "e"]["reason"].tolist() == 2 * ["the distances have no target e"]
    nested = gains_of(gains).replace({"target": {"a": "a+nested"}})
    renamed = correlation_table(nested, {"mmd": distances}, {"a+nested": "a"})
    assert renamed["tau"].notna().sum() == table[table["setting"] == ""]["tau"].notna().sum()


def test_single_target_has_no_interval():
    gains = gains_of(without_diagonal(1))
    table = correlation_table(gains[gains["target"] == "a"], {"mmd": matrix_of(without_diagonal(2))})
    assert table["tau"].notna().all()
    assert table["tau_low"].isna().all()
    assert table.iloc[0]["reason"].startswith("a single target")
