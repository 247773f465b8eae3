"""Parts of a mean: classes, groups, and the samples with the largest loss."""

import numpy as np
import pytest

from mml_lib.config.metric_options import NAMED
from mml_lib.errors import MMLError
from mml_lib.evaluation.evaluation import evaluate, evaluate_resampled, network_intervals
from mml_lib.evaluation.subgroups import class_table, group_table, largest_losses, sample_losses
from mml_lib.predictions.predictions import MaskPredictions, Predictions
from mml_lib.predictions.scores import score_arguments
from mml_lib.task_types import IGNORE

CLASSES = ["naevus", "melanoma", "rare"]
KINDS = [kind for kind, names in NAMED.items() if names]


def ids(count: int) -> np.ndarray:
    return np.array([f"s{number}" for number in range(count)])


def classification(count: int = 60, absent: int | None = None) -> Predictions:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, count)
    targets[targets == absent] = 0
    return Predictions((np.eye(3)[targets] + rng.normal(size=(count, 3))).astype("f"), targets, ids(count))


def of_type(kind: str, count: int = 60) -> Predictions | MaskPredictions:
    rng = np.random.default_rng(1)
    if kind == "classification":
        return classification(count)
    if kind == "regression":
        values = rng.normal(size=count)
        return Predictions((values + rng.normal(size=count)).astype("f")[:, None], values, ids(count), kind)
    if kind == "multilabel_classification":
        labels = (rng.random((count, 3)) < 0.5).astype("f")
        return Predictions((labels + rng.normal(size=labels.shape)).astype("f"), labels, ids(count), kind)
    masks, targets = rng.integers(0, 3, (2, count, 4, 4)).astype(np.uint8)
    return MaskPredictions.of(list(masks), list(targets), ids(count), 3)


# --- classes ------------------------------------------------------------------------------------------------------


def test_classes_have_what_scikit_learn_says_of_them():
    from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

    predictions = classification()
    table = class_table(predictions, CLASSES)
    assert table["class"].tolist() == CLASSES
    expected = precision_recall_fscore_support(predictions.targets, predictions.logits.argmax(axis=1))
    for column, values in zip(["precision", "recall", "f1", "support"], expected, strict=True):
        assert table[column].to_numpy() == pytest.approx(values)
    probabilities, _ = score_arguments("classification", predictions.logits, predictions.targets)
    areas = [roc_auc_score(predictions.targets == index, probabilities[:, index]) for index in range(3)]
    assert table["auroc"].to_numpy() == pytest.approx(areas)


def test_labels_have_what_scikit_learn_says_of_them():
    from sklearn.metrics import average_precision_score, precision_recall_fscore_support

    predictions = of_type("multilabel_classification")
    table = class_table(predictions, CLASSES)
    expected = precision_recall_fscore_support(predictions.targets > 0.5, predictions.logits > 0)
    for column, values in zip(["precision", "recall", "f1", "support"], expected, strict=True):
        assert table[column].to_numpy() == pytest.approx(values)
    precisions = [
        average_precision_score(predictions.targets[:, index], predictions.logits[:, index]) for index in range(3)
    ]
    assert table["average_precision"].to_numpy() == pytest.approx(precisions)


def test_classes_of_masks_have_means_over_images_and_pooled_values():
    true = [np.array([row], np.uint8) for row in ([0, 0, 1, IGNORE], [1, 1, 1, 1])]
    masks = [np.array([row], np.uint8) for row in ([0, 1, 1, 2], [1, 1, 1, 0])]
    table = class_table(MaskPredictions.of(masks, true, ids(2), 3), CLASSES).set_index("class")
    columns = ["support", "images", "recall", "precision", "dice", "iou", "pooled_dice", "pooled_iou"]
    assert list(table.columns) == columns
    assert table.loc["naevus"].tolist() == pytest.approx([2, 2, 1 / 2, 1 / 2, 1 / 3, 1 / 4, 1 / 2, 1 / 3])
    means = [(1 + 3 / 4) / 2, (1 / 2 + 1) / 2, (2 / 3 + 6 / 7) / 2, (1 / 2 + 3 / 4) / 2]
    assert table.loc["melanoma"].tolist() == pytest.approx([5, 2, *means, 4 / 5, 2 / 3])
    assert table.loc["rare"].isna().tolist() == [False, False, *[True] * 6]


