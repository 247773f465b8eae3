"""Unknown entries contribute nothing: whatever is predicted where nothing is known, results are the same."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn import metrics as sk

from mml_lib.evaluation.bootstrap import draw
from mml_lib.evaluation.calibration.calibration_methods import calibrate_predictions, fit_calibration
from mml_lib.evaluation.calibration.cross_fitting import assess_calibration, cross_calibrate
from mml_lib.evaluation.calibration.quantification import frequencies, quantify
from mml_lib.evaluation.calibration.reliability import reliability
from mml_lib.evaluation.ensembles.combining import combine
from mml_lib.evaluation.ensembles.ensemble_selection import select_ensemble
from mml_lib.evaluation.ensembles.ensemble_storage import Member
from mml_lib.evaluation.ensembles.final import calibrate_ensemble
from mml_lib.evaluation.ensembles.options import EnsembleOptions
from mml_lib.evaluation.evaluation import evaluate, evaluate_resampled, network_intervals
from mml_lib.evaluation.mask_tables import MeasuredMasks, class_metrics, image_metrics
from mml_lib.evaluation.out_of_fold import evaluate_out_of_fold
from mml_lib.evaluation.run_comparison import compare, resample_runs
from mml_lib.evaluation.subgroups import class_table, group_table, largest_losses, sample_losses
from mml_lib.metrics import named_metrics, weighted
from mml_lib.metrics.surfaces import MaskPair
from mml_lib.predictions.predictions import MaskPredictions, Predictions, weighed
from mml_lib.predictions.scores import score_arguments
from mml_lib.task_types import IGNORE

LABELS, CLASSES, MASKS = "multilabel_classification", "classification", "semantic_segmentation"
SIZE, NUMBER = 90, 3
NAMES = ["a", "b", "c"]
METRICS = list(named_metrics(LABELS))
IDS = np.array([f"s{number:03}" for number in range(SIZE)])
GROUPS = {id_: f"p{number // 3}" for number, id_ in enumerate(IDS.tolist())}
SEXES = {"sex": {id_: "fm"[number % 2] for number, id_ in enumerate(IDS.tolist())}}
MEMBERS = [Member("t", name, 0) for name in ("one", "two", "three")]
OTHERS = (-30.0, 0.0, 30.0, None)
"""Logits of unknown entries; None: random ones."""


def partly_known(seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    targets = (np.random.default_rng(99).random((SIZE, NUMBER)) < 0.4).astype(np.float32)
    logits = (2 * targets - 1 + rng.normal(size=targets.shape) * 1.5).astype(np.float32)
    hidden = np.random.default_rng(98).random(targets.shape) < 0.35
    hidden[:, 0] &= ~hidden[:, 1:].all(axis=1)
    targets[hidden] = np.nan
    return Predictions(logits, targets, IDS, LABELS)


def changed(predictions: Predictions, value: float | None) -> Predictions:
    """Return predictions with other logits where the label is unknown."""
    unknown = np.isnan(predictions.targets)
    other = np.random.default_rng(7).normal(size=unknown.shape) * 9 if value is None else value
    return replace(predictions, logits=np.where(unknown, other, predictions.logits).astype(np.float32))


def at_known(predictions: Predictions) -> np.ndarray:
    """Return the logits of known entries."""
    return predictions.logits[~np.isnan(predictions.targets)]


def _ensemble(strategy: str, metric: str) -> Callable[[Predictions], Any]:
    def run(predictions: Predictions) -> Any:
        noise = [np.random.default_rng(seed).normal(size=(SIZE, NUMBER)) for seed in (1, 2, 3)]
        outputs = [replace(predictions, logits=(predictions.logits + side).astype(np.float32)) for side in noise]
        options = EnsembleOptions(strategy=strategy, metric=metric, budget=40, max_ensemble_size=2)
        groups = [GROUPS[id_] for id_ in IDS.tolist()]
        chosen = calibrate_ensemble(select_ensemble("t", MEMBERS, outputs, options), MEMBERS, outputs, groups)
        together = combine(chosen, [outputs[MEMBERS.index(member)] for member in chosen.members])
        values = [chosen.selection_value, chosen.assessed_value, chosen.calibration_losses]
        return [chosen.weights, *values, at_known(together)]

    return run


def _resampled(predictions: Predictions) -> Any:
    result = evaluate_resampled(predictions, METRICS, 100)
    return [result.values, result.draws, result.balance, network_intervals(result)]


def _out_of_fold(predictions: Predictions) -> Any:
    folds = {fold: predictions.take(np.flatnonzero(np.arange(SIZE) % 3 == fold)) for fold in range(3)}
    result = evaluate_out_of_fold(folds, METRICS, 20)
    return [result.values, result.draws, result.fold_values, result.fold_draws]


def _compared(predictions: Predictions) -> Any:
    worse = changed(replace(predictions, logits=predictions.logits / 2 + partly_known(5).logits), 2.0)
    return compare(resample_runs({"a": {0: predictions}, "b": {0: worse}}, ["auroc", "log_loss", "f1"], 60))


CONSUMERS: dict[str, Callable[[Predictions], Any]] = {
    "values": lambda predictions: evaluate(predictions, METRICS),
    "weighted values": lambda predictions: evaluate(
        weighed(predictions, dict(zip(IDS.tolist(), np.linspace(0, 2, SIZE).tolist(), strict=True))), METRICS
    ),
    "resamples and intervals": _resampled,
    "out of fold": _out_of_fold,
    "differences": _compared,
    "classes": lambda predictions: class_table(predictions, NAMES),
    "groups": lambda predictions: group_table(predictions, SEXES, ["auroc", "brier"], 50),
    "losses": sample_losses,
    "worst samples": lambda predictions: largest_losses(predictions, NAMES, 9),
    "frequencies": frequencies,
    "quantification": lambda predictions: quantify(predictions, partly_known(4)),
    "reliability": reliability,
    "temperature": lambda predictions: fit_calibration(predictions, "temperature"),
    "affine": lambda predictions: fit_calibration(predictions, "affine"),
    "by evidence": lambda predictions: fit_calibration(predictions, "auto"),
    "cross-fitted": lambda predictions: at_known(cross_calibrate(predictions, "auto")),
    "cross-fitted by groups": lambda predictions: at_known(
        cross_calibrate(predictions, "auto", [GROUPS[id_] for id_ in IDS.tolist()])
    ),
    "assessed calibration": lambda predictions: assess_calibration(predictions, "affine"),
    "other split": lambda predictions: (
        calibrate_predictions(predictions, {"test": partly_known(3)}, "auto", "test")[1]["test"].logits
    ),
    "greedy by log loss": _ensemble("greedy", "log_loss"),
    "greedy by AUROC": _ensemble("greedy", "auroc"),
    "budget by F1": _ensemble("budget", "f1"),
    "mean": _ensemble("mean", "brier"),
    "best": _ensemble("best", "ranking_average_precision"),
}


def plain(result: Any) -> Any:
    """Return a result as text, in which all numbers are whole."""
    if isinstance(result, pd.DataFrame):
        return result.to_csv()
    if isinstance(result, np.ndarray):
        return result.tobytes()
    return [plain(part) for part in result] if isinstance(result, list) else repr(result)


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_predictions_where_labels_are_unknown_do_not_matter(consumer: str):
    predictions, consume = partly_known(), CONSUMERS[consumer]
    expected = plain(consume(predictions))
    for value in OTHERS:
        assert plain(consume(changed(predictions, value))) == expected, value


@pytest.mark.parametrize("consumer", ["values", "temperature", "reliability", "losses"])
def test_predictions_where_labels_are_known_matter(consumer: str):
    predictions, consume = partly_known(), CONSUMERS[consumer]
    other = replace(predictions, logits=predictions.logits + np.isfinite(predictions.targets).astype(np.float32))
    assert plain(consume(other)) != plain(consume(predictions))


def test_a_network_that_says_the_same_of_all_known_entries_is_not_calibrated():
    predictions = replace(partly_known(), logits=np.full((SIZE, NUMBER), 0.3, np.float32))
    methods = {fit_calibration(changed(predictions, value), "affine").method for value in OTHERS}
    assert methods == {"none"}


@pytest.mark.parametrize("method", ["temperature", "affine", "auto"])
def test_samples_without_a_class_do_not_fit_a_calibration(method: str):
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, SIZE)
    logits = (np.eye(3)[targets] * 2 + rng.normal(size=(SIZE, 3))).astype(np.float32)
    targets[::4] = -1
    predictions = Predictions(logits, targets, IDS)
    expected = [fit_calibration(predictions, method), frequencies(predictions).tolist()]
    for value in (-30, 0, 30):
        other = replace(predictions, logits=np.where(targets[:, None] < 0, value, logits).astype(np.float32))
        assert [fit_calibration(other, method), frequencies(other).tolist()] == expected
        assert reliability(other).equals(reliability(predictions))


# --- pixels -----------------------------------------------------------------------------------------------------------


def _masks(value: int | None) -> MaskPredictions:
    """Return masks with another class where nothing is known."""
    rng = np.random.default_rng(1)
    targets = rng.choice([0, 0, 1, 2, IGNORE], (12, 7, 9)).astype(np.uint8)
    masks = np.where(rng.random(targets.shape) < 0.4, rng.integers(0, 3, targets.shape), targets)
    other = np.random.default_rng(2).integers(0, 3, targets.shape) if value is None else value
    masks = np.where(targets == IGNORE, other, masks).astype(np.uint8)
    return MaskPredictions.of([*masks], [*targets], IDS[:12], 3)


def _mask_tables(predictions: MaskPredictions) -> Any:
    metrics = ["hausdorff95", "surface_dice", "precision"]
    measured = [MeasuredMasks.of((MaskPair(*pair) for pair in predictions.images()), predictions.ids, 3, metrics)]
    return [class_metrics(measured, NAMES, metrics, 40, GROUPS), image_metrics(measured, NAMES, metrics, GROUPS)]


def _mask_ensemble(predictions: MaskPredictions) -> Any:
    outputs = [replace(predictions, masks=side.masks) for side in (predictions, _masks(0), _masks(None))]
    chosen = select_ensemble("t", MEMBERS, outputs, EnsembleOptions(strategy="best", metric="dice"))
    return [chosen.members, chosen.selection_value, chosen.assessed_value]


@pytest.mark.parametrize(
    "consume",
    [
        lambda predictions: evaluate(predictions, list(named_metrics(MASKS))),
        lambda predictions: [evaluate_resampled(predictions, list(named_metrics(MASKS)), 20, GROUPS).draws],
        lambda predictions: class_table(predictions, NAMES),
        sample_losses,
        lambda predictions: largest_losses(predictions, NAMES, 5),
        _mask_tables,
        _mask_ensemble,
    ],
)
def test_predictions_of_ignored_pixels_do_not_matter(consume: Callable[[MaskPredictions], Any]):
    results = {repr(plain(consume(_masks(value)))) for value in (0, 1, 2, None)}
    assert len(results) == 1


# --- independent computations -----------------------------------------------------------------------------------------


def test_temperature_of_each_label_is_that_of_least_log_loss_over_known_entries():
    predictions = partly_known()
    fitted = fit_calibration(predictions, "temperature")
    for label in range(NUMBER):
        rows = ~np.isnan(predictions.targets[:, label])
        scores, truth = predictions.logits[rows, label].astype(float), predictions.targets[rows, label]
        share = 1 / (rows.sum() + 1)  # Platt's smoothing: one sample more, of both classes alike
        smooth = (1 - share) * truth + share / 2

        def loss(scale: float, scores: np.ndarray = scores, smooth: np.ndarray = smooth) -> float:
            return float(np.mean(np.logaddexp(0, scale * scores) - smooth * scale * scores))

        best = minimize_scalar(loss, bounds=(1e-3, 20), method="bounded", options={"xatol": 1e-9}).x
        assert fitted.scale[label] == pytest.approx(best, rel=1e-4)
        assert fitted.bias[label] == 0


def test_resamples_are_those_of_scikit_learn_on_the_drawn_known_entries():
    predictions = partly_known()
    drawn = next(draw(SIZE, 8, 3))
    arguments = score_arguments(LABELS, predictions.logits, predictions.targets)
    values = weighted(LABELS, ["auroc", "log_loss"], arguments)(drawn)
    probabilities = expit(predictions.logits.astype(float))
    for number, times in enumerate(drawn.T):
        areas, losses = [], []
        for label in range(NUMBER):
            rows = np.repeat(np.arange(SIZE), times)
            rows = rows[~np.isnan(predictions.targets[rows, label])]
            sides = predictions.targets[rows, label] > 0.5, probabilities[rows, label]
            areas.append(sk.roc_auc_score(*sides))
            losses.append(sk.log_loss(*sides))
        assert values["auroc"][number] == pytest.approx(np.mean(areas), rel=1e-9)
        assert values["log_loss"][number] == pytest.approx(np.mean(losses), rel=1e-9)


def test_mean_ensemble_has_the_mean_probability_and_is_assessed_by_known_entries():
    outputs = [partly_known(seed) for seed in (0, 1, 2)]
    chosen = select_ensemble("t", MEMBERS, outputs, EnsembleOptions(strategy="mean", metric="auroc"))
    together = combine(chosen, outputs)
    shares = np.mean([expit(part.logits.astype(float)) for part in outputs], axis=0)
    assert together.logits == pytest.approx(logit(shares), rel=1e-4)
    rows = ~np.isin(IDS, chosen.selection_ids)
    areas = []
    for label in range(NUMBER):
        those = rows & ~np.isnan(together.targets[:, label])
        areas.append(sk.roc_auc_score(together.targets[those, label], shares[those, label]))
    assert chosen.assessed_value == pytest.approx(np.mean(areas), rel=1e-6)


def test_out_of_fold_values_are_those_of_scikit_learn_on_the_known_entries_of_all_folds():
    predictions = partly_known()
    folds = {fold: predictions.take(np.flatnonzero(np.arange(SIZE) % 3 == fold)) for fold in range(3)}
    folds[1].targets[:, 2] = np.nan  # one fold knows nothing of a label
    result = evaluate_out_of_fold(folds, ["auroc"], 0)
    columns = [np.concatenate([getattr(part, side) for part in folds.values()]) for side in ("targets", "logits")]
    assert result.value("auroc") == pytest.approx(mean_area(*columns))
    assert result.fold_values[0][1] == pytest.approx(mean_area(folds[1].targets[:, :2], folds[1].logits))


def mean_area(targets: np.ndarray, logits: np.ndarray) -> float:
    """Return the mean area under the ROC curve over labels, each of its known entries."""
    is_known = ~np.isnan(targets)
    return np.mean([sk.roc_auc_score(targets[rows, i], logits[rows, i]) for i, rows in enumerate(is_known.T)])
