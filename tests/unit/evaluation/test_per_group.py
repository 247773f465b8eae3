"""Metrics per group: each patient counts once, as pandas and scikit-learn give it; patients that have no one label."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score, roc_auc_score

from mml_lib.evaluation.comparisons.leaderboard import as_text, leaderboard, standings
from mml_lib.evaluation.evaluation import (
    evaluate,
    evaluate_resampled,
    network_estimates,
    network_intervals,
)
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.evaluation.procedures import estimate
from mml_lib.evaluation.resampled import read_resampled
from mml_lib.evaluation.run_comparison import resample_runs
from mml_lib.evaluation.summary import as_text as summary_text
from mml_lib.evaluation.summary import summarize
from mml_lib.predictions.predictions import MaskPredictions, Predictions
from mml_lib.predictions.scores import sigmoid, softmax

PATIENTS = 40
RNG = np.random.default_rng(4)
SIZES = RNG.integers(1, 6, PATIENTS)
PATIENT = np.repeat(np.arange(PATIENTS), SIZES)
NUMBER = len(PATIENT)
IDS = np.array([f"image{number:03}" for number in range(NUMBER)])
GROUPS = {id_: f"p{patient:02}" for id_, patient in zip(IDS.tolist(), PATIENT.tolist(), strict=True)}
NOISE = RNG.normal(size=(NUMBER, 3))


def classified(classes: int = 3, by_image: bool = False) -> Predictions:
    targets = (np.arange(NUMBER) if by_image else PATIENT) % classes
    logits = 0.8 * np.eye(classes)[targets] + NOISE[:, :classes]
    return Predictions(logits.astype("f"), targets, IDS)


def per_group(predictions, metrics, how: str = "mean", groups=GROUPS) -> dict[str, float]:
    resampled = evaluate_resampled(predictions, metrics, 100, groups, how)
    return {name: resampled.values[resampled.place(f"{name}_per_group")] for name in metrics}


def by_patient(predictions: Predictions, values: np.ndarray):
    return pd.DataFrame(values).groupby(PATIENT), pd.Series(predictions.targets).groupby(PATIENT).first().to_numpy()


def test_probabilities_are_averaged():
    predictions = classified()
    groups, targets = by_patient(predictions, softmax(predictions.logits))
    means = groups.mean().to_numpy()
    values = per_group(predictions, ["accuracy", "f1", "auroc"])
    assert values["accuracy"] == pytest.approx(accuracy_score(targets, means.argmax(axis=1)))
    assert values["f1"] == pytest.approx(f1_score(targets, means.argmax(axis=1), average="macro"))
    assert values["auroc"] == pytest.approx(roc_auc_score(targets, means, multi_class="ovr"))
    assert values["accuracy"] > evaluate(predictions, ["accuracy"])["accuracy"]


def test_majority_decides_and_the_mean_where_votes_are_equal():
    predictions = classified()
    probabilities = softmax(predictions.logits)
    votes, targets = by_patient(predictions, np.eye(3)[probabilities.argmax(axis=1)])
    means, _ = by_patient(predictions, probabilities)
    ranked = votes.sum() + 1e-3 * means.mean()
    assert (np.sort(votes.sum().to_numpy(), axis=1)[:, -1] == np.sort(votes.sum().to_numpy(), axis=1)[:, -2]).any()
    assert per_group(predictions, ["accuracy"], "vote")["accuracy"] == pytest.approx(
        accuracy_score(targets, ranked.to_numpy().argmax(axis=1))
    )


def test_highest_class_that_one_image_shows_is_that_of_the_patient():
    """Of two classes the positive one is as probable as in the image where it is most probable."""
    predictions = classified(2, by_image=True)
    positive = pd.Series(softmax(predictions.logits)[:, 1]).groupby(PATIENT).max()
    targets = pd.Series(predictions.targets).groupby(PATIENT).max()
    assert targets.nunique() == 2
    values = per_group(predictions, ["accuracy", "auroc"], "max")
    assert values["auroc"] == pytest.approx(roc_auc_score(targets, positive))
    assert values["accuracy"] == pytest.approx(accuracy_score(targets, positive > 0.5))
    of_grades = per_group(classified(3, by_image=True), ["accuracy"], "max")["accuracy"]
    assert 0 < of_grades < 1


@pytest.mark.parametrize("how", ["mean", "vote"])
def test_patients_with_several_labels_have_no_metrics_per_group_and_are_named(how: str):
    targets = PATIENT % 3
    largest = int(SIZES.argmax())
    targets[PATIENT.searchsorted(largest)] = (largest + 1) % 3
    predictions = Predictions(NOISE.astype("f"), targets, IDS)
    resampled = evaluate_resampled(predictions, ["accuracy"], 100, GROUPS, how)
    assert np.isnan(resampled.values[1])
    assert f"'p{largest:02}'" in resampled.reason
    estimates = network_estimates(resampled)
    assert estimates["accuracy"].reason == ""
    assert estimates["accuracy_per_group"].reason == resampled.reason
    assert not np.isnan(per_group(predictions, ["accuracy"], "max")["accuracy"])


@pytest.mark.parametrize(("how", "merge"), [("mean", "mean"), ("max", "max")])
def test_labels_of_patients(how: str, merge: str):
    targets = np.stack([PATIENT % 2, PATIENT % 3 == 0], axis=1).astype("f")
    if how == "max":
        targets[:, 1] = np.arange(NUMBER) % 4 == 0
    predictions = Predictions((targets + NOISE[:, :2]).astype("f"), targets, IDS, "multilabel_classification")
    probabilities = pd.DataFrame(sigmoid(predictions.logits)).groupby(PATIENT).agg(merge)
    labels = pd.DataFrame(targets).groupby(PATIENT).max()
    assert per_group(predictions, ["auroc"], how)["auroc"] == pytest.approx(
        roc_auc_score(labels, probabilities, average="macro")
    )


@pytest.mark.parametrize("how", ["mean", "max", "vote"])
def test_values_are_averaged(how: str):
    values = RNG.normal(size=NUMBER)
    outputs = (values + NOISE[:, 0]).astype("f")
    predictions = Predictions(outputs[:, None], values.astype("f"), IDS, "regression")
    means = pd.DataFrame({"true": values.astype("f").astype(float), "found": outputs.astype(float)})
    means = means.groupby(PATIENT).mean()
    scores = per_group(predictions, ["mae", "r2"], how)
    assert scores["mae"] == pytest.approx(mean_absolute_error(means["true"], means["found"]))
    assert scores["r2"] == pytest.approx(r2_score(means["true"], means["found"]))


def test_pixels_of_masks_are_summed():
    """A patient's masks, laid side by side, are one mask: the metric of these is the same."""
    true = [RNG.integers(0, 2, (4, 6)).astype(np.uint8) for _ in range(NUMBER)]
    predicted = [np.where(RNG.random(mask.shape) < 0.3, 1 - mask, mask).astype(np.uint8) for mask in true]
    predictions = MaskPredictions.of(predicted, true, IDS, 2)
    rows = [np.flatnonzero(patient == PATIENT) for patient in range(PATIENTS)]
    joined = [[np.hstack([masks[row] for row in of_patient]) for of_patient in rows] for masks in (predicted, true)]
    whole = MaskPredictions.of(*joined, np.array([f"p{patient:02}" for patient in range(PATIENTS)]), 2)
    expected = evaluate(whole, ["dice", "iou"])
    assert per_group(predictions, ["dice", "iou"]) == pytest.approx(expected)


