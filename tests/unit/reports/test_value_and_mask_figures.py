"""Figures of values and of masks: what is written in them, and what they show."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.evaluation.subgroups import class_table, largest_losses
from mml_lib.predictions.predictions import MaskPredictions
from mml_lib.reports.mask_figures import DETAIL, draw_overlap, draw_worst_masks, worst_part
from mml_lib.reports.value_figures import draw_values
from mml_lib.task_types import IGNORE
from tests.support.drawings import drawn, texts


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("number", [1, 2, 300, 20_000])
def test_values_are_drawn_over_true_ones_with_what_is_left_over(tmp_path: Path, number: int):
    rng = np.random.default_rng(0)
    targets = rng.normal(100, 20, number)
    values = targets + 1 + 0 * targets
    labels = texts(drawn(tmp_path, draw_values, values, targets))
    assert {"true value", "predicted value", "residual (predicted − true)", "predicted = true", "mean +1"} <= set(
        labels
    )
    explained = "" if number == 1 else f", R² {1 - 1 / targets.var():.3f}"
    assert f"{number:,} predictions: MAE 1, RMSE 1{explained}" in labels
    assert ("predictions" in labels) == (number == 20_000), "the bar of what hexagons count"


def test_constant_values_are_drawn(tmp_path: Path):
    for values in (np.zeros(50), np.arange(50)):
        labels = texts(drawn(tmp_path, draw_values, values, np.zeros(50)))
        assert not [text for text in labels if "R²" in text or "nan" in text]
    with pytest.raises(MMLError, match="no values to draw"):
        draw_values(np.zeros(0), np.zeros(0), tmp_path / "none.svg")


CLASSES = ["background", "Nävus ✓ $x$", "absent"]


def masks() -> MaskPredictions:
    """Return two images: the first half wrong, the second right but for ignored pixels."""
    targets = [np.zeros((8, 10), np.uint8), np.ones((6, 6), np.uint8)]
    targets[1][0] = 255
    predicted = [np.zeros((8, 10), np.uint8), np.ones((6, 6), np.uint8)]
    predicted[0][:4] = 1
    return MaskPredictions.of(predicted, targets, np.array(["half", "right"]), 3)


def test_overlap_is_told_for_each_class(tmp_path: Path):
    table = class_table(masks(), CLASSES)
    labels = texts(drawn(tmp_path, draw_overlap, table))
    background, naevus = 2 * 40 / 120, (0 + 1) / 2
    assert {f"{background:.3f}", f"{naevus:.3f}"} <= set(labels)
    assert {"background (80)", "Nävus ✓ $x$ (30)", "absent (0), in no mask", "class (true pixels)"} <= set(labels)
    assert "mean over the images in which a class is true or predicted" in labels
    many = pd.concat([table] * 30, ignore_index=True)
    labels = texts(drawn(tmp_path, draw_overlap, many))
    assert labels.count("Nävus ✓ $x$ (30)") == 30, "the worst ones"
    assert "20 better ones are left out" in labels
    with pytest.raises(MMLError, match="no class is in any of the masks"):
        draw_overlap(table.iloc[2:], tmp_path / "none.svg")


def test_worst_masks_are_drawn_beside_true_ones(tmp_path: Path):
    predictions = masks()
    worst = largest_losses(predictions, CLASSES, 2)
    assert worst["id"].tolist() == ["half", "right"]
    pairs = [list(predictions.images())[number] for number in worst.index]
    images = [np.full((*mask.shape, 3), 200, np.uint8) for mask, _ in pairs]
    labels = texts(drawn(tmp_path, draw_worst_masks, worst, images, pairs, CLASSES))
    assert {"half", "1 − Dice 1", "true", "predicted", "background", "Nävus ✓ $x$", "ignored"} <= set(labels)
    assert "absent" not in labels
    draw_worst_masks(worst, images, pairs, CLASSES, tmp_path / "masks.jpg")
    colours = np.asarray(Image.open(tmp_path / "masks.jpg").convert("L"))
    assert {*range(20, 60)} & {*colours[:, : colours.shape[1] // 2].ravel().tolist()}, "the dark background"
    with pytest.raises(MMLError, match="no masks with a loss"):
        draw_worst_masks(worst[:0], [], [], CLASSES, tmp_path / "none.jpg")


def test_the_part_of_a_large_image_with_most_errors_is_drawn():
    mask, target = np.zeros((2, 900, 1500), np.uint8)
    assert worst_part(mask[:40, :50], target[:40, :50]) == (slice(0, 40), slice(0, 50))
    mask[100, 10:20] = 1
    mask[700:705, 1000:1005] = 1
    target[710:720, 1010:1020] = 1
    target[0, :] = IGNORE
    rows, columns = worst_part(mask, target)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (DETAIL, DETAIL)
    assert rows.start <= 700 < 720 <= rows.stop <= 900
    assert columns.start <= 1000 < 1020 <= columns.stop <= 1500
