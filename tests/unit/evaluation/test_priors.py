"""Priors of a calibration, quantification of unlabelled samples, reliability, and what calibration refuses."""

from dataclasses import replace

import numpy as np
import pytest

from mml_lib.errors import MMLError
from mml_lib.evaluation.calibration.calibration_methods import (
    METHODS,
    Calibration,
    calibrate_predictions,
    fit_calibration,
)
from mml_lib.evaluation.calibration.quantification import frequencies, quantify
from mml_lib.evaluation.calibration.reliability import reliability
from mml_lib.evaluation.evaluation import evaluate
from mml_lib.predictions.predictions import MaskPredictions, Predictions
from mml_lib.predictions.scores import score_arguments, softmax
from tests.support.messages import mentions

KINDS = ("classification", "multilabel_classification")
VAL, ELSEWHERE = np.array([0.6, 0.3, 0.1]), np.array([0.1, 0.2, 0.7])


def drawn(kind: str, number: int, prior: np.ndarray, seed: int, strength: float = 1.5) -> Predictions:
    """Return calibrated predictions for the frequencies VAL, of samples whose classes have other ones.

    Classes, or a label and its absence, are normally distributed around different means.
    """
    rng = np.random.default_rng(seed)
    if kind == "classification":
        targets = rng.choice(3, number, p=prior)
        logits = strength * (rng.normal(size=(number, 3)) + strength * np.eye(3)[targets]) + np.log(VAL)
    else:
        targets = (rng.random((number, 3)) < prior).astype("f")
        distance = 2 * strength * (targets - 0.5) + rng.normal(size=(number, 3))
        logits = 2 * strength * distance + np.log(VAL / (1 - VAL))
    return Predictions(logits.astype("f"), targets, np.array([f"s{k}" for k in range(number)]), kind)


def without_labels(predictions: Predictions) -> Predictions:
    unknown = -1 if predictions.task_type == "classification" else np.nan
    return replace(predictions, targets=np.full_like(predictions.targets, unknown))


def splits(kind: str) -> tuple[Predictions, dict[str, Predictions]]:
    test, unlabelled = (drawn(kind, 4000, ELSEWHERE, seed) for seed in (2, 3))
    return drawn(kind, 4000, VAL, 1), {"test": test, "unlabelled": without_labels(unlabelled)}


def log_loss(predictions: Predictions) -> float:
    return evaluate(predictions, ["log_loss"])["log_loss"]


def mean_probabilities(predictions: Predictions) -> np.ndarray:
    targets = np.zeros_like(predictions.targets)
    return score_arguments(predictions.task_type, predictions.logits, targets)[0].mean(axis=0)


# --- priors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_right_prior_gives_right_probabilities(kind: str):
    val, others = splits(kind)
    losses = {}
    for name, prior in {"val": "val", "test": "test", "quantify": "quantify", "list": ELSEWHERE.tolist()}.items():
        calibration, outputs = calibrate_predictions(val, others, "auto", prior)
        losses[name] = log_loss(outputs["test"])
        if name != "val":
            tolerance = 0.08 if name == "quantify" else 0.03
            assert calibration.prior == pytest.approx(ELSEWHERE, abs=tolerance)
            assert mean_probabilities(outputs["unlabelled"]) == pytest.approx(ELSEWHERE, abs=tolerance)
    best = losses["list"]
    assert losses["val"] > 1.2 * best
    assert (losses["test"], losses["quantify"]) == pytest.approx((best, best), rel=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_prior_of_validation_changes_nothing(kind: str):
    val, others = splits(kind)
    calibration = fit_calibration(val)
    shifted = calibration.with_prior(calibration.frequencies)
    assert np.allclose(shifted.apply(val.logits), calibration.apply(val.logits), atol=1e-6)
    assert shifted.with_prior(None) == calibration
    assert calibrate_predictions(val, others)[0].prior is None


def test_impossible_class_gets_no_probability_and_a_finite_logit():
    val, _ = splits("classification")
    logits = fit_calibration(val).with_prior([0, 0.5, 0.5]).apply(val.logits)
    assert np.isfinite(logits).all()
    assert np.exp(logits[:, 0]).max() < 1e-6


def test_prior_that_is_rounded_is_taken_for_what_is_meant():
    prior = fit_calibration(splits("classification")[0]).with_prior([0.3333, 0.3333, 0.3333]).prior
    assert sum(prior) == pytest.approx(1)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ([0.5, 0.5], "2 numbers for 3 classes; give one per class"),
        ([0.7, 0.5, -0.2], "has a number that is not a frequency"),
        ([np.nan, 0.5, 0.5], "has a number that is not a frequency"),
        ([0.5, 0.5, 0.5], "1.5; give frequencies that add up to 1"),
        ("quantity", "prior 'quantity', did you mean 'quantify'?"),
    ],
)
def test_wrong_prior_is_refused(prior, message: str):
    val, others = splits("classification")
    with pytest.raises(MMLError, match=message.replace("?", r"\?")):
        calibrate_predictions(val, others, prior=prior)


