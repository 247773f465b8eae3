"""Masks by colour: classes that are named by the colours of their pixels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mml_lib.config.schema import Task
from mml_lib.errors import MMLError
from mml_lib.images.mask_files import decode_mask
from mml_lib.images.packing import MASKS, pack
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Dataset
from mml_lib.tasks.mask_classes import check_masks
from mml_lib.tasks.targets import Targets
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.mask_surveys import BLACK, COLORS, GREEN, LESION, MASK, RED, WHITE, colored, paletted, pixels, shape

# --- colours ----------------------------------------------------------------------------------------------------

SEEN = {
    "three channels": [colored(shape(n), BLACK, RED) for n in range(3)],
    "with alpha": [colored(shape(n), [*BLACK, 255], [*RED, 255]) for n in range(3)],
    "on nothing": [colored(shape(n), [7, 7, 7, 0], [*RED, 255]) for n in range(3)],
    "palette on nothing": [paletted(shape(n), WHITE, RED, transparency=0) for n in range(3)],
    "palette": [paletted(shape(n), BLACK, RED) for n in range(3)],
    "palettes in another order": [
        paletted(shape(0), BLACK, RED),
        paletted(1 - shape(1), RED, BLACK),
        paletted(shape(2), BLACK, RED),
    ],
    "of all kinds": [
        colored(shape(0), BLACK, RED),
        paletted(shape(1), BLACK, RED),
        colored(shape(2), [*BLACK, 255], [*RED, 255]),
    ],
    "one without": [colored(shape(0), BLACK, RED), colored(shape(1), BLACK, RED), colored(shape(2), BLACK, RED)],
}


@pytest.mark.parametrize("name", SEEN)
def test_masks_are_read_by_the_colour_that_is_seen(survey: Callable, name: str):
    data = survey(*SEEN[name])
    assert pixels(data, None, COLORS) == [{"background": 64 - n, "lesion": n} for n in (8, 12, 16)]
    for row in range(3):
        values = decode_mask(data.mask_path(row), (8, 8), data.mask_colors)
        (lesion,) = set(np.unique(values[shape(row) == 1]).tolist())
        assert dict(data.values[row])[lesion] == (shape(row) == 1).sum()


def test_grey_masks_are_read_by_colour_too(survey: Callable):
    data = survey(shape(0) > 0, shape(1, 255), np.dstack([shape(2, 255)] * 3))
    assert [row["lesion"] for row in pixels(data, None, [["background", [BLACK]], ["lesion", [WHITE]]])] == [8, 12, 16]


def test_empty_masks_are_black(survey: Callable):
    data = survey(EMPTY_MASK_TOKEN, colored(shape(1), BLACK, RED))
    assert pixels(data, None, COLORS)[0] == {"background": 64, "lesion": 0}
    assert len(np.unique(decode_mask(EMPTY_MASK_TOKEN, (8, 8), data.mask_colors))) == 1


def test_classes_have_the_order_of_the_study(survey: Callable):
    data = survey(colored(shape(0), BLACK, RED))
    assert Targets.of(data, None, "t", COLORS[::-1]).classes == ["lesion", "background"]
    absent = [*COLORS, ["naevus", [GREEN]]]
    assert Targets.of(data, None, "t", absent).classes == ["background", "lesion", "naevus"]
    assert any("no mask shows 'naevus'" in line for line in check_masks(data, None, "t", absent))


def test_several_colours_of_a_class_and_ignored_ones(survey: Callable):
    data = survey(colored(MASK, BLACK, RED, GREEN), colored(MASK, WHITE, RED, BLACK))
    colors = [["background", [BLACK, WHITE]], ["lesion", [RED]], ["ignore", [GREEN]]]
    assert pixels(data, None, colors) == [{"background": 3, "lesion": 3}, {"background": 5, "lesion": 3}]


def test_colour_without_a_class_is_refused_with_its_extent(survey: Callable):
    data = survey(colored(shape(0), BLACK, RED), colored(shape(1), BLACK, GREEN))
    with pytest.raises(MMLError, match=r"t\.colors: .*mask1.png.*\[0, 255, 0\], .*in 12 pixels"):
        Targets.of(data, None, "t", COLORS)


def test_colours_ask_for_the_line_to_write(survey: Callable):
    data = survey(colored(shape(0), BLACK, RED), classes=["no", "yes"])
    why = r"mask0.png has colours; .* colors: {background: \[0, 0, 0\], class1: \[255, 0, 0\]}"
    with pytest.raises(MMLError, match=why):
        Targets.of(data, LESION, "t")


def test_packed_masks_hold_values_of_colours_and_padding_that_is_none(survey: Callable, tmp_path: Path):
    data = survey(colored(shape(0), BLACK, RED), paletted(1 - shape(1), RED, BLACK), EMPTY_MASK_TOKEN)
    data.write(tmp_path / "dataset.json")
    transforms = [{"name": "center_crop", "size": [10, 8]}]
    pack(Dataset.read(tmp_path / "dataset.json"), range(3), transforms, str(tmp_path / "out"), 1)
    masks = np.load(tmp_path / "out" / MASKS)
    (lesion,) = [value for value, color in data.masks.colors.items() if list(color) == RED]
    drawn = [shape(0) == 1, shape(1) == 1, np.zeros((8, 8), bool)]
    assert ((masks[:, 1:-1] == lesion) == drawn).all()
    assert (masks[:, [0, -1]] == 255).all()


def test_manifest_keeps_the_colours(survey: Callable, tmp_path: Path):
    data = survey(colored(shape(0), BLACK, RED), EMPTY_MASK_TOKEN)
    data.write(tmp_path / "dataset.json")
    copy = Dataset.read(tmp_path / "dataset.json")
    assert (copy.masks.kinds, copy.masks.colors, copy.mask_colors) == (
        ["color", "empty"],
        data.masks.colors,
        [(0, 0, 0), (255, 0, 0)],
    )
    assert copy == data


# --- the study --------------------------------------------------------------------------------------------------

IGNORE = ("ignore", WHITE)
SHAPES = {"creator": "fake", "task_type": "semantic_segmentation"}


def test_colours_are_part_of_a_task():
    def identity(**more: Any) -> TaskIdentity:
        return TaskIdentity.of("t", Task(**SHAPES, **more))

    colors = {"background": BLACK, "lesion": RED}
    several = {"background": [BLACK], "lesion": [RED, GREEN]}
    identities = [
        identity(),
        *(identity(colors=changed) for changed in (colors, several, dict(reversed(colors.items())))),
    ]
    assert len({task.id for task in identities}) == 4
    assert len({task.dataset for task in identities}) == 1
    assert "colors" not in identities[0].definition()
    assert identities[1].definition()["colors"] == COLORS
    ignored = [identity(colors=dict(changed)) for changed in ([*colors.items(), IGNORE], [IGNORE, *colors.items()])]
    assert ignored[0].id == ignored[1].id


REFUSED_COLORS = {
    "one class": ({"lesion": RED}, "two classes or more are needed"),
    "one class beside ignored": ({"lesion": RED, "ignore": BLACK}, "two classes or more are needed"),
    "one colour for two": ({"a": RED, "b": [BLACK, RED]}, "'a' and of 'b'"),
    "a number": ({"a": 3, "b": RED}, "3 is not a colour of 'a'"),
    "a word": ({"a": "red", "b": BLACK}, "'red'.*'a'; write.*0 to 255"),
    "two channels": ({"a": [1, 2], "b": RED}, "not a colour of 'a'"),
    "four channels": ({"a": [*RED, 255], "b": RED}, "not a colour of 'a'"),
    "beyond 255": ({"a": [256, 0, 0], "b": RED}, "not a colour of 'a'"),
    "a fraction": ({"a": [0.5, 0, 0], "b": RED}, "not a colour of 'a'"),
    "switches": ({"a": [True, False, False], "b": RED}, "not a colour of 'a'"),
    "none": ({"a": [], "b": RED}, "not a colour of 'a'"),
    "one of two": ({"a": [BLACK, 3], "b": RED}, "3 is not a colour of 'a'"),
    "no name": ({"": BLACK, "b": RED}, "has no name"),
    "a switch": ({False: BLACK, "b": RED}, "in quotes"),
    "a list": ([RED, BLACK], "valid dictionary"),
}


@pytest.mark.parametrize("name", REFUSED_COLORS)
def test_colours_that_tell_nothing_apart_are_refused(name: str):
    colors, why = REFUSED_COLORS[name]
    with pytest.raises(ValueError, match=why):
        Task(**SHAPES, colors=colors)


def test_colours_beside_numbers_or_without_masks_are_refused():
    colors = {"background": BLACK, "lesion": RED}
    with pytest.raises(ValueError, match="colors and idx_to_class both define"):
        Task(**SHAPES, colors=colors, idx_to_class=LESION)
    with pytest.raises(MMLError, match=r"tasks\.t\.colors: a classification has no masks"):
        TaskIdentity.of("t", Task(creator="fake", colors=colors))