@pytest.mark.parametrize("metric", ["f1", "recall", "precision", "specificity", "auroc", "average_precision"])
@pytest.mark.parametrize("kind", ["classification", "multilabel_classification"])
def test_mean_over_classes_is_the_metric(kind: str, metric: str):
    predictions = of_type(kind)
    assert class_table(predictions, CLASSES)[metric].mean() == pytest.approx(evaluate(predictions, [metric])[metric])


def test_mean_over_foreground_classes_is_the_pooled_metric():
    predictions = of_type("semantic_segmentation")
    for metric in ("pooled_dice", "pooled_iou"):
        assert class_table(predictions, CLASSES)[metric][1:].mean() == pytest.approx(
            evaluate(predictions, [metric])[metric]
        )


@pytest.mark.filterwarnings("error")
def test_absent_class_is_a_row_without_numbers():
    row = class_table(classification(absent=2), CLASSES).set_index("class").loc["rare"]
    assert row["support"] == 0
    assert np.isnan([row["recall"], row["auroc"]]).all()
    assert row["precision"] == 0  # it was predicted


# --- groups -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_groups_have_every_metric_of_their_samples(kind: str):
    predictions = of_type(kind)
    values = {id_: "ab"[number % 2] for number, id_ in enumerate(predictions.ids)}
    table = group_table(predictions, {"site": values}, NAMED[kind], 20)
    assert list(table["metric"]) == [*NAMED[kind]] * 2
    assert set(table["samples"]) == {30}
    assert table[["value", "ci_low", "ci_high"]].notna().all(axis=None)
    if not isinstance(predictions, MaskPredictions):
        rows = np.arange(0, 60, 2)
        own = Predictions(predictions.logits[rows], predictions.targets[rows], predictions.ids[rows], kind)
        expected = evaluate(own, NAMED[kind])
        group_rows = table[table["group"] == "a"].set_index("metric")
        assert group_rows["value"].to_dict() == pytest.approx(expected)
        intervals = network_intervals(evaluate_resampled(own, NAMED[kind], 20))
        assert [*group_rows[["ci_low", "ci_high"]].itertuples(index=False, name=None)] == [*intervals.values()]


@pytest.mark.filterwarnings("error")
def test_groups_that_define_no_metric_have_none():
    predictions = classification()
    values = dict.fromkeys(predictions.ids.tolist(), "many")
    values |= {"s0": "single"} | dict.fromkeys(predictions.ids[predictions.targets == 1].tolist(), "one class")
    table = group_table(predictions, {"site": values}, ["auroc", "accuracy"], 20).set_index(["group", "metric"])
    assert np.isnan(table.loc[("one class", "auroc"), "value"])
    assert table.loc[("one class", "accuracy"), "ci_low"] >= 0
    assert table.loc[("single", "accuracy"), "value"] in (0, 1)
    assert table.loc[("single", "accuracy"), ["ci_low", "ci_high"]].isna().all()


def test_samples_without_a_value_are_in_no_group():
    predictions = classification()
    values = dict.fromkeys(predictions.ids.tolist(), "a") | {"s0": None, "s1": "", "s2": float("nan"), "s3": 7}
    table = group_table(predictions, {"site": values, "none": dict.fromkeys(values)}, ["accuracy"], 0)
    assert table[["column", "group", "samples"]].to_numpy().tolist() == [["site", "7", 1], ["site", "a", 56]]


@pytest.mark.filterwarnings("error")
def test_group_whose_every_pixel_is_ignored_has_no_metric():
    masks, ignored = np.ones((2, 2), np.uint8), np.full((2, 2), IGNORE, np.uint8)
    predictions = MaskPredictions.of([masks, masks], [masks, ignored], ids(2), 3)
    table = group_table(predictions, {"site": {"s0": "a", "s1": "b"}}, ["dice"], 10)
    assert table["value"].tolist() == pytest.approx([1, np.nan], nan_ok=True)


