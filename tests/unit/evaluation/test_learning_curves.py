"""Curves over training samples: intervals over subsets and trainings, power laws and what they extrapolate."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mml_lib.errors import MMLError
from mml_lib.evaluation.comparisons.curve_table import as_text, curve_table, levels_of, sentences
from mml_lib.evaluation.comparisons.power_law import PowerLaw, Repeats, fit, fit_all, fit_law, fit_table, law_of
from mml_lib.evaluation.comparisons.tested import TestedNetwork, runs_of
from mml_lib.evaluation.procedures import estimate
from mml_lib.reports.question_figures import draw_curves
from mml_lib.tasks.curves import Point
from tests.support.benchmark_figures import Figures
from tests.support.small_networks import NUMBER, network_of

SIZES = np.array([40.0, 80.0, 160.0, 320.0, 640.0])
SCALED = SIZES / SIZES.max()


def of_value(value: float | None, subsets: int = 1, runs: int = 1, folds: int = 1, **about) -> list[TestedNetwork]:
    """Return the networks of one place of a curve; a larger value is a better network."""
    strength, trained = (2.0, 200) if value is None else (2.0 * value**0.5, round(200 * value))
    return [
        network_of(strength, 97 * subset + 11 * run + fold, run=f"r{run}", fold=fold, trained=trained, value=value,
               subset=subset, task="t" if value is None else f"t+subset~{value}~{subset}", **about)
        for subset in range(subsets)
        for run in range(runs)
        for fold in range(folds)
    ]  # fmt: skip


def curve(values: tuple[float | None, ...] = (0.1, 0.2, 0.4, None), **about) -> list[TestedNetwork]:
    return [network for value in values for network in of_value(value, **about)]


def test_curve_has_the_mean_and_sizes_of_each_place():
    members = [*of_value(0.1, subsets=2, runs=3), *of_value(None, runs=3)]
    first, last = (row for _, row in curve_table("t+subset", members, True).query("metric == 'accuracy'").iterrows())
    values = [network.metrics.values[0] for network in members[:6]]
    assert (first["mean"], first["std"]) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert (first["x"], first["value"], first["tested"]) == (20, 0.1, NUMBER)
    assert (first["subsets"], first["runs"], first["networks"]) == (2, 6, 6)
    assert (last["x"], last["subsets"], last["runs"]) == (200, 1, 3)
    assert np.isnan(last["value"])
    assert (first["about"], last["about"]) == ("subsets", "procedure")


def test_interval_of_several_subsets_takes_runs_of_one_subset_together():
    """Nine networks of three subsets are three observations of a subset, not nine."""
    members = of_value(0.4, subsets=3, runs=3)
    (level,) = levels_of(members, True)
    assert list(level.units()) == ["subset 0", "subset 1", "subset 2"]
    shifted = [replace(m, metrics=replace(m.metrics, values=m.metrics.values + 0.05 * m.point.seed)) for m in members]
    (row,) = curve_table("t+subset", shifted, True).query("metric == 'accuracy'").to_dict("records")
    alone = estimate({f"{m.point.seed} {m.run}": {0: m.metrics} for m in shifted}, "accuracy")
    assert row["ci_high"] - row["ci_low"] > 1.3 * (alone.high - alone.low)


def test_networks_of_one_subset_are_those_of_a_procedure():
    members = of_value(None, runs=3, folds=2)
    (row,) = curve_table("t+subset", members, True).query("metric == 'log_loss'").to_dict("records")
    estimated = estimate(runs_of(members), "log_loss")
    assert (row["mean"], row["ci_low"], row["ci_high"]) == (estimated.mean, estimated.low, estimated.high)


def test_noise_stands_at_the_argument_of_its_tag():
    members = [network for value in (0.2, None) for network in of_value(value)]
    table = curve_table("t+confuse", members, False)
    assert table[table["metric"] == "accuracy"]["x"].tolist() == [0, 0.2]


def test_curve_of_other_test_samples_is_refused():
    other = replace(of_value(None)[0].metrics, sample_set="other")
    with pytest.raises(MMLError, match="different samples"):
        curve_table("t+subset", [*of_value(0.1), replace(of_value(None)[0], metrics=other)], True)


def test_text_says_that_all_points_are_tested_on_the_same_samples():
    text = as_text(curve_table("t+subset", curve(subsets=2), True), "training samples")
    assert f"the same {NUMBER} samples" in text
    assert "on another subset of this size" in text
    assert len(sentences(curve_table("t+subset", curve(), True))) == 2


# --- power laws ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "law"),
    [
        ("accuracy", (0.95, -0.1, 0.5)),
        ("accuracy", (0.8, -0.02, 1.4)),
        ("log_loss", (0.2, 0.3, 0.35)),
        ("r2", (0.9, -0.3, 0.8)),
    ],
)
def test_law_without_noise_is_found(metric: str, law: tuple[float, float, float]):
    limit, scale, exponent = law
    assert fit_law(SCALED, limit + scale * SCALED**-exponent, metric) == pytest.approx(law, rel=1e-4, abs=1e-6)


def test_law_keeps_to_the_bounds_of_its_metric():
    steps = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    limit, scale, _ = fit_law(SCALED, steps, "accuracy")
    assert 0.9 <= limit <= 1
    assert scale < 0
    assert fit_law(SCALED, steps, "log_loss")[1] == pytest.approx(0, abs=1e-6), "more samples make no metric worse"


def test_three_sizes_are_no_law():
    assert fit(levels_of(curve((0.1, 0.2, None), subsets=2), True), "accuracy").startswith("no power law: 3 sizes")
    members = curve((0.1, 0.2, None), subsets=2)
    table = fit_table("t+subset", members, fit_all(members))
    assert table["a"].isna().all()
    assert table["reason"].str.contains("4 or more are needed").all()


def test_law_extrapolates_with_an_interval():
    members = curve(subsets=3)
    table = fit_table("t+subset", members, fit_all(members)).query("metric == 'accuracy'")
    assert table["factor"].tolist() == [2, 4]
    assert table["samples"].tolist() == [400, 800]
    assert (table["ci_low"] < table["mean"]).all()
    assert (table["mean"] < table["ci_high"]).all()
    a, b, c = table[["a", "b", "c"]].to_numpy()[0]
    assert a + b * 400.0**-c == pytest.approx(table["mean"].iloc[0])


def test_single_trainings_have_a_law_without_an_interval():
    members = curve()
    table = fit_table("t+subset", members, fit_all(members))
    assert table["mean"].notna().all()
    assert table["ci_low"].isna().all()
    assert table["reason"].str.startswith("no interval: single trainings").all()


def test_points_far_off_a_law_widen_its_interval():
    """The repeats of each size agree, but no law goes through these points."""
    near, far = (
        law_of(SIZES, [Repeats(np.array([[v], [v + 0.001]]), np.full(100, v)) for v in values], "accuracy")
        for values in ([0.4, 0.5, 0.58, 0.645, 0.7], [0.4, 0.5, 0.7, 0.5, 0.7])
    )
    widths = [float(np.diff(law.interval(np.array([1280.0])), axis=0)[0, 0]) for law in (near, far)]
    assert widths[1] > 5 * widths[0] > 0


def test_trainings_that_all_agree_have_a_law_without_an_interval():
    law = law_of(SIZES, [Repeats(np.ones((2, 1)), np.ones(100)) for _ in SIZES], "accuracy")
    assert law.at(np.array([1280.0])) == pytest.approx([1])
    assert np.isnan(law.interval(np.array([1280.0]))).all()


def test_sizes_without_a_metric_do_not_count():
    members = curve(subsets=2)
    undefined = replace(members[0].metrics, values=np.full(2, np.nan))
    assert isinstance(fit(levels_of(members, True), "accuracy"), PowerLaw)
    assert "3 sizes" in fit(levels_of([replace(members[0], metrics=undefined), *members[1:]], True), "accuracy")


@pytest.mark.benchmark
@pytest.mark.parametrize(("units", "folds"), [(3, 1), (5, 1), (1, 5), (3, 5)])
def test_interval_covers_what_a_law_extrapolates_to(units: int, folds: int, figures: Figures):
    rng, covered, times = np.random.default_rng(units + folds), np.zeros(2), 200
    truth = 0.95 - 0.1 * np.append(SCALED, [2, 4]) ** -0.4
    deviation = np.sqrt(0.1 * 0.9 / 300)  # of 300 test samples, which all sizes share
    for _ in range(times):
        common, resamples = rng.normal(0, deviation), rng.normal(0, deviation, 500)
        points = []
        for value in truth[: len(SIZES)]:
            values = value + common + rng.normal(0, 0.01, (units, folds))
            points.append(Repeats(values, values.mean() + resamples))
        law = law_of(SIZES, points, "accuracy")
        low, high = law.interval(SIZES.max() * np.array([2, 4]))
        covered += (low <= truth[-2:]) & (truth[-2:] <= high)
    for factor, share in zip((2, 4), covered / times, strict=True):
        name = f"coverage of a learning curve, {units} subsets × {folds} folds, {factor} times the samples"
        figures.record(name, float(share), at_least=0.9)


@pytest.mark.benchmark
@pytest.mark.parametrize(("subsets", "runs"), [(3, 1), (5, 1), (3, 3), (5, 3)])
def test_interval_covers_the_mean_over_subsets(subsets: int, runs: int, figures: Figures):
    """Subsets differ more than trainings on one of them do; all see the same 300 test samples."""
    rng, times, covered, naive = np.random.default_rng(subsets + runs), 400, 0, 0
    truth, deviation = 0.8, np.sqrt(0.8 * 0.2 / 300)
    model = of_value(0.4, metrics=("accuracy",))[0]
    for _ in range(times):
        common, resamples = rng.normal(0, deviation), rng.normal(0, deviation, (1, 300))
        members = []
        for subset in range(subsets):
            of_subset = truth + common + rng.normal(0, 0.03)
            for run in range(runs):
                value = of_subset + rng.normal(0, 0.01)
                metrics = replace(model.metrics, values=np.array([value]), draws=value + resamples)
                members.append(replace(model, run=f"r{run}", metrics=metrics, point=Point("t", 0.4, subset)))
        (level,) = levels_of(members, True)
        estimated = estimate(level.units(), "accuracy")
        alone = estimate({f"{m.point.seed}-{m.run}": {0: m.metrics} for m in members}, "accuracy")
        covered += estimated.low <= truth <= estimated.high
        naive += alone.low <= truth <= alone.high
    name = f"coverage of a learning curve's points, {subsets} subsets × {runs} runs"
    figures.record(f"{name}, runs as if independent", naive / times)
    figures.record(name, covered / times, at_least=0.92, at_most=0.995)


# --- pictures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [(0.1, 0.2, 0.4, None), (0.1, None)])
def test_curves_are_drawn_with_what_they_are_tested_on(values: tuple, tmp_path: Path):
    members = curve(values, subsets=2)
    laws = fit_all(members)
    draw_curves(curve_table("t+subset", members, True), laws, "training samples", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["accuracy.svg", "log_loss.svg"]
    drawn = (tmp_path / "accuracy.svg").read_text(encoding="utf-8")
    assert f"same {NUMBER} samples" in drawn
    assert ("no power law: 2 sizes" in drawn) == (len(values) == 2)
    assert (">800<" in drawn) == (len(values) == 4), "it goes on to four times the samples"


def test_noise_is_drawn_without_a_law(tmp_path: Path):
    members = [network for value in (0.2, 0.4, None) for network in of_value(value, subsets=2)]
    draw_curves(curve_table("t+confuse", members, False), {}, "share of wrong labels", tmp_path)
    assert "power law" not in (tmp_path / "accuracy.svg").read_text(encoding="utf-8")