def test_labels_have_priors_that_need_not_add_up():
    calibration = fit_calibration(splits("multilabel_classification")[0])
    assert calibration.with_prior([0.5, 0.5, 0.5]).prior == (0.5, 0.5, 0.5)
    with pytest.raises(MMLError, match="not a frequency; give numbers from 0 to 1"):
        calibration.with_prior([1.5, 0.5, 0.5])


@pytest.mark.parametrize(("prior", "split"), [("test", "test"), ("quantify", "unlabelled")])
def test_prior_needs_its_split(prior: str, split: str):
    val, others = splits("classification")
    del others[split]
    with pytest.raises(MMLError, match=f"the prior {prior} needs predictions of the split {split}; predict it, or"):
        calibrate_predictions(val, others, prior=prior)


def test_classes_of_unlabelled_samples_cannot_be_counted():
    val, others = splits("classification")
    with pytest.raises(MMLError, match="no sample has a label"):
        calibrate_predictions(val, {"test": others["unlabelled"]}, prior="test")


# --- quantification -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_quantification_sees_through_wrong_predictions(kind: str):
    val, unlabelled = drawn(kind, 30_000, VAL, 1, 1.2), drawn(kind, 30_000, ELSEWHERE, 2, 1.2)
    hits = unlabelled.logits > 0 if kind != KINDS[0] else np.eye(3)[unlabelled.logits.argmax(axis=1)]
    assert np.abs(hits.mean(axis=0) - ELSEWHERE).max() > 0.08
    assert quantify(val, without_labels(unlabelled)) == pytest.approx(ELSEWHERE, abs=0.04)


def test_quantified_frequencies_stay_frequencies():
    """Inverting the confusion matrix gives class 0 a frequency of -0.25."""
    targets, predicted = np.repeat([0, 1], 10), np.array([0] * 8 + [1] * 2 + [0] * 2 + [1] * 8)
    val = Predictions(np.eye(2)[predicted], targets, targets)
    never = Predictions(np.eye(2)[np.repeat([0, 1], [1, 19])], np.full(20, -1), targets)
    assert quantify(val, never) == pytest.approx([0, 1], abs=1e-5)


def test_classes_that_are_not_told_apart_keep_the_proportion_of_validation():
    """Classes 1 and 2 are always taken for 1: what is predicted to be 1 is shared as it is in validation."""
    targets = np.repeat([0, 1, 2], [10, 6, 4])
    val = Predictions(np.eye(3)[np.minimum(targets, 1)], targets, targets)
    unlabelled = Predictions(np.eye(3)[np.repeat([0, 1], [2, 8])], np.full(10, -1), targets)
    shares = quantify(val, unlabelled)
    assert shares[0] == pytest.approx(0.2, abs=1e-4)
    assert shares[1] - shares[2] == pytest.approx(2 / 21, abs=1e-4)


def test_class_without_validation_samples_is_taken_at_its_word():
    targets = np.repeat([0, 1], 10)
    val = Predictions(np.eye(3)[targets], targets, targets)
    unlabelled = Predictions(np.eye(3)[[0, 1, 2, 2]], np.full(4, -1), targets)
    assert quantify(val, unlabelled) == pytest.approx([0.25, 0.25, 0.5], abs=1e-4)


def test_quantification_needs_unlabelled_samples():
    val, others = splits("classification")
    nothing = replace(others["unlabelled"], logits=np.empty((0, 3), "f"), targets=np.empty(0, int))
    with pytest.raises(MMLError, match="there are none; use the prior val"):
        calibrate_predictions(val, others | {"unlabelled": nothing}, prior="quantify")


def test_frequencies_leave_no_class_impossible():
    counted = Predictions(np.zeros((4, 2), "f"), np.array([0, 0, 0, -1]), np.arange(4))
    assert frequencies(counted) == pytest.approx([3.5 / 4, 0.5 / 4])


# --- reliability --------------------------------------------------------------------------------------------------