def test_distances_are_averaged_over_the_masks_of_a_patient():
    true = [np.pad(np.ones((3, 3), np.uint8), 4) for _ in range(NUMBER)]
    masks = [np.roll(mask, number % 3, axis=1) for number, mask in enumerate(true)]
    predictions = MaskPredictions.of(masks, true, IDS, 2)
    means = pd.Series(np.arange(NUMBER) % 3).groupby(PATIENT).mean().mean()
    assert per_group(predictions, ["hausdorff95"])["hausdorff95"] == pytest.approx(means)


def test_intervals_are_over_groups():
    predictions = classified()
    resampled = evaluate_resampled(predictions, ["accuracy"], 400, GROUPS)
    assert resampled.units.tolist() == [PATIENTS, PATIENTS]
    assert resampled.effective[1] == pytest.approx(PATIENTS)
    assert resampled.effective[0] < PATIENTS  # patients with many images weigh more
    low, high = network_intervals(resampled)["accuracy_per_group"]
    share = resampled.values[1]
    width = 2 * 1.96 * np.sqrt(share * (1 - share) / PATIENTS)
    assert low < share < high
    assert high - low == pytest.approx(width, rel=0.2)


def test_samples_without_a_group_are_groups_of_their_own():
    groups = {id_: group if group < "p20" else None for id_, group in GROUPS.items()}
    resampled = evaluate_resampled(classified(), ["accuracy"], 100, groups)
    assert resampled.units[1] == 20 + (PATIENT >= 20).sum()


