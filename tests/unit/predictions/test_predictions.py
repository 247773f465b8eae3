"""Predictions: made in the right order, kept in files, evaluated."""

from pathlib import Path

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import pytest
import torch

from mml_lib.config.metric_options import NAMED, Metric
from mml_lib.errors import MMLError
from mml_lib.evaluation.evaluation import (
    evaluate,
    evaluate_resampled,
    network_intervals,
)
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.evaluation.summary import summarize
from mml_lib.predictions.predictions import MaskPredictions, Predictions, read_predictions
from mml_lib.task_types import IGNORE, LEARNABLE
from tests.support.small_tasks import fake_task, small_model
from tests.support.small_trainings import predicted

IDS = np.array(["x", "yy", "zß"])
SIZES = [(32, 24), (20, 32), (32, 32)]
KINDS: dict[str, Predictions | MaskPredictions] = {
    "classification": Predictions(np.eye(3, dtype="f"), np.array([0, 1, 1]), IDS),
    "multilabel_classification": Predictions(
        np.array([[1, -1], [1, 1], [-1, -1]], "f"),
        np.array([[1, 0], [0.7, 0.2], [0, 0]], "f"),
        IDS,
        "multilabel_classification",
    ),
    "regression": Predictions(np.array([[1], [2], [4]], "f"), np.array([1, 2, 3], "f"), IDS, "regression"),
    "semantic_segmentation": MaskPredictions.of(
        [np.zeros((2, 3), np.uint8), np.ones((1, 2), np.uint8), np.ones((2, 2), np.uint8)],
        [np.zeros((2, 3), np.uint8), np.array([[1, IGNORE]], np.uint8), np.full((2, 2), IGNORE, np.uint8)],
        IDS,
        2,
    ),
}


# --- making them --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task_type", LEARNABLE)
def test_images_of_any_size_are_predicted_in_their_order(tmp_path: Path, task_type: str):
    struct = fake_task(tmp_path, task_type, transforms=(), cuts=SIZES)
    model = small_model(struct)
    predictions, alone = (predicted(struct, model, batch_size=size) for size in (3, 1))
    positions = struct.select("test")
    assert predictions.ids.tolist() == struct.samples["id"][positions].tolist()
    if task_type == "semantic_segmentation":
        assert predictions.sizes.tolist() == [list(SIZES[row % 3]) for row in struct.samples["row"][positions]]
        assert (predictions.masks == alone.masks).mean() > 0.999
        assert (predictions.targets == alone.targets).all()
        counts = [np.bincount(target[target != IGNORE], minlength=3).tolist() for _, target in predictions.images()]
        assert counts == struct.targets[positions].tolist()
    else:
        assert np.allclose(predictions.logits, alone.logits, atol=1e-4)
        assert np.array_equal(predictions.targets, struct.targets[positions])
        assert len(np.unique(predictions.logits.round(5), axis=0)) == len(positions)


@pytest.mark.parametrize("task_type", LEARNABLE)
def test_unlabelled_images_are_predicted_without_targets(tmp_path: Path, task_type: str):
    struct = fake_task(tmp_path, task_type, unlabelled=4)
    predictions = predicted(struct, small_model(struct), "unlabelled")
    assert len(predictions.ids) == 4
    unknown = {"classification": -1, "semantic_segmentation": IGNORE}.get(task_type, np.nan)
    assert np.array_equal(
        predictions.targets, np.full_like(predictions.targets, unknown), equal_nan=task_type != "classification"
    )


def test_values_are_predicted_in_the_unit_of_the_targets(tmp_path: Path):
    struct = fake_task(tmp_path, "regression")
    model = small_model(struct)
    head = model.network.head_of("t")
    with torch.no_grad():
        head.linear.weight.zero_(), head.linear.bias.zero_()
    assert np.allclose(predicted(struct, model).logits, struct.header["target"]["mean"])


# --- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task_type", KINDS)
def test_predictions_survive_their_file(tmp_path: Path, task_type: str):
    kept = KINDS[task_type]
    kept.write(tmp_path / "p.npz")
    read = read_predictions(tmp_path / "p.npz")
    assert (type(read), read.task_type) == (type(kept), task_type)
    for key, value in vars(kept).items():
        assert np.array_equal(value, getattr(read, key))
        assert np.asarray(value).dtype == np.asarray(getattr(read, key)).dtype


def test_masks_come_back_image_by_image(tmp_path: Path):
    KINDS["semantic_segmentation"].write(tmp_path / "p.npz")
    shapes = [(mask.shape, target.tolist()) for mask, target in read_predictions(tmp_path / "p.npz").images()]
    assert shapes == [((2, 3), [[0] * 3] * 2), ((1, 2), [[1, IGNORE]]), ((2, 2), [[IGNORE] * 2] * 2)]


def test_pickles_are_refused(tmp_path: Path):
    np.savez(tmp_path / "evil.npz", format=2, task_type="x", logits=np.array([{"a": 1}], dtype=object))
    with pytest.raises(MMLError, match=r"evil\.npz.*allow_pickle=False"):
        read_predictions(tmp_path / "evil.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY\x01\x00", b"some text"])
def test_what_is_no_file_of_predictions_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "p.npz").write_bytes(content)
    with pytest.raises(MMLError, match=r"p\.npz is damaged .*; make it again by: snakemake "):
        read_predictions(tmp_path / "p.npz")


def test_array_file_and_missing_file_are_named(tmp_path: Path):
    with open(tmp_path / "p.npz", "wb") as file:
        np.save(file, np.ones(3))
    for name, problem in (("p.npz", "is damaged"), ("none.npz", "cannot be read: No such file")):
        with pytest.raises(MMLError, match=f"{name} {problem}"):
            read_predictions(tmp_path / name)


