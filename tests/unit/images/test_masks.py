"""Masks: the classes of their values, checked file by file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Delivery, Sample
from mml_lib.tasks.mask_classes import check_masks
from mml_lib.tasks.targets import Targets
from tests.support.mask_surveys import BLACK, COLORS, GREEN, LESION, RED, WHITE, paletted, pixels, shape
from tests.support.messages import mentions

# --- black and white --------------------------------------------------------------------------------------------

BINARY = {
    "0 and 255": [shape(n, 255) for n in range(3)],
    "0 and 1": [shape(n) for n in range(3)],
    "16 bits": [shape(n, 255).astype(np.uint16) * 257 for n in range(3)],
    "one bit": [shape(n) > 0 for n in range(3)],
    "one bit and 255": [shape(0) > 0, shape(1, 255), shape(2) > 0],
    "palette and 255": [paletted(shape(0), BLACK, WHITE), shape(1, 255), shape(2, 255)],
    "three channels": [np.dstack([shape(n, 255)] * 3) for n in range(3)],
    "empty": [EMPTY_MASK_TOKEN, shape(1, 255), shape(2, 255)],
    "black": [shape(0, 0), shape(1, 255), shape(2, 255)],
}


@pytest.mark.parametrize("name", BINARY)
def test_masks_of_two_values_need_no_names(survey: Callable, name: str):
    data = survey(*BINARY[name])
    marked = [int((shape(n) > 0).sum()) for n in range(3)]
    if name in ("empty", "black"):
        marked[0] = 0
    assert pixels(data) == [{"background": 64 - count, "foreground": count} for count in marked]
    assert mentions(check_masks(data, None, "t")[0], "tasks.t: ", "two values", "{0: background, ")


def test_masks_of_two_values_take_the_two_classes_of_a_creator(survey: Callable):
    data = survey(shape(0, 255), shape(1, 255), classes=["skin", "naevus"])
    assert pixels(data)[0] == {"skin": 56, "naevus": 8}
    assert "{0: skin, 255: naevus}" in check_masks(data, None, "t")[0]


def test_background_that_is_not_the_first_class_is_warned_of(survey: Callable):
    """Metrics leave out the first class."""
    data = survey(shape(0, 255), shape(1, 255))
    (line,) = check_masks(data, {0: "naevus", 255: "Background"}, "t")
    assert mentions(line, "'naevus'", "background", "'Background'")
    assert check_masks(data, {0: "Background", 255: "naevus"}, "t") == []


NOT_BINARY = {
    "numbers and 255": ([shape(0), shape(1, 255)], r"\[0, 1, 255\] mean.*mask0.png has 1, .*mask1.png 255"),
    "white background": ([paletted(shape(n), WHITE, BLACK) for n in range(2)], "colors: {class0: .255, 255, 255., "),
    "no zero": ([shape(n) + 1 for n in range(2)], r"say what the mask values \[1, 2\] mean"),
    "all black": ([shape(0, 0), EMPTY_MASK_TOKEN], "all 2 masks .1.*EMPTY_MASK_TOKEN."),
    "all white": ([shape(0, 0) + 255] * 2, "all 2 masks are 255 everywhere"),
    "soft": ([np.arange(64, dtype=np.uint8).reshape(8, 8)], "64 values .*JPEG"),
}


@pytest.mark.parametrize("name", NOT_BINARY)
def test_other_masks_need_names(survey: Callable, name: str):
    masks, why = NOT_BINARY[name]
    with pytest.raises(MMLError, match=why):
        Targets.of(survey(*masks), None, "t")


# --- numbers ----------------------------------------------------------------------------------------------------


def test_two_conventions_in_one_data_set_are_refused(survey: Callable):
    data = survey(*(shape(n, 255 if n % 2 else 1) for n in range(4)))
    with pytest.raises(MMLError, match=r"2 masks of 4 hold.*but 0 and 255 \(.*mask1.png, .*mask3.png\)"):
        Targets.of(data, LESION, "t")
    assert pixels(data, {**LESION, 255: "lesion"})[1] == {"background": 52, "lesion": 12}
    assert pixels(data, {**LESION, 255: "ignore"})[1] == {"background": 52, "lesion": 0}


def test_255_around_classes_is_ignored_with_a_warning_of_masks_without_classes(survey: Callable):
    rim = shape(0)
    rim[7] = 255
    data = survey(rim, shape(1), shape(2, 255))
    assert [row["lesion"] for row in pixels(data, LESION)] == [8, 12, 0]
    (line,) = check_masks(data, LESION, "t")
    assert mentions(line, "255 is ignored", "12.5%", "1 mask", "beside 0")
    assert "mask2.png" in line
    assert check_masks(data, {**LESION, 255: "ignore"}, "t") == []


def test_white_of_one_bit_is_the_class_255(survey: Callable):
    data = survey(shape(0) > 0, shape(1, 255))
    assert [row["lesion"] for row in pixels(data, {0: "background", 255: "lesion"})] == [8, 12]


@pytest.mark.parametrize("value", [0, 7])
def test_any_value_can_be_ignored(survey: Callable, value: int):
    data = survey(*(shape(n) + 2 * shape(n + 1) for n in range(3)))
    mapping = {0: "a", 1: "b", 2: "c", 3: "c"} | {value: "ignore"}
    assert "ignore" not in Targets.of(data, mapping, "t").classes


def test_palettes_that_disagree_are_refused_until_colours_are_named(survey: Callable):
    data = survey(paletted(shape(0), BLACK, RED), paletted(shape(1), BLACK, GREEN), paletted(shape(2), BLACK, RED))
    why = (
        r"mask0.png and .*mask1.png show 1 as \[255, 0, 0\] and as \[0, 255, 0\]; .*"
        r"colors: {background: \[0, 0, 0\], class1: \[0, 255, 0\], class2: \[255, 0, 0\]}"
    )
    for mapping in (None, LESION):
        with pytest.raises(MMLError, match=why):
            Targets.of(data, mapping, "t")
    assert [row["lesion"] for row in pixels(data, None, [*COLORS, ["naevus", [GREEN]]])] == [8, 0, 16]


def test_value_without_a_class_is_refused_with_its_extent(survey: Callable):
    data = survey(shape(0), shape(1), shape(2, 9), shape(3, 9))
    with pytest.raises(MMLError, match=r"mask2.png.*value 9, .*in 16 pixels \(in all 2 masks, 36 pixels\); add it"):
        Targets.of(data, LESION, "t")


def test_jpeg_masks_are_refused_where_values_have_changed(survey: Callable):
    big = [np.kron(shape(n, 255), np.ones((9, 9), np.uint8)) for n in range(2)]
    data = survey(*big, suffix="jpg")
    with pytest.raises(MMLError, match=r"mask\d.jpg .*JPEG.*save.*PNG"):
        Targets.of(data, {0: "background", 255: "lesion"}, "t")


def test_unlabelled_masks_are_not_looked_at(survey: Callable):
    data = survey(shape(0), shape(1), shape(2, 9), splits="..u")
    assert Targets.of(data, LESION, "t").classes == ["background", "lesion"]


# --- warnings ---------------------------------------------------------------------------------------------------


def test_class_that_no_mask_shows_is_warned_of(survey: Callable):
    data = survey(*(shape(n) for n in range(3)))
    assert check_masks(data, {**LESION, 5: "naevus"}, "t") == [
        "tasks.t: no mask shows 'naevus', which will be neither learnt nor measured; leave it out, or correct its "
        "number or colour"
    ]


def test_value_that_one_mask_has_is_warned_of(survey: Callable):
    data = survey(shape(0), shape(1), shape(2), shape(3, 2))
    (line,) = check_masks(data, {**LESION, 2: "lesion"}, "t")
    assert "in one mask only" in line
    assert line.endswith(f"the value 2 ('lesion') in {data.mask_path(3)}")


def test_names_that_are_spelled_nearly_alike_are_warned_of(survey: Callable):
    data = survey(*(shape(n, 1 + n % 3) for n in range(9)))
    lines = check_masks(data, {0: "background", 1: "Lesion", 2: "lesion", 3: "Ignore"}, "t")
    assert lines == [
        "tasks.t: 'Ignore' is a class; write ignore if it is to be ignored",
        "tasks.t: 'Lesion' and 'lesion' are different classes; spell them alike if one is meant",
    ]


@pytest.mark.parametrize(("size", "turned_mask", "warned"), [((8, 8), 1, 1), ((8, 8), 6, 0), ((8, 4), 1, 0)])
def test_images_that_are_turned_without_their_masks_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture, size: tuple[int, int], turned_mask: int, warned: int
):
    exif = {value: Image.Exif() for value in (1, 6)}
    for value, tags in exif.items():
        tags[0x0112] = value
    samples = []
    for number in range(3):
        image, mask = tmp_path / f"{number}.png", tmp_path / f"mask{number}.png"
        Image.new("RGB", size, (9, 9, number)).save(image, exif=exif[6])
        Image.fromarray(np.eye(*(size if turned_mask == 1 else size[::-1]), dtype=np.uint8)).save(
            mask, exif=exif[turned_mask]
        )
        samples.append(Sample(str(number), str(image), mask=str(mask)))
    survey_images(Delivery(samples, [], "semantic_segmentation"), "d", tmp_path, 1)
    assert capsys.readouterr().out.count("warning: d: 3 of 3 images are turned by their orientation") == warned


def test_masks_of_one_class_are_refused(survey: Callable):
    data = survey(*(shape(n, 0) for n in range(3)))
    with pytest.raises(MMLError, match=r"all 3 masks are 'background'.*mask0.png:"):
        check_masks(data, LESION, "t")