@pytest.mark.parametrize("groups", [None, {}, dict.fromkeys(IDS.tolist()), {id_: id_ for id_ in IDS.tolist()}])
def test_groups_of_one_sample_have_no_metrics_of_their_own(groups):
    assert evaluate_resampled(classified(), ["accuracy"], 100, groups).metrics == ["accuracy"]


def test_outputs_that_are_not_finite_have_none():
    predictions = Predictions(np.full((NUMBER, 3), np.nan, "f"), PATIENT % 3, IDS)
    resampled = evaluate_resampled(predictions, ["accuracy"], 100, GROUPS)
    assert resampled.metrics == ["accuracy", "accuracy_per_group"]
    assert np.isnan(resampled.values).all()


def test_summary_and_files_have_both_levels(tmp_path):
    results, networks = [], []
    for fold in range(2):
        resampled = evaluate_resampled(classified(), ["accuracy"], 100, GROUPS)
        resampled.write(tmp_path / f"{fold}.npz")
        metrics = NetworkMetrics.of({}, resampled, task="t", run="r", fold=fold, split="test")
        metrics.write(tmp_path / f"{fold}.json")
        results.append(NetworkMetrics.read(tmp_path / f"{fold}.json"))
        networks.append(read_resampled(tmp_path / f"{fold}.npz"))
    assert set(json.loads((tmp_path / "0.json").read_text())["intervals"]) == {"accuracy", "accuracy_per_group"}
    table = summarize(results, networks, {}).set_index("metric")
    assert table.index.tolist() == ["accuracy", "accuracy_per_group"]
    assert table["mean"].to_dict() == pytest.approx(networks[0].by_metric())
    assert table[["ci_low", "ci_high"]].notna().all(axis=None)
    assert (table["reason"] == "").all()


def test_networks_that_were_tested_without_groups_define_nothing_per_group():
    with_groups, without = (evaluate_resampled(classified(), ["accuracy"], 100, groups) for groups in (GROUPS, None))
    networks = {"r": {0: with_groups, 1: without, 2: with_groups}}
    assert estimate(networks, "accuracy").networks == 3
    assert estimate(networks, "accuracy_per_group").networks == 2


def test_summary_says_why_there_is_nothing_per_group():
    resampled = evaluate_resampled(classified(by_image=True), ["accuracy"], 100, GROUPS)
    result = NetworkMetrics.of({}, resampled, task="t", run="r", fold=0, split="test")
    table = summarize([result], [resampled], {})
    row = table[table["metric"] == "accuracy_per_group"].iloc[0]
    assert np.isnan(row["mean"])
    assert "per_group: max" in row["reason"]
    lines = summary_text(table).splitlines()
    assert sum("per group" in line and "per_group: max" in line for line in lines) == 1


def test_leaderboard_ranks_procedures_per_group_too():
    better, worse = classified(), Predictions(NOISE.astype("f"), PATIENT % 3, IDS)
    runs = {"better": {0: better, 1: better}, "worse": {0: worse, 1: worse}}
    board = leaderboard(standings(resample_runs(runs, ["accuracy"], 200, groups=GROUPS)), "accuracy")
    assert board["procedure"].tolist() == ["better", "worse"]
    assert board["accuracy_per_group_rank"].tolist() == [1, 2]
    assert board["accuracy_per_group"].tolist() == pytest.approx(
        [per_group(predictions, ["accuracy"])["accuracy"] for predictions in (better, worse)]
    )
    assert "accuracy_per_group" in as_text(board, "accuracy")
