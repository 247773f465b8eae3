"""Metrics, intervals, calibration and ensembles of predictions where some labels are unknown: known entries count."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics as sk

from mml_lib.config.metric_options import NAMED, Metric
from mml_lib.errors import MMLError
from mml_lib.evaluation.alignment import align
from mml_lib.evaluation.bootstrap import draw
from mml_lib.evaluation.calibration.calibration_methods import fit_calibration
from mml_lib.evaluation.calibration.cross_fitting import assess_calibration, cross_calibrate
from mml_lib.evaluation.calibration.quantification import frequencies, quantify
from mml_lib.evaluation.calibration.reliability import reliability
from mml_lib.evaluation.ensembles.ensemble_selection import select_ensemble
from mml_lib.evaluation.ensembles.ensemble_storage import Member
from mml_lib.evaluation.ensembles.options import EnsembleOptions
from mml_lib.evaluation.evaluation import evaluate, evaluate_resampled, network_intervals
from mml_lib.evaluation.per_group import merge_groups
from mml_lib.evaluation.subgroups import class_table, sample_losses
from mml_lib.metrics import weighted
from mml_lib.predictions.predictions import Predictions
from mml_lib.predictions.scores import score_arguments
from mml_lib.reports.prediction_figures import draw_curves

KIND = "multilabel_classification"
NAMES = NAMED[KIND]
SIZE, LABELS = 80, 4


def partly_known(seed: int = 0, unknown: float = 0.3) -> Predictions:
    """Return predictions some of whose labels are unknown; each sample has a known one."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((SIZE, LABELS)) < 0.4).astype(np.float32)
    logits = (2 * targets - 1 + rng.normal(size=targets.shape) * 1.5).astype(np.float32)
    hidden = rng.random(targets.shape) < unknown
    hidden[:, 0] &= ~hidden[:, 1:].all(axis=1)
    targets[hidden] = np.nan
    return Predictions(logits, targets, np.array([f"s{number:03}" for number in range(SIZE)]), KIND)


