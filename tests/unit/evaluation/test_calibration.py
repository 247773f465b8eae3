"""Calibration: known miscalibration is undone, validation never gets worse, and odd samples are taken as they are."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from mml_lib.evaluation.calibration.affine import PENALTIES, Objective, OneScale, Scores, fit, fit_by_evidence
from mml_lib.evaluation.calibration.calibration_methods import (
    METHODS,
    Calibration,
    calibrate_predictions,
    fit_calibration,
    log_softmax,
    scores_of,
)
from mml_lib.evaluation.evaluation import evaluate
from mml_lib.predictions.predictions import Predictions
from mml_lib.predictions.scores import softmax

KINDS = ("classification", "multilabel_classification")
FITTED = ("affine", "temperature", "auto")
CLASSES = 5


def of(logits: np.ndarray, targets: np.ndarray, kind: str = "classification") -> Predictions:
    return Predictions(logits.astype("f"), targets, np.array([f"s{k}" for k in range(len(logits))]), kind)


def drawn(kind: str, number: int, seed: int = 0, scale=0.4, bias=0.0, prior=None) -> tuple[Predictions, Predictions]:
    """Return overconfident predictions, and what they should have been: by an affine map of them targets are drawn."""
    rng = np.random.default_rng(seed)
    if kind == "classification":
        classes = rng.choice(CLASSES, number, p=prior)
        logits = 2 * rng.normal(size=(number, CLASSES)) + 5 * np.eye(CLASSES)[classes]
        truth = log_softmax(log_softmax(logits) * scale + bias)
        targets = (np.exp(truth).cumsum(axis=1)[:, :-1] < rng.random((number, 1))).sum(axis=1)
    else:
        logits = 5 * rng.normal(size=(number, CLASSES))
        truth = logits * scale + bias
        targets = (rng.random(truth.shape) < 1 / (1 + np.exp(-truth))).astype("f")
    return of(logits, targets, kind), of(truth, targets, kind)


def log_loss(predictions: Predictions) -> float:
    return evaluate(predictions, ["log_loss"])["log_loss"]


def calibrated(val: Predictions, other: Predictions, method: str = "affine") -> Predictions:
    return calibrate_predictions(val, {"test": other}, method)[1]["test"]


# --- what is fitted -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["affine", "auto"])
def test_known_miscalibration_is_undone(kind: str, method: str):
    scale, bias = np.linspace(0.2, 0.5, CLASSES), np.linspace(-1, 1, CLASSES)
    val, test = (drawn(kind, 5000, seed, scale, bias) for seed in (1, 2))
    outputs = calibrated(val[0], test[0], method)
    assert log_loss(outputs) == pytest.approx(log_loss(test[1]), rel=0.02)
    assert log_loss(test[0]) > 1.3 * log_loss(test[1])
    assert evaluate(outputs, ["calibration_error"])["calibration_error"] < 0.02
    assert fit_calibration(val[0], method).scale == pytest.approx(scale, abs=0.08)


@pytest.mark.parametrize("kind", KINDS)
def test_known_temperature_is_found(kind: str):
    calibration = fit_calibration(drawn(kind, 5000)[0], "temperature")
    assert calibration.scale == pytest.approx(np.full(CLASSES, 0.4), abs=0.03)
    assert calibration.bias == (0,) * CLASSES


def test_temperature_is_that_of_scikit_learn():
    gives_its_input = LogisticRegression()
    gives_its_input.classes_, gives_its_input.coef_ = np.arange(CLASSES), np.eye(CLASSES)
    gives_its_input.intercept_ = np.zeros(CLASSES)
    val, test = (drawn("classification", 3000, seed)[0] for seed in (1, 2))
    reference = CalibratedClassifierCV(FrozenEstimator(gives_its_input), method="temperature")
    reference.fit(val.logits.astype(float), val.targets)
    expected = reference.predict_proba(test.logits.astype(float))
    probabilities = np.exp(calibrated(val, test, "temperature").logits)
    assert np.abs(probabilities - expected).max() < 1e-3


def test_each_label_is_calibrated_as_by_logistic_regression():
    val = drawn("multilabel_classification", 3000, 0, np.linspace(0.3, 0.7, CLASSES), 0.5)[0]
    calibration = fit_calibration(val, "affine")
    for label in range(CLASSES):
        column = val.logits[:, [label]].astype(float), val.targets[:, label]
        reference = LogisticRegression(C=np.inf, tol=1e-8).fit(*column)
        assert calibration.scale[label] == pytest.approx(reference.coef_[0, 0], abs=2e-3)
        assert calibration.bias[label] == pytest.approx(reference.intercept_[0], abs=5e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_validation_log_loss_is_never_worse(kind: str, method: str):
    for seed in range(15):
        number, scale = 1 + 6 * seed, np.random.default_rng(seed).uniform(0.2, 2, CLASSES)
        val = drawn(kind, number, seed, scale)[0]
        assert log_loss(calibrated(val, val, method)) <= log_loss(val) + 1e-6


def test_what_is_calibrated_stays_as_it_is():
    val = drawn("classification", 2000)[0]
    best = replace(val, logits=calibrated(val, val).logits)
    assert fit_calibration(best, "affine").scale == pytest.approx(np.ones(CLASSES), abs=0.02)
    assert np.allclose(calibrated(val, val, "none").logits, log_softmax(val.logits), atol=1e-5)


def test_few_samples_get_one_scale_and_many_a_map_of_each_class():
    def spread(number: int) -> float:
        val = drawn("classification", number, 3, 0.4 * np.exp(np.linspace(-0.3, 0.3, CLASSES)))[0]
        scores = Scores(scores_of("classification", val.logits), val.targets)
        return max(np.ptp(values) for values in fit_by_evidence(scores))

    assert spread(12) == 0
    assert spread(3000) > 0.1


def test_choice_by_evidence_is_near_the_better_of_both_methods():
    losses = {method: [] for method in FITTED}
    for bias in (0, np.linspace(-1.5, 1.5, CLASSES)):
        for number in (15, 60, 1000):
            for seed in range(8):
                val, test = (drawn("classification", n, s, 0.4, bias) for n, s in ((number, seed), (2000, 99)))
                for method in FITTED:
                    losses[method].append(log_loss(calibrated(val[0], test[0], method)) - log_loss(test[1]))
    mean = {method: np.mean(values) for method, values in losses.items()}
    assert mean["auto"] < 0.8 * min(mean["affine"], mean["temperature"])


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_those_of_the_loss(kind: str):
    predictions = drawn(kind, 60)[0]
    if kind == "classification":
        scores = Scores(scores_of(kind, predictions.logits), predictions.targets)
    else:
        scores = Scores(scores_of(kind, predictions.logits)[:, :1], predictions.targets[:, 0].astype(int))
    objective = Objective(scores, penalty=3.0)
    assert_derivatives(objective, np.random.default_rng(0).normal(1, 0.3, 2 * scores.values.shape[1]))
    assert_derivatives(OneScale(scores), np.array([0.7]))
    same = objective.start * 0.7
    assert OneScale(scores).derivatives(same[:1])[0] == pytest.approx(Objective(scores).derivatives(same)[0])


def assert_derivatives(objective: Objective | OneScale, at: np.ndarray) -> None:
    _, gradient, hessian = objective.derivatives(at)
    differences = [
        [(above - below) / 2e-5 for above, below in zip(*(objective.derivatives(at + s) for s in pair), strict=True)][
            :2
        ]
        for pair in ((step, -step) for step in 1e-5 * np.eye(len(at)))
    ]
    assert gradient == pytest.approx([slope for slope, _ in differences])
    assert np.allclose(hessian, [slopes for _, slopes in differences], atol=1e-8)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_minimum_is_one(penalty: float):
    predictions = drawn("classification", 300)[0]
    scores = Scores(scores_of("classification", predictions.logits), predictions.targets)
    parameters = np.concatenate(fit(scores, penalty)) * np.repeat([scores.size, 1], CLASSES)
    objective = Objective(scores, 0 if np.isinf(penalty) else penalty)
    gradient = objective.derivatives(parameters)[1]
    assert np.abs(gradient[:CLASSES].sum() if np.isinf(penalty) else gradient).max() < 1e-5


def test_evidence_against_a_class_never_counts_for_it():
    val = drawn("multilabel_classification", 200, scale=-1.0)[0]
    assert min(fit_calibration(val, "affine").scale) > 0
    assert min(fit_calibration(drawn("classification", 200, scale=-1.0)[0], "affine").scale) > 0


# --- what it takes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", FITTED)
def test_shifted_logits_are_calibrated_alike(method: str):
    val, test = (drawn("classification", 300, seed)[0] for seed in (1, 2))
    moved = replace(val, logits=val.logits + np.linspace(-20, 20, 300, dtype="f")[:, None])
    assert np.allclose(calibrated(moved, test, method).logits, calibrated(val, test, method).logits, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_calibration_survives_json_and_keeps_the_rest_of_predictions(kind: str):
    val, test = (drawn(kind, 100, seed)[0] for seed in (1, 2))
    empty = of(test.logits[:0], test.targets[:0], kind)
    calibration, outputs = calibrate_predictions(val, {"test": test, "empty": empty})
    again = Calibration(**json.loads(json.dumps(asdict(calibration))))
    assert again == calibration
    assert np.array_equal(again.apply(test.logits), outputs["test"].logits)
    assert (outputs["test"].ids is test.ids, outputs["test"].targets is test.targets) == (True, True)
    assert (outputs["test"].logits.dtype, outputs["empty"].logits.shape) == (np.float32, (0, CLASSES))


@pytest.mark.parametrize("method", FITTED)
def test_class_without_validation_samples_becomes_improbable_but_not_impossible(method: str):
    val, test = (drawn("classification", 500, seed)[0] for seed in (1, 2))
    present = val.targets != 4
    val = of(val.logits[present], val.targets[present])
    probabilities = np.exp(calibrated(val, test, method).logits)
    assert np.isfinite(probabilities).all()
    assert probabilities[:, 4].min() > 0
    if method != "temperature":
        assert probabilities[:, 4].mean() < 0.05 < 0.15 < softmax(test.logits)[:, 4].mean()


@pytest.mark.parametrize("method", FITTED)
def test_label_that_validation_never_or_always_has_is_no_error(method: str):
    val = drawn("multilabel_classification", 200)[0]
    val.targets[:, 0], val.targets[:, 1] = 0, 1
    outputs = calibrated(val, val, method)
    assert np.isfinite(outputs.logits).all()
    assert log_loss(outputs) < log_loss(val)
    if method == "affine":
        assert [outputs.logits[:, 0].max() < -3, outputs.logits[:, 1].min() > 3] == [True, True]


@pytest.mark.parametrize("method", FITTED)
def test_faultless_validation_leaves_scales_finite(method: str):
    targets = np.arange(60) % 3
    scale = np.array(fit_calibration(of(4 * np.eye(3)[targets], targets), method).scale)
    assert ((scale > 0.5) & (scale < 5)).all()


def test_unlabelled_samples_do_not_count_in_validation():
    for kind in KINDS:
        val = drawn(kind, 200)[0]
        unknown = np.full_like(val.targets, -1 if kind == "classification" else np.nan)
        both = of(np.concatenate([val.logits, val.logits]), np.concatenate([val.targets, unknown]), kind)
        assert fit_calibration(both) == fit_calibration(val)


@pytest.mark.parametrize("method", FITTED)
@pytest.mark.parametrize("factor", [1e-3, 50])
def test_size_of_logits_does_not_matter(method: str, factor: float):
    val = drawn("multilabel_classification", 100)[0]
    resized = replace(val, logits=val.logits * np.float32(factor))
    assert np.allclose(calibrated(resized, resized, method).logits, calibrated(val, val, method).logits, atol=1e-3)
    val = drawn("classification", 100, 3, 0.4 * np.exp(np.linspace(-0.3, 0.3, CLASSES)))[0]
    scores = Scores(log_softmax(val.logits.astype(float)), val.targets)
    resized = Scores(scores.values * factor, val.targets)
    assert np.allclose(fit(resized, 10.0)[0] * factor, fit(scores, 10.0)[0], atol=1e-3)


def test_huge_logits_are_no_error():
    val = drawn("classification", 200)[0]
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(fit_calibration(of(val.logits * 1e30, val.targets)).scale).all()


def test_calibration_imports_no_more_than_it_needs():
    """A light step, whose words plans need as well."""
    module = "mml_lib.evaluation.calibration.calibration_methods"
    code = f"import sys, {module}; print({{'torch', 'scipy', 'pandas'}} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
