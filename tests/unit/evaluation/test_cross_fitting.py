"""Calibrated members and the final calibration of an ensemble: judged on samples that they were not fitted on."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mml_lib.errors import MMLError
from mml_lib.evaluation.calibration.calibration_methods import calibrate_predictions, fit_calibration
from mml_lib.evaluation.calibration.cross_fitting import assess_calibration, cross_calibrate, log_losses
from mml_lib.evaluation.ensembles.combining import combine
from mml_lib.evaluation.ensembles.ensemble_selection import select_ensemble
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage, Member
from mml_lib.evaluation.ensembles.final import calibrate_ensemble
from mml_lib.evaluation.ensembles.options import EnsembleOptions
from mml_lib.predictions.predictions import Predictions
from mml_lib.predictions.scores import softmax
from tests.support.planned_studies import wildcards
from tests.support.post_studies import post

RUNS = [Member("t", run) for run in ("aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd")]


def predicted(samples: int, seed: int, scale: float, noise: float = 1.0, run: int = 0) -> Predictions:
    """Return predictions of three classes whose log probabilities are a multiple of the true ones, with noise."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(samples, 3))
    targets = np.array([rng.choice(3, p=probabilities) for probabilities in softmax(logits)])
    own = np.random.default_rng([seed, run + 1])
    logits = scale * (logits + noise * own.normal(size=logits.shape))
    return Predictions(logits.astype(np.float32), targets, np.array([f"s{n}" for n in range(samples)]))


def loss(predictions: Predictions) -> float:
    return float(log_losses(predictions).mean())


# --- cross-fitting --------------------------------------------------------------------------------------------------


def test_no_sample_is_calibrated_by_a_map_that_was_fitted_on_it():
    val = predicted(60, 0, 4.0)
    fitted = cross_calibrate(val, "affine")
    # Other logits of the first sample change the maps of all parts but its own.
    changed = replace(val, logits=np.r_[-val.logits[:1], val.logits[1:]])
    same = (cross_calibrate(changed, "affine").logits == fitted.logits).all(axis=1)
    assert same.sum() == 60 // 5 - 1


def test_groups_are_dealt_whole():
    val = predicted(60, 0, 4.0)
    groups = [f"g{n // 6}" for n in range(60)]
    fitted = cross_calibrate(val, "affine", groups)
    changed = replace(val, logits=np.r_[-val.logits[:1], val.logits[1:]])
    same = (cross_calibrate(changed, "affine", groups).logits == fitted.logits).all(axis=1)
    assert same[1:6].all()
    assert same.sum() == 60 // 5 - 1


def test_cross_fitted_loss_is_that_of_new_samples_not_of_the_fitted_ones():
    inside, crossed, outside = [], [], []
    for seed in range(30):
        val, new = predicted(45, seed, 4.0), predicted(2000, 1000 + seed, 4.0)
        _, mapped = calibrate_predictions(val, {"val": val, "new": new}, "affine")
        inside.append(loss(mapped["val"]))
        outside.append(loss(mapped["new"]))
        crossed.append(loss(cross_calibrate(val, "affine")))
    errors = [abs(np.mean(losses) - np.mean(outside)) for losses in (inside, crossed)]
    assert errors[1] < errors[0]
    assert np.mean(inside) < np.mean(outside)


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_few_samples_are_calibrated_as_far_as_there_are_others(samples: int):
    val = predicted(samples, 0, 4.0)
    fitted = cross_calibrate(val, "auto")
    assert np.isfinite(fitted.logits).all()
    if samples == 1:
        assert np.array_equal(fitted.logits, val.logits)


def test_labels_are_cross_fitted_each_for_itself():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(400, 2))
    targets = (rng.random((400, 2)) < 1 / (1 + np.exp(-truth))).astype(np.float32)
    ids = np.array([f"s{n}" for n in range(400)])
    val = Predictions((5 * truth).astype(np.float32), targets, ids, "multilabel_classification")
    assert loss(cross_calibrate(val, "auto")) < 0.7 * loss(val)


def test_a_calibration_helps_only_where_new_samples_gain_by_it():
    assert assess_calibration(predicted(1000, 0, 4.0), "temperature").helps
    helped = [assess_calibration(predicted(200, seed, 1.0, noise=0.0), "affine").helps for seed in range(20)]
    assert sum(helped) <= 3, "these are calibrated already"


# --- ensembles ------------------------------------------------------------------------------------------------------


def ensembled(members: list[Predictions], strategy: str = "mean") -> EnsembleStorage:
    return select_ensemble("t", RUNS, members, EnsembleOptions(strategy, max_ensemble_size=2))


def samples_of(seed: int, samples: int, calibrated: bool) -> list[Predictions]:
    """Return predictions of four overconfident networks with independent noise, calibrated or raw."""
    raw = [predicted(samples, seed, 4.0, 1.5, run) for run in range(len(RUNS))]
    if not calibrated:
        return raw
    fitted = [fit_calibration(predicted(2000, 99, 4.0, 1.5, run), "auto") for run in range(len(RUNS))]
    return [
        replace(predictions, logits=map_.apply(predictions.logits))
        for predictions, map_ in zip(raw, fitted, strict=True)
    ]