def by_label(function: Callable[[np.ndarray, np.ndarray], float], outputs: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean over labels of a function of true and predicted, of the known entries of each label."""
    is_known = ~np.isnan(targets)
    pairs = ((targets[rows, label] >= 0.5, outputs[rows, label]) for label, rows in enumerate(is_known.T))
    return float(np.mean([function(*pair) for pair in pairs]))


OF_CLASSES: dict[str, Callable] = {
    "accuracy": sk.accuracy_score,
    "precision": sk.precision_score,
    "recall": sk.recall_score,
    "sensitivity": sk.recall_score,
    "f1": sk.f1_score,
    "matthews": sk.matthews_corrcoef,
    "specificity": lambda true, predicted: sk.recall_score(~true, ~predicted),
}
OF_PROBABILITIES: dict[str, Callable] = {
    "auroc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "brier": sk.brier_score_loss,
    "log_loss": sk.log_loss,
}


@pytest.mark.parametrize("name", [*OF_CLASSES, *OF_PROBABILITIES])
def test_metric_is_that_of_scikit_learn_on_the_known_entries_of_each_label(name: str):
    predictions = partly_known()
    probabilities = expit(predictions.logits.astype(float))
    function = OF_CLASSES.get(name) or OF_PROBABILITIES[name]
    outputs = probabilities > 0.5 if name in OF_CLASSES else probabilities
    expected = by_label(function, outputs, predictions.targets)
    assert evaluate(predictions, [name])[name] == pytest.approx(expected, rel=1e-9)


def test_metrics_of_whole_samples_look_at_their_known_labels():
    predictions = partly_known()
    probabilities, is_known = expit(predictions.logits.astype(float)), ~np.isnan(predictions.targets)
    rows = [(predictions.targets[row, those] >= 0.5, probabilities[row, those]) for row, those in enumerate(is_known)]
    exact = np.mean([((shares > 0.5) == true).all() for true, shares in rows])
    ranking = np.mean([sk.label_ranking_average_precision_score([true], [shares]) for true, shares in rows])
    values = evaluate(predictions, ["exact_match", "ranking_average_precision"])
    assert values["exact_match"] == pytest.approx(exact)
    assert values["ranking_average_precision"] == pytest.approx(ranking)


def test_calibration_error_is_the_mean_of_that_of_each_label_alone():
    predictions = partly_known()
    errors = []
    for label in range(LABELS):
        rows = ~np.isnan(predictions.targets[:, label])
        column = replace(predictions.take(rows), logits=predictions.logits[rows][:, [label]])
        column = replace(column, targets=predictions.targets[rows][:, [label]])
        errors.append(evaluate(column, ["calibration_error"])["calibration_error"])
    assert evaluate(predictions, ["calibration_error"])["calibration_error"] == pytest.approx(np.mean(errors))


def test_mask_of_known_entries_that_are_all_known_changes_no_metric():
    predictions = partly_known(unknown=0.0)
    arguments = score_arguments(KIND, predictions.logits, predictions.targets)
    assert len(arguments) == 2
    masked = (*arguments, np.ones_like(arguments[1]))
    weights = next(draw(SIZE, 20, 0))
    plain, other = (weighted(KIND, NAMES, masked_arguments)(weights) for masked_arguments in (arguments, masked))
    for name in NAMES:
        assert other[name] == pytest.approx(plain[name], rel=1e-12, nan_ok=True), name


def test_predictions_of_unknown_entries_do_not_matter():
    predictions = partly_known()
    changed = replace(predictions, logits=np.where(np.isnan(predictions.targets), 7, predictions.logits))
    metrics = list(NAMES)
    assert evaluate(changed, metrics) == evaluate(predictions, metrics)
    pair = [evaluate_resampled(part, metrics, 50) for part in (predictions, changed)]
    assert np.array_equal(pair[0].draws, pair[1].draws, equal_nan=True)


@pytest.mark.parametrize("name", NAMES)
def test_resample_is_the_metric_of_the_drawn_samples(name: str):
    predictions = partly_known()
    arguments = score_arguments(KIND, predictions.logits, predictions.targets)
    weights = next(draw(SIZE, 5, 1))
    values = weighted(KIND, [name], arguments)(weights)[name]
    for number in range(5):
        drawn = predictions.take(np.repeat(np.arange(SIZE), weights[:, number]))
        assert values[number] == pytest.approx(evaluate(drawn, [name])[name])


def test_intervals_are_wider_where_labels_are_unknown():
    whole, partial = (
        network_intervals(evaluate_resampled(partly_known(unknown=share), ["auroc", "log_loss"], 300))
        for share in (0.0, 0.7)
    )
    for name, (low, high) in partial.items():
        assert np.isfinite([low, high]).all()
        assert high - low > whole[name][1] - whole[name][0]


def test_groups_know_what_one_of_their_samples_knows():
    probabilities = np.array([[0.9, 0.2], [0.7, 0.4], [0.1, 0.6]])
    targets = np.array([[1, np.nan], [np.nan, np.nan], [0, 1]])
    arguments = (probabilities, targets >= 0.5, ~np.isnan(targets))
    merged, labels, is_known = merge_groups(KIND, arguments, np.array([0, 0, 1]), ["p", "q"])
    assert merged == pytest.approx(np.array([[0.8, 0.3], [0.1, 0.6]]))
    assert labels.tolist() == [[True, False], [False, True]]
    assert is_known.tolist() == [[True, False], [True, True]]
    _, labels, is_known = merge_groups(
        KIND, (probabilities, np.zeros((3, 2), bool), ~np.isnan(targets)), np.array([0, 0, 1]), ["p", "q"], "max"
    )
    assert is_known.tolist() == [[False, False], [True, True]]  # the unknown one may have it


def test_table_of_classes_and_losses_count_known_entries():
    predictions = partly_known()
    table = class_table(predictions, list("abcd"))
    for label in range(LABELS):
        rows = ~np.isnan(predictions.targets[:, label])
        true, logits = predictions.targets[rows, label] >= 0.5, predictions.logits[rows, label]
        row = table.iloc[label]
        expected = [true.sum(), sk.recall_score(true, logits > 0), sk.recall_score(~true, logits <= 0)]
        assert row[["support", "recall", "specificity"]].tolist() == pytest.approx(expected)
        assert row["auroc"] == pytest.approx(sk.roc_auc_score(true, logits))
    losses = sample_losses(predictions)
    is_known = ~np.isnan(predictions.targets[0])
    first = sk.log_loss(
        predictions.targets[0, is_known], expit(predictions.logits[0, is_known].astype(float)), labels=[0, 1]
    )
    assert losses[0] == pytest.approx(first, rel=1e-6)


def test_curves_are_those_of_known_entries(tmp_path: Path):
    predictions = partly_known()
    probabilities, positive, is_known = score_arguments(KIND, predictions.logits, predictions.targets)
    changed = np.where(is_known, probabilities, 0.99)
    draw_curves(probabilities, positive, list("abcd"), tmp_path / "a.png", is_known)
    draw_curves(changed, positive, list("abcd"), tmp_path / "b.png", is_known)
    draw_curves(changed, positive, list("abcd"), tmp_path / "c.png")
    first, second, third = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first == second
    assert first != third


def test_runs_are_compared_on_the_same_known_entries():
    predictions = partly_known()
    align({"a": {0: predictions}, "b": {0: replace(predictions, logits=predictions.logits + 1)}})
    other = predictions.targets.copy()
    other[np.isnan(other)] = 0
    with pytest.raises(MMLError, match="different targets for the same samples"):
        align({"a": {0: predictions}, "b": {0: replace(predictions, targets=other)}})


def test_metric_of_torchmetrics_is_refused():
    metric = Metric.model_validate({"name": "f", "_target_": "torchmetrics.classification.MultilabelF1Score"})
    with pytest.raises(MMLError, match="cannot leave out unknown labels"):
        evaluate(partly_known(), [metric])


# --- calibration and ensembles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["temperature", "affine", "auto"])
def test_each_label_is_calibrated_by_its_known_entries(method: str):
    predictions = partly_known()
    fitted = fit_calibration(predictions, method)
    rows = ~np.isnan(predictions.targets[:, 2])
    alone = Predictions(
        predictions.logits[rows][:, [2]], predictions.targets[rows][:, [2]], predictions.ids[rows], KIND
    )
    of_label = fit_calibration(alone, method)
    assert (fitted.scale[2], fitted.bias[2]) == pytest.approx((of_label.scale[0], of_label.bias[0]))
    assert fitted.frequencies[2] == pytest.approx(of_label.frequencies[0])
    assert np.isfinite(cross_calibrate(predictions, method).logits).all()
    assert np.isfinite(
        [assess_calibration(predictions, method).before, assess_calibration(predictions, method).after]
    ).all()


def test_label_without_known_entries_is_not_calibrated():
    predictions = partly_known()
    predictions.targets[:, 3] = np.nan
    predictions.targets[:, 0] = np.nan_to_num(predictions.targets[:, 0])
    fitted = fit_calibration(predictions, "affine")
    assert (fitted.scale[3], fitted.bias[3]) == (1, 0)


def test_frequencies_and_reliability_count_known_entries():
    predictions = partly_known()
    column = predictions.targets[:, 1]
    is_known = column[~np.isnan(column)]
    assert frequencies(predictions)[1] == pytest.approx((is_known.sum() + 0.5) / (len(is_known) + 1))
    assert np.isfinite(quantify(predictions, partly_known(1))).all()
    table = reliability(predictions)
    assert table.groupby("label")["samples"].sum().tolist() == (~np.isnan(predictions.targets)).sum(axis=0).tolist()


@pytest.mark.parametrize("metric", ["auroc", "log_loss", "f1"])
def test_ensembles_are_selected_by_known_entries(metric: str):
    good = partly_known()
    noise = np.random.default_rng(5).normal(size=(3, *good.logits.shape)).astype(np.float32)
    pool = [replace(good, logits=part) for part in noise] + [good]
    members = [Member("t", f"run{number}", 0) for number in range(4)]
    best = select_ensemble("t", members, pool, EnsembleOptions("best", metric, max_ensemble_size=2))
    assert [member.run for member in best.members] == ["run3"]
    changed = [replace(part, logits=np.where(np.isnan(good.targets), -9, part.logits)) for part in pool]
    for strategy in ("mean", "greedy"):
        options = EnsembleOptions(strategy, metric, max_ensemble_size=2)
        chosen, other = (select_ensemble("t", members, part, options) for part in (pool, changed))
        assert (chosen.weights, chosen.selection_value) == (other.weights, other.selection_value)


def test_vote_of_a_program_is_refused():
    members = [Member("t", f"run{number}", 0) for number in range(2)]
    with pytest.raises(MMLError, match="some labels are unknown; choose greedy or mean"):
        select_ensemble("t", members, [partly_known(), partly_known()], EnsembleOptions("program", "accuracy"))