# --- single samples -----------------------------------------------------------------------------------------------


def test_losses_are_those_of_training():
    from torch import from_numpy
    from torch.nn import functional

    predictions, labels = classification(), of_type("multilabel_classification")
    expected = functional.cross_entropy(
        from_numpy(predictions.logits), from_numpy(predictions.targets), reduction="none"
    )
    assert sample_losses(predictions) == pytest.approx(expected.numpy(), rel=1e-5)
    pair = from_numpy(labels.logits), from_numpy(labels.targets)
    expected = functional.binary_cross_entropy_with_logits(*pair, reduction="none").mean(dim=1)
    assert sample_losses(labels) == pytest.approx(expected.numpy(), rel=1e-5)
    values = Predictions(np.array([[1], [3]], "f"), np.array([1.0, 1.0]), ids(2), "regression")
    assert sample_losses(values).tolist() == [0, 4]


def test_samples_with_the_largest_loss_are_told_in_words():
    logits = np.log(np.array([[0.98, 0.01, 0.01], [0.2, 0.7, 0.1], [0.9, 0.08, 0.02]], "f"))
    table = largest_losses(Predictions(logits, np.array([0, 0, 2]), ids(3)), CLASSES, 2)
    assert table["id"].tolist() == ["s2", "s1"]
    assert table["loss"].tolist() == pytest.approx([-np.log(0.02), -np.log(0.2)], rel=1e-5)
    assert table["true"].tolist() == ["rare", "naevus"]
    assert table["predicted"].tolist() == ["naevus", "melanoma"]
    assert table["probability"].tolist() == pytest.approx([0.9, 0.7])


def test_labels_masks_and_values_are_told_in_words_too():
    labels = Predictions(np.array([[9, 9, -9], [-9, -9, -9]], "f"), np.array([[0, 0, 1], [0, 0, 0]], "f"), ids(2))
    labels = Predictions(labels.logits, labels.targets, labels.ids, "multilabel_classification")
    assert largest_losses(labels, CLASSES, 2)[["true", "predicted"]].to_numpy().tolist() == [
        ["rare", "naevus|melanoma"],
        ["none", "none"],
    ]
    true, predicted, ignored = np.array([[0, 1]]), np.array([[0, 0]]), np.array([[IGNORE, IGNORE]])
    masks = MaskPredictions.of([predicted, predicted, true], [true, ignored, true], ids(3), 3)
    table = largest_losses(masks, CLASSES, 5)
    assert table["id"].tolist() == ["s0", "s2"]  # nothing is wrong where all is ignored
    assert table["loss"].tolist() == pytest.approx([1, 0])
    assert table.loc[0, ["true", "predicted"]].tolist() == ["naevus|melanoma", "naevus"]
    values = Predictions(np.array([[1], [3.25]], "f"), np.array([1.0, 1.0]), ids(2), "regression")
    assert largest_losses(values, [], 1)[["true", "predicted"]].to_numpy().tolist() == [["1", "3.25"]]


# --- bad input ----------------------------------------------------------------------------------------------------


def test_what_cannot_be_reported_is_refused():
    good = classification()
    with pytest.raises(MMLError, match="run x is a regression, which has no classes"):
        class_table(of_type("regression"), [], "run x")
    with pytest.raises(MMLError, match="run x has 3 outputs for 2 classes"):
        class_table(good, CLASSES[:2], "run x")
    with pytest.raises(MMLError, match=r"run x: .*'site' .*'s1'"):
        group_table(good, {"site": {"s0": "a"}}, ["accuracy"], 0, where="run x")
    exploded = Predictions(np.full_like(good.logits, np.nan), good.targets, good.ids)
    for report in (
        lambda: class_table(exploded, CLASSES, "run x"),
        lambda: group_table(exploded, {}, ["accuracy"], 0, where="run x"),
        lambda: largest_losses(exploded, CLASSES, 1, "run x"),
    ):
        with pytest.raises(MMLError, match=r"run x .*not finite, .*'s0'"):
            report()