def test_reliability_adds_up_to_the_calibration_error():
    for kind in KINDS:
        predictions = drawn(kind, 500, ELSEWHERE, 1)
        table = reliability(predictions)
        error = (table.samples * (table.confidence - table.accuracy).abs()).sum() / table.samples.sum()
        assert error == pytest.approx(evaluate(predictions, ["calibration_error"])["calibration_error"])
        assert table.samples.sum() == 500 * (1 if kind == KINDS[0] else 3)


def test_reliability_tells_what_lies_in_a_bin():
    probabilities = np.array([[0.9, 0.1], [0.94, 0.06], [0.4, 0.6]])
    table = reliability(Predictions(np.log(probabilities), np.array([0, 1, 1]), np.arange(3)), bins=10)
    assert table.low.tolist() == pytest.approx([0.6, 0.9])
    assert table.high.tolist() == pytest.approx([0.7, 1])
    assert table.samples.tolist() == [1, 2]
    assert table.confidence.tolist() == pytest.approx([0.6, 0.92])
    assert table.accuracy.tolist() == [1, 0.5]


def test_reliability_of_values_is_refused():
    with pytest.raises(MMLError, match="a regression have no probabilities"):
        reliability(Predictions(np.zeros((2, 1)), np.zeros(2), np.arange(2), "regression"))


# --- what is refused ----------------------------------------------------------------------------------------------


def refused(val: Predictions | MaskPredictions, others: dict | None = None) -> str:
    with pytest.raises(MMLError) as caught:
        calibrate_predictions(val, others or {})
    return str(caught.value)


def test_values_and_masks_have_nothing_to_calibrate():
    values = Predictions(np.zeros((2, 1), "f"), np.zeros(2), np.arange(2), "regression")
    masks = MaskPredictions.of([np.zeros((2, 2), np.uint8)], [np.zeros((2, 2), np.uint8)], np.arange(1), 2)
    assert "predictions are of a regression, and calibration needs probabilities (values have none)" in refused(values)
    assert mentions(refused(masks), "semantic segmentation", "probabilities (masks")


def test_predictions_of_other_classes_are_refused():
    val, others = splits("classification")
    fewer = replace(others["test"], logits=others["test"].logits[:, :2], targets=others["test"].targets % 2)
    assert "the test predictions are of 2 classes, the validation predictions of 3 classes" in refused(
        val, {"test": fewer}
    )
    assert "are of 3 labels, the validation" in refused(val, {"test": splits("multilabel_classification")[1]["test"]})
    with pytest.raises(MMLError, match="predictions of 2 classes cannot be calibrated by a map of 3"):
        fit_calibration(val).apply(fewer.logits)
    assert "2 classes and their targets of more" in refused(replace(val, logits=val.logits[:, :2]))


@pytest.mark.parametrize("kind", KINDS)
def test_validation_without_labelled_samples_is_refused(kind: str):
    val = splits(kind)[0]
    for nothing in (replace(val, logits=val.logits[:0], targets=val.targets[:0]), without_labels(val)):
        assert refused(nothing).startswith("there are no validation predictions with a label to calibrate by")


@pytest.mark.parametrize("kind", KINDS)
def test_constant_predictions_stay_as_they_are_but_for_the_prior(kind: str):
    val = splits(kind)[0]
    constant = replace(val, logits=np.tile(val.logits[:1], (len(val.logits), 1)))
    for method in METHODS:
        calibration, outputs = calibrate_predictions(constant, {"test": constant}, method)
        assert (calibration.method, calibration.scale, calibration.bias) == ("none", (1, 1, 1), (0, 0, 0))
        assert np.allclose(*(softmax(predictions.logits) for predictions in (outputs["test"], constant)), atol=1e-6)
    calibration, outputs = calibrate_predictions(constant, {"test": constant}, prior=[0.2, 0.3, 0.5])
    assert not np.allclose(outputs["test"].logits, calibration.with_prior(None).apply(constant.logits))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused(value: float):
    val, others = splits("classification")
    val.logits[7, 1] = others["test"].logits[[3, 5], 0] = value
    assert mentions(refused(val), "1 of 4000 validation predictions", "not finite", "s7")
    assert "2 of 4000 test predictions are not finite, the first of sample 's3'" in refused(
        splits("classification")[0], others
    )
    with pytest.raises(MMLError, match=r"1 of 4000 predictions are not finite; leave the network out"):
        Calibration("classification", "none", (1,) * 3, (0,) * 3, (1 / 3,) * 3).apply(val.logits)


def test_unknown_method_is_refused():
    with pytest.raises(MMLError, match="method 'afine', did you mean 'affine'"):
        fit_calibration(splits("classification")[0], "afine")
