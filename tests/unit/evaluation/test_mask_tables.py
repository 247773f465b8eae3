"""Tables of masks: each class with its interval, each image, at the packed and the original size."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mml_lib.evaluation.evaluation import evaluate, evaluate_resampled, network_intervals
from mml_lib.evaluation.mask_tables import ORIGINAL, MeasuredMasks, class_metrics, image_metrics
from mml_lib.images.restoring import at_original_size, original_masks, restore
from mml_lib.images.transforms import apply, is_restorable
from mml_lib.metrics.surfaces import MaskPair
from mml_lib.predictions.predictions import MaskPredictions
from mml_lib.task_types import IGNORE
from mml_lib.tasks.dataset import Dataset, Delivery, Sample

CLASSES = ["background", "lesion", "vessel"]
METRICS = ["dice", "precision", "hausdorff95", "pixel_accuracy"]


def drawn(images: int = 12) -> MaskPredictions:
    rng = np.random.default_rng(0)
    targets = [np.kron(rng.integers(0, 3, (3, 4)), np.ones((3, 3))).astype(np.uint8) for _ in range(images)]
    masks = [
        np.where(rng.random(target.shape) < 0.2, rng.integers(0, 3), target).astype(np.uint8) for target in targets
    ]
    targets[0][:2] = IGNORE
    targets[1][:] = masks[1][:] = 0
    return MaskPredictions.of(masks, targets, np.array([f"s{row}" for row in range(images)]), 3)


def measured(predictions: MaskPredictions, metrics: Sequence[str] = METRICS, suffix: str = "") -> MeasuredMasks:
    return MeasuredMasks.of(
        (MaskPair(*pair) for pair in predictions.images()), predictions.ids, predictions.classes, metrics, suffix
    )


def against_rest(predictions: MaskPredictions, index: int) -> MaskPredictions:
    """Return the masks of one class, 1, and all others, 0."""
    masks = [mask == index for mask, _ in predictions.images()]
    targets = [np.where(target == IGNORE, IGNORE, target == index) for _, target in predictions.images()]
    return MaskPredictions.of(
        *([mask.astype(np.uint8) for mask in side] for side in (masks, targets)), predictions.ids, 2
    )


def test_foreground_of_the_class_table_has_values_and_intervals_of_the_metrics():
    predictions = drawn()
    table = class_metrics([measured(predictions)], CLASSES, METRICS, 200)
    table = table[table["class"] == ""].set_index("metric")
    names = ["dice", "iou", "pooled_dice", "pooled_iou", "precision", "hausdorff95", "pixel_accuracy"]
    assert list(table.index) == names
    assert table["value"].to_dict() == pytest.approx(evaluate(predictions, names))
    intervals = network_intervals(evaluate_resampled(predictions, names, 200))
    assert table[["ci_low", "ci_high"]].itertuples(index=False, name=None).__next__() == pytest.approx(
        intervals["dice"]
    )
    assert table.loc["dice", "images"] == len(predictions.ids) - 1, "one shows no foreground"


def test_each_class_is_measured_against_the_rest():
    predictions = drawn()
    table = class_metrics([measured(predictions)], CLASSES, [*METRICS, "specificity"], 100).set_index(
        ["class", "metric"]
    )
    for index, label in enumerate(CLASSES):
        names = ["dice", "pooled_iou", "precision", "specificity", "hausdorff95", "pixel_accuracy"]
        assert table.loc[label]["value"][names].to_dict() == pytest.approx(
            evaluate(against_rest(predictions, index), names)
        )
        assert (table.loc[label]["reason"] == "").all()
        assert (table.loc[label]["ci_low"] < table.loc[label]["value"] + 1e-9).all()


def test_whole_groups_are_resampled():
    predictions = drawn()
    groups = {id_: f"p{row // 4}" for row, id_ in enumerate(predictions.ids.tolist())}
    alone, grouped = (
        class_metrics([measured(predictions)], CLASSES, [], 200, units).set_index(["class", "metric"]).loc[("", "dice")]
        for units in (None, groups)
    )
    assert alone["value"] == grouped["value"]
    assert alone["ci_high"] - alone["ci_low"] != pytest.approx(grouped["ci_high"] - grouped["ci_low"])


def test_mean_over_images_of_the_image_table_is_the_metric():
    predictions = drawn()
    table = image_metrics([measured(predictions)], CLASSES, METRICS, {"s0": "p0"})
    assert table["id"].tolist() == [id_ for id_ in predictions.ids.tolist() for _ in range(4)]
    assert table["class"].tolist() == ["", *CLASSES] * len(predictions.ids)
    assert set(table["group"]) == {"p0", ""}
    whole = table[table["class"] == ""]
    for name in ("dice", "iou", "precision", "hausdorff95"):
        assert whole[name].mean() == pytest.approx(evaluate(predictions, [name])[name])
    assert np.isnan(whole[whole["id"] == "s1"]["dice"]).all(), "an image without foreground has no Dice"
    assert "pooled_dice" not in table
    first = table[table["id"] == "s0"].set_index("class")
    (mask, target), *_ = predictions.images()
    assert first.loc["lesion", "target_pixels"] == (target == 1).sum()
    assert first.loc["", "predicted_pixels"] == ((mask > 0) & (target != IGNORE)).sum()


# --- original sizes -----------------------------------------------------------------------------------------------


def spec(name: str, **arguments) -> dict:
    return {"name": name, **arguments}


@pytest.mark.parametrize(
    "transforms",
    [
        [],
        [spec("resize", size=[60, 80])],
        [spec("pad_to_square"), spec("resize", size=[80, 80])],
        [spec("resize_smallest", size=45), spec("center_crop", size=[80, 80])],
        [spec("clahe"), spec("pad_to_square"), spec("resize_smallest", size=40)],
        [spec("resize_longest", size=80, enlarge=True), spec("pad_to_square")],
        [spec("resize_longest", size=21)],
    ],
)
def test_mask_that_lost_nothing_is_restored(transforms: list):
    mask = np.random.default_rng(1).integers(0, 4, (15, 20)).astype(np.uint8)
    _, packed = apply(transforms, np.zeros((15, 20, 3), np.uint8), mask)
    assert np.array_equal(restore(packed, transforms, mask.shape), mask)


def test_what_a_crop_cut_away_is_background():
    mask = np.ones((10, 16), np.uint8)
    transforms = [spec("center_crop", size=[10, 10])]
    _, packed = apply(transforms, np.zeros((10, 16, 3), np.uint8), mask)
    restored = restore(packed, transforms, mask.shape)
    assert restored[:, 3:13].all()
    assert not restored[:, :3].any()
    assert not restored[:, 13:].any()


def test_shrunken_mask_is_restored_to_within_a_pixel_of_the_small_one():
    rows, columns = np.ogrid[:96, :128]
    mask = ((rows - 40) ** 2 + (columns - 70) ** 2 < 900).astype(np.uint8)
    transforms = [spec("pad_to_square"), spec("resize", size=[64, 64])]
    _, packed = apply(transforms, np.zeros((96, 128, 3), np.uint8), mask)
    restored = restore(packed, transforms, mask.shape)
    assert 2 * (restored & mask).sum() / (restored.sum() + mask.sum()) > 0.97


def test_transforms_of_ones_own_move_pixels_somewhere():
    assert is_restorable([spec("clahe"), spec("resize", size=[8, 8])])
    assert not is_restorable([{"_target_": "my.transform"}])


def test_original_masks_are_those_delivered(tmp_path: Path):
    true = np.zeros((20, 30), np.uint8)
    true[5:12, 6:20] = 200
    true[0] = 7
    Image.fromarray(true).save(tmp_path / "mask.png")
    samples = [Sample("a", "a.png", mask="mask.png")]
    dataset = Dataset("d", Delivery(samples, [], "semantic_segmentation"), [(20, 30)], tmp_path)
    lookup = np.full(256, IGNORE)
    lookup[[0, 200]] = 0, 1
    predicted = np.zeros((10, 15), np.uint8)
    predicted[3:6, 3:10] = 1
    predictions = MaskPredictions.of([predicted], [predicted], np.array(["a"]), 2)
    transforms = [spec("resize", size=[10, 15])]
    (pair,) = original_masks(predictions.images(), [0], dataset, lookup, transforms)
    restored = at_original_size(predictions, {"b": 1, "a": 0}, dataset, lookup, transforms)
    assert restored.sizes.tolist() == [[20, 30]]
    assert np.array_equal(restored.masks, pair.predicted.ravel())
    assert np.array_equal(restored.targets, pair.target.ravel())
    assert np.array_equal(pair.target, lookup[true])
    assert pair.predicted.sum() == 4 * predicted.sum()
    original = measured(MaskPredictions.of([pair.predicted], [pair.target], predictions.ids, 2), suffix=ORIGINAL)
    table = class_metrics([measured(predictions), original], CLASSES[:2], METRICS, 0).set_index(["class", "metric"])
    assert table.loc[("", "dice"), "value"] == 1
    assert table.loc[("", "dice_original"), "value"] == pytest.approx(2 * 6 * 14 / (6 * 14 + 7 * 14))
    assert table.loc[("", "hausdorff95"), "value"] == 0
    assert table.loc[("", "hausdorff95_original"), "value"] == 1, "rows 6 to 11 of rows 5 to 11"
    assert table.loc[("", "dice"), "reason"] == "no resamples (bootstrap: 0)"