def test_ensembles_of_calibrated_members_have_the_lower_log_loss():
    losses = {}
    for calibrated in (False, True):
        val, test = samples_of(1, 400, calibrated), samples_of(2, 4000, calibrated)
        ensemble = ensembled(val)
        final = calibrate_ensemble(ensemble, RUNS, val, val[0].ids.tolist())
        losses[calibrated] = loss(combine(ensemble, test)), loss(combine(final, test))
    assert losses[True][0] < 0.9 * losses[False][0], "members"
    assert losses[True][1] < 0.99 * losses[True][0], "averages of calibrated probabilities are too cautious"


def test_final_calibration_changes_no_predicted_class():
    val, test = samples_of(1, 400, True), samples_of(2, 400, True)
    final = calibrate_ensemble(ensembled(val), RUNS, val, val[0].ids.tolist())
    assert final.calibration is not None
    plain = combine(replace(final, calibration=None), test)
    assert (combine(final, test).logits.argmax(1) == plain.logits.argmax(1)).all()
    assert final.calibration_losses["after"] < final.calibration_losses["before"]


def test_final_calibration_is_left_out_where_it_does_not_help():
    val = [predicted(200, 3, 1.0, noise=0.0) for _ in RUNS]
    final = calibrate_ensemble(ensembled(val), RUNS, val, val[0].ids.tolist())
    assert final.calibration is None
    assert final.calibration_losses["samples"] == 200


def test_final_calibration_is_fitted_on_samples_that_did_not_select_the_members():
    val = samples_of(1, 400, True)
    ensemble = ensembled(val, "greedy")
    final = calibrate_ensemble(ensemble, RUNS, val, val[0].ids.tolist())
    assert final.calibration_losses["samples"] == 400 - len(ensemble.selection_ids) > 100
    chosen = np.isin(val[0].ids, list(ensemble.selection_ids))
    other = [replace(predictions, targets=np.where(chosen, 0, predictions.targets)) for predictions in val]
    assert calibrate_ensemble(ensemble, RUNS, other, val[0].ids.tolist()).calibration == final.calibration


def test_ensembles_of_earlier_versions_have_no_final_calibration(tmp_path: Path):
    ensemble = ensembled(samples_of(1, 60, False))
    ensemble.write(tmp_path / "post.json")
    content = json.loads((tmp_path / "post.json").read_text())
    del content["calibration"], content["calibration_losses"]
    (tmp_path / "old.json").write_text(json.dumps(content))
    assert EnsembleStorage.read(tmp_path / "old.json").calibration is None


# --- plans ----------------------------------------------------------------------------------------------------------


def test_ensemble_and_leaderboard_go_on_with_calibrated_predictions(tmp_path: Path):
    answers = post(tmp_path).study.inputs.post
    by = {"task": "mine", "mode": "post"}
    assert all("/CALIBRATED/" in path for path in answers.member_predictions(wildcards(**by)))
    assert all("/CALIBRATED/" in path for path in answers.member_predictions(wildcards(**by, eval="test")))
    assert all("/CALIBRATED/" in path for path in answers.compared_predictions(wildcards(**by)))
    assert all("/PREDICTIONS/" in path for path in answers.uncalibrated_predictions(wildcards(**by)))


@pytest.mark.parametrize(
    ("mode", "changes"),
    [
        ({"subroutines": ["train", "predict", "test", "ensemble", "compare"]}, {}),
        ({}, {"pivot": {"name": "c"}}),
        ({}, {"pivot": {"name": "d"}}),
    ],
    ids=["not asked for", "values", "masks"],
)
def test_where_nothing_is_calibrated_predictions_are_as_they_are(mode: dict, changes: dict, tmp_path: Path):
    plan = post(tmp_path, mode, **changes)
    by: dict[str, Any] = {"task": plan.task_names[0], "mode": "post"}
    assert all("/PREDICTIONS/" in path for path in plan.study.inputs.post.member_predictions(wildcards(**by)))
    assert plan.study.inputs.post.uncalibrated_predictions(wildcards(**by)) == []
    assert not plan.ensemble_options(plan.task_names[0]).calibrate
    assert not any(network["calibrated"] for network in plan.study.inputs.post.compared_networks(wildcards(**by)))


def test_final_calibration_can_be_turned_off_and_is_refused_where_it_cannot_be(tmp_path: Path):
    assert post(tmp_path).ensemble_options("mine").calibrate
    assert not post(tmp_path, {"ensemble": {"calibrate": False}}).ensemble_options("mine").calibrate
    assert not post(tmp_path, {"prior": "test"}).ensemble_options("mine").calibrate
    with pytest.raises(MMLError, match=r"mode.ensemble.calibrate: validation samples.* other class frequencies"):
        post(tmp_path, {"prior": "test", "ensemble": {"calibrate": True}})
