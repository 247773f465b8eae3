"""Unknown targets beside tables: pixels of masks, and folders of classes and values."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.creators.creator_registry import CREATORS, create
from mml_lib.tasks.mask_classes import check_masks
from mml_lib.tasks.targets import Targets
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.image_folders import images_of, sample_fields
from tests.support.plans import check_plan, deliver

LESION = {0: "background", 1: "lesion"}
COLORS = {"background": [[0, 0, 0]], "lesion": [[255, 0, 0]]}


def task_with(root: Path, masks: list[list[list[Any]]], **keys: Any) -> Task:
    """Return a segmentation with masks of 2×2 pixels each."""
    for number, mask in enumerate(masks):
        for folder, values in (("images", [[number, 9], [9, 9]]), ("masks", mask)):
            (root / folder).mkdir(exist_ok=True)
            Image.fromarray(np.array(values, np.uint8)).save(root / folder / f"{number}.png")
    return Task(creator="image_folder", path=str(root / "images"), masks=str(root / "masks"), **keys)


def pixels(task: Task, folder: Path) -> tuple[list[str], list[list[int]], list[str]]:
    """Return classes, pixels of each in each mask, and warnings of a task."""
    identity = TaskIdentity.of("t", task)
    dataset = survey_images(create(task.creator, CREATORS[task.creator].arguments(task), folder), "d", folder, 1)
    named = (identity.idx_to_class, "t", identity.colors)
    targets = Targets.of(dataset, *named)
    return targets.classes, targets.values.tolist(), check_masks(dataset, *named)


MASKS = [[[0, 1], [7, 255]], [[1, 1], [0, 7]]]


@pytest.mark.parametrize("idx_to_class", [None, LESION])
def test_unknown_values_belong_to_no_class(tmp_path: Path, idx_to_class: dict[int, str] | None):
    task = task_with(tmp_path, MASKS, unknown=[255, 7], idx_to_class=idx_to_class)
    classes, values, _ = pixels(task, tmp_path)
    assert classes == [["background", "foreground"], list(LESION.values())][idx_to_class is not None]
    assert values == [[1, 1], [1, 2]]


def test_unknown_values_make_the_task_of_those_named_ignore(tmp_path: Path):
    by_unknown = task_with(tmp_path, MASKS, unknown=[255, 7], idx_to_class=LESION)
    by_name = task_with(tmp_path, MASKS, idx_to_class={**LESION, 7: "ignore", 255: "ignore"})
    assert TaskIdentity.of("t", by_unknown).id == TaskIdentity.of("t", by_name).id
    assert TaskIdentity.of("t", by_unknown).classes == ("background", "lesion")


def test_unknown_colours_belong_to_no_class(tmp_path: Path):
    red, black, grey = [255, 0, 0], [0, 0, 0], [224, 224, 192]
    masks = [[[red, black], [grey, grey]], [[red, black], [black, black]]]
    task = task_with(tmp_path, masks, unknown=[grey], colors=COLORS)
    assert pixels(task, tmp_path)[:2] == (["background", "lesion"], [[1, 1], [3, 1]])
    by_name = task_with(tmp_path, masks, colors={**COLORS, "ignore": [grey]})
    assert TaskIdentity.of("t", task).id == TaskIdentity.of("t", by_name).id


def test_unknown_values_that_no_mask_has_are_named(tmp_path: Path):
    task = task_with(tmp_path, MASKS, unknown=[255, 7, 9], idx_to_class=LESION)
    assert [line for line in pixels(task, tmp_path)[2] if "no mask has the value 9, which is to be ignored" in line]


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"unknown": [1], "idx_to_class": LESION}, "unknown: the mask value 1 has the class 'lesion' in idx_to_class"),
        ({"unknown": [300]}, "unknown: 300 is not a mask value; write numbers from 0 to 255"),
        ({"unknown": [7.5]}, "unknown: 7.5 is not a mask value"),
        ({"unknown": [7], "colors": COLORS}, r"unknown: the masks are read by colour, so write colours in place of 7"),
        ({"unknown": [[9, 9, 9]]}, r"unknown: \[9, 9, 9\] is a colour, .*write colors: \{background"),
        ({"unknown": [[9, 9]], "colors": COLORS}, r"unknown: \[9, 9\] is not a colour; write \[red, green, blue\]"),
        ({"unknown": [[255, 0, 0]], "colors": COLORS}, r"unknown: \[255, 0, 0\] is the colour of 'lesion' in colors"),
    ],
)
def test_unknown_pixels_with_two_meanings_are_refused(tmp_path: Path, keys: dict[str, Any], why: str):
    with pytest.raises(MMLError, match=f"^tasks.t.{why}"):
        TaskIdentity.of("t", task_with(tmp_path, MASKS, **keys))


# --- folders ------------------------------------------------------------------------------------------------------


def test_images_of_unknown_folders_are_unlabelled(tmp_path: Path):
    root = images_of(tmp_path, "a/1.png", "b/2.png", "Unsure/3.png")
    delivery = deliver("image_folder", root, unknown=["unsure"])
    assert sorted(sample_fields(delivery, "id", "label", "split")) == [
        ("Unsure/3.png", None, "unlabelled"),
        ("a/1.png", "a", None),
        ("b/2.png", "b", None),
    ]
    assert delivery.classes == ["a", "b"]


def test_images_of_unknown_values_are_unlabelled(tmp_path: Path):
    root = images_of(tmp_path, "3/1.png", "-1/2.png", "4.5/3.png")
    delivery = deliver("image_folder", root, unknown=[-1], task_type="regression")
    assert sorted(sample_fields(delivery, "split", "label"), key=str) == [
        ("unlabelled", None),
        (None, 3.0),
        (None, 4.5),
    ]


def test_tasks_with_unknown_folders_turn_out_as_planned(tmp_path: Path):
    root = images_of(tmp_path, *(f"{name}/{number}.png" for name in ("a", "b", "x") for number in range(8)))
    plain = Task(creator="image_folder", path=str(root), folds=2)
    task = Task(creator="image_folder", path=str(root), folds=2, unknown=["x"])
    check_plan(task, tmp_path)
    identity = TaskIdentity.of("t", task)
    assert identity.has_unlabelled
    assert identity.classes == ("a", "b")
    assert identity.id != TaskIdentity.of("t", plain).id


def test_a_class_cannot_be_read_and_unknown(tmp_path: Path):
    with pytest.raises(MMLError, match="unknown: 'a' is one of classes too"):
        deliver("image_folder", images_of(tmp_path, "a/1.png", "b/2.png"), classes=["a", "b"], unknown=["a"])