@pytest.mark.parametrize("task_type", ["classification", "semantic_segmentation"])
def test_damage_anywhere_is_named_or_harmless(tmp_path: Path, task_type: str):
    KINDS[task_type].write(tmp_path / "p.npz")
    whole, named = (tmp_path / "p.npz").read_bytes(), 0
    for place in range(0, len(whole), 5):
        (tmp_path / "p.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            read_predictions(tmp_path / "p.npz")
        except MMLError:
            named += 1
    assert named > 100


def test_predictions_of_a_newer_version_are_refused(tmp_path: Path):
    np.savez(tmp_path / "p.npz", format=99, task_type="x")
    with pytest.raises(MMLError, match=r"has format 99, .* reads predictions up to \d+; install a newer MML"):
        read_predictions(tmp_path / "p.npz")


# --- evaluating them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task_type", "expected"),
    [
        ("classification", {"accuracy": 2 / 3, "balanced_accuracy": 0.75}),
        ("multilabel_classification", {"exact_match": 2 / 3, "accuracy": 5 / 6}),
        ("regression", {"mae": 1 / 3, "rmse": 3**-0.5, "r2": 0.5}),
        ("semantic_segmentation", {"dice": 1, "iou": 1, "pixel_accuracy": 1}),
    ],
)
def test_metrics_are_those_of_the_task_type(task_type: str, expected: dict[str, float]):
    values = evaluate(KINDS[task_type], list(NAMED[task_type]))
    assert list(values) == list(NAMED[task_type])
    assert {name: values[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("task_type", "target", "expected"),
    [
        ("classification", "classification.MulticlassAccuracy", 0.5),
        ("multilabel_classification", "classification.MultilabelHammingDistance", 1 / 6),
        ("regression", "regression.MeanSquaredError", 1 / 3),
        ("semantic_segmentation", "classification.MulticlassSpecificity", 1),
    ],
)
def test_metrics_of_torchmetrics_are_told_the_classes(task_type: str, target: str, expected: float):
    ignore = {"ignore_index": IGNORE} if task_type == "semantic_segmentation" else {}
    metric = Metric(name="own", _target_=f"torchmetrics.{target}", **ignore)
    assert evaluate(KINDS[task_type], [metric])["own"] == pytest.approx(expected)


def test_masks_without_a_counted_pixel_are_refused():
    nothing = MaskPredictions.of([np.zeros((2, 2), np.uint8)], [np.full((2, 2), IGNORE, np.uint8)], IDS[:1], 2)
    with pytest.raises(MMLError, match="every pixel of these masks is ignored"):
        evaluate(nothing, ["dice"])


@pytest.mark.parametrize("task_type", KINDS)
def test_named_metrics_have_intervals_and_others_have_none(task_type: str):
    target = "regression.MeanSquaredError" if task_type == "regression" else "aggregation.MeanMetric"
    own = Metric(name="own", _target_=f"torchmetrics.{target}")
    names = [*NAMED[task_type], own]
    intervals = network_intervals(evaluate_resampled(KINDS[task_type], names, 100))
    assert list(intervals) == list(NAMED[task_type])
    assert list(evaluate(KINDS[task_type], names)) == [*NAMED[task_type], "own"]
    assert all(low <= high for low, high in intervals.values() if not np.isnan(low))
    assert sum(not np.isnan(low) for low, _ in intervals.values()) >= 3, "masks without a mistake have an interval too"
    assert network_intervals(evaluate_resampled(KINDS[task_type], NAMED[task_type], 0)) == {}


def test_exploded_network_has_neither_metric_nor_interval():
    logits = np.eye(3, dtype="f")
    logits[1, 1] = np.nan
    exploded = Predictions(logits, np.arange(3), IDS)
    values = evaluate(exploded, ["accuracy", "auroc"])
    intervals = network_intervals(evaluate_resampled(exploded, ["accuracy", "auroc"], 100))
    assert np.isnan([values["accuracy"], values["auroc"], *intervals["accuracy"], *intervals["auroc"]]).all()


def test_undefined_metrics_are_null_in_their_file(tmp_path: Path):
    intervals = {"auroc": (np.nan, np.nan), "f1": (0.4, 0.6)}
    names = {"task": "t", "run": "r", "fold": 0, "split": "test"}
    NetworkMetrics(metrics={"auroc": np.nan, "f1": 0.5}, intervals=intervals, **names).write(tmp_path / "m.json")
    assert '"auroc": null' in (tmp_path / "m.json").read_text()
    read = NetworkMetrics.read(tmp_path / "m.json")
    assert (read.task, read.metrics["f1"], read.intervals["f1"]) == ("t", 0.5, (0.4, 0.6))
    assert np.isnan([read.metrics["auroc"], *read.intervals["auroc"]]).all()


def test_fold_without_a_metric_is_left_out_of_its_mean():
    about = {"task": "t", "run": "0a1b2c3d", "split": "test"}
    values = enumerate([0.5, np.nan, 0.75])
    results = [NetworkMetrics(fold=fold, metrics={"auroc": value}, **about) for fold, value in values]
    targets = [np.arange(4) % 2, np.zeros(4, int), np.arange(4) % 2]
    logits = np.array([[2, 1], [1, 2], [0, 3], [3, 0]], "f")
    resampled = [evaluate_resampled(Predictions(logits, labels, np.arange(4)), ["auroc"], 100) for labels in targets]
    (row,) = summarize(results, resampled, {}).to_dict("records")
    assert row["mean"] == pytest.approx(np.mean([resampled[fold].values[0] for fold in (0, 2)]))
