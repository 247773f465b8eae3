"""Tasks in the report: a table, samples, class histograms."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mml_lib.reports.canvas import shorten
from mml_lib.reports.task_figures import choose, draw_classes, draw_overview, draw_samples
from mml_lib.reports.task_table import as_text, task_table
from mml_lib.task_types import TASK_TYPES
from tests.support.described_tasks import task_of


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


# --- pictures -----------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_samples_and_classes_are_drawn(tmp_path: Path, task_type: str):
    task, dataset = task_of(tmp_path, task_type)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph, a layout that does not fit
        draw_samples(task, dataset, tmp_path / "samples.png")
        draw_classes(task, tmp_path / "classes.png")
    grid = pixels(tmp_path / "samples.png")
    grey = (grid == 128).all(axis=2)
    assert grid.shape[1] > 1000
    assert (grey.sum(axis=0) > 0).mean() > 0.5  # images from left to right
    assert (pixels(tmp_path / "classes.png") < 50).any()


def test_masks_are_outlined_in_black_and_white(tmp_path: Path):
    (with_masks, dataset), (without, _) = (task_of(tmp_path, kind) for kind in ("semantic_segmentation", "no_task"))
    draw_overview([with_masks], [dataset], tmp_path / "masks.png")
    draw_overview([without], [dataset], tmp_path / "plain.png")
    grids = [pixels(tmp_path / name)[60:] for name in ("masks.png", "plain.png")]  # below the name
    dark = [int((grid.max(axis=2) < 60).sum()) for grid in grids]
    assert dark[0] > 100 > dark[1]
    assert all((np.ptp(grid.astype(int), axis=2) == 0).all() for grid in grids)


def test_overview_has_a_row_for_each_task(tmp_path: Path):
    pairs = [task_of(tmp_path, kind, count=8) for kind in TASK_TYPES]
    draw_overview(*zip(*pairs, strict=True), tmp_path / "all.png")
    draw_overview(*zip(*pairs[:2], strict=True), tmp_path / "two.png")
    assert pixels(tmp_path / "all.png").shape[0] > 2 * pixels(tmp_path / "two.png").shape[0]


def test_pictures_depend_on_the_task_alone(tmp_path: Path):
    task, dataset = task_of(tmp_path, "classification", count=10)
    for name in ("a.png", "b.png"):
        draw_samples(task, dataset, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_values_that_are_equal_or_far_off_are_drawn(tmp_path: Path):
    draw_classes(task_of(tmp_path, "regression", value=0.1)[0], tmp_path / "equal.png")
    task, _ = task_of(tmp_path, "regression")
    draw_classes(task, tmp_path / "near.png")
    task.targets.values[0] = 1e15
    draw_classes(task, tmp_path / "far.png")
    assert all((pixels(tmp_path / name) == 153).any() for name in ("equal.png", "near.png", "far.png"))  # grey bars


def test_many_classes_stay_readable(tmp_path: Path):
    task, _ = task_of(tmp_path, "classification", count=70, classes=[f"class {number}" for number in range(70)])
    draw_classes(task, tmp_path / "many.png")
    height = pixels(tmp_path / "many.png").shape[0]
    assert 1200 < height < 2000  # 60 bars of 26 pixels


def test_samples_are_drawn_from_all_classes_and_in_order(tmp_path: Path):
    task, _ = task_of(tmp_path, "classification")
    chosen = task.targets.values[choose(task, 8)]
    assert np.bincount(chosen).tolist() == [2, 2, 2, 2]
    task, _ = task_of(tmp_path, "regression")
    values = task.targets.values[choose(task, 12)]
    assert values.tolist() == sorted(values)


@pytest.mark.parametrize(
    ("text", "short"),
    [("a b", "a b"), ("one\ntwo", "one two"), ("x" * 12, "x" * 9 + "…"), ("12345678 0123", "12345678…")],
)
def test_long_names_lose_their_end(text: str, short: str):
    assert shorten(text, 10) == short


# --- table --------------------------------------------------------------------------------------------------------


def test_table_has_a_row_for_each_task(tmp_path: Path):
    table = task_table([task_of(tmp_path, kind)[0].header for kind in TASK_TYPES]).set_index("task")
    assert table["samples"].tolist() == [30] * len(TASK_TYPES)
    assert table.loc["classification", ["train", "test", "unlabelled", "folds", "classes"]].tolist() == [18, 6, 6, 2, 4]
    assert table.loc["no_task", "unlabelled"] == 30
    assert (table["height"] == "1-60").all()
    assert table["imbalance_ratio"].isna().tolist() == [kind in ("regression", "no_task") for kind in TASK_TYPES]


def test_table_for_the_terminal_has_no_holes(tmp_path: Path):
    text = as_text(task_table([task_of(tmp_path, kind)[0].header for kind in ("classification", "no_task")]))
    assert "NaN" not in text
    assert len(text.splitlines()) == 3
    assert max(map(len, text.splitlines())) < 180
