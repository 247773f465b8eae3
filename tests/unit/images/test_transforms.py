"""Transforms: what a preprocessing makes of an image and its mask."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from mml_lib.config.task_options import Preprocessing
from mml_lib.errors import MMLError
from mml_lib.images.decoding import decode
from mml_lib.images.packs.pack_names import pack_id
from mml_lib.images.transforms import apply, check_masks_move, draft_size, packed_size, resolve, size_after
from tests.support.places import CONFIG

PRESETS = CONFIG / "preprocessing"
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
MASK = np.random.default_rng(1).choice(np.array([0, 3, 200], np.uint8), (40, 60))


def resolved(*transforms: Any, size: Any = 20) -> list[dict[str, Any]]:
    return resolve(Preprocessing(size=size, transforms=list(transforms)))


def black_frame(image: np.ndarray, mask: np.ndarray | None, width: int = 1) -> tuple[np.ndarray, np.ndarray | None]:
    """A user's transform, which writes into its input."""
    image[:width] = image[-width:] = image[:, :width] = image[:, -width:] = 0
    return image, mask


def as_floats(image: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    return image / 255, mask


def image_only(image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    return image


def halved(image: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    return image[::2], mask


def needy(image: np.ndarray, mask: np.ndarray | None, strength: float) -> tuple[np.ndarray, np.ndarray | None]:
    return image, mask


@pytest.mark.parametrize(
    ("transforms", "shape", "packed"),
    [
        (["resize"], (20, 30), (20, 30)),
        ([{"name": "resize", "size": 8}], (8, 8), (8, 8)),
        ([{"name": "resize_smallest", "size": 20}], (20, 30), None),
        ([{"name": "resize_smallest", "size": 20}, {"name": "center_crop", "size": [16, 24]}], (16, 24), (16, 24)),
        ([{"name": "center_crop", "size": [50, 10]}], (50, 10), (50, 10)),
        ([{"name": "resize_longest", "size": 30}], (20, 30), None),
        ([{"name": "resize_longest", "size": 90}], (40, 60), None),
        ([{"name": "resize_longest", "size": 90, "enlarge": True}], (60, 90), None),
        (["resize", {"name": "resize_longest", "size": 15}], (10, 15), (10, 15)),
        (["resize", {"name": "resize_longest", "size": 90}], (20, 30), (20, 30)),
        (["pad_to_square", {"name": "resize_longest", "size": 30}], (30, 30), None),
        (["pad_to_square", {"name": "resize_longest", "size": 90, "enlarge": True}], (90, 90), (90, 90)),
        (["pad_to_square"], (60, 60), None),
        (["pad_to_square", "clahe", {"name": "resize_smallest", "size": 7}], (7, 7), (7, 7)),
        (["resize", {"name": "resize_smallest", "size": 10}], (10, 15), (10, 15)),
        (["pad_to_square", "resize", {"name": "resize_smallest", "size": 10}], (10, 15), (10, 15)),
        (["resize", "color_constancy", "pad_to_square"], (30, 30), (30, 30)),
        (["clahe", "color_constancy"], (40, 60), None),
        ([{"_target_": f"{__name__}.black_frame"}, "resize", {"_target_": f"{__name__}.black_frame"}],)
        + ((20, 30),) * 2,
        ([], (40, 60), None),
    ],
)
def test_size_is_known_before_any_image_is(transforms: list, shape: tuple, packed: tuple | None):
    specs = resolved(*transforms, size=(20, 30))
    image, mask = apply(specs, IMAGE, MASK)
    assert image.shape == (*shape, 3)
    assert mask.shape == shape
    assert image.dtype == mask.dtype == np.uint8
    assert packed_size(specs) == packed
    assert size_after(specs, (40, 60)) == shape


@pytest.mark.parametrize("preset", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_preset_does_to_pictures_what_it_does_to_arrays(preset: Path):
    specs = resolve(Preprocessing(**yaml.safe_load(preset.read_text())))
    image, mask = apply(specs, Image.fromarray(IMAGE), MASK)
    assert (image == apply(specs, IMAGE, None)[0]).all()
    assert image.shape[:2] == mask.shape == (packed_size(specs) or IMAGE.shape[:2])


def test_masks_keep_their_values_and_are_padded_as_ignored():
    for name in ("nearest", "bilinear", "bicubic", "lanczos"):
        image, mask = apply(resolved({"name": "resize", "interpolation": name}, size=(80, 20)), IMAGE, MASK)
        assert set(np.unique(mask)) == {0, 3, 200}
        # Pixel centres of the resized mask, looked up where they come from.
        rows, columns = ((np.arange(n) + 0.5) * side // n for n, side in ((80, 40), (20, 60)))
        assert (mask == MASK[np.ix_(rows.astype(int), columns.astype(int))]).all()
    image, mask = apply(resolved({"name": "center_crop", "size": [44, 20]}), IMAGE, MASK)
    assert (image[2:-2] == IMAGE[:, 20:40]).all()
    assert (mask[2:-2] == MASK[:, 20:40]).all()
    assert (image[[0, 1, -2, -1]] == 0).all()
    assert (mask[[0, 1, -2, -1]] == 255).all()


def test_clahe_evens_out_lightness_as_opencv_does():
    smooth = cv2.GaussianBlur(IMAGE, (9, 9), 3) // 4 + 60
    image, mask = apply(resolved({"name": "clahe", "clip_limit": 3.0, "tiles": 4}), smooth, MASK)
    lightness, a, b = cv2.split(cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB))
    lightness = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(4, 4)).apply(lightness)
    assert (image == cv2.cvtColor(cv2.merge([lightness, a, b]), cv2.COLOR_LAB2RGB)).all()
    assert image.std() > 1.5 * smooth.std()
    assert mask is MASK
    assert apply(resolved("clahe"), np.full((1, 1, 3), 90, np.uint8), None)[0].shape == (1, 1, 3)


@pytest.mark.parametrize("power", [1, 6])
def test_colour_constancy_takes_out_the_light(power: float):
    tinted = np.round(IMAGE * (1.0, 0.5, 0.25)).astype(np.uint8)
    image, mask = apply(resolved({"name": "color_constancy", "power": power}), tinted, MASK)
    light = ((tinted / 255) ** power).mean((0, 1)) ** (1 / power)
    reference = 255 * np.clip(tinted / 255 / (light / np.linalg.norm(light) * np.sqrt(3)), 0, 1)
    assert np.abs(image - reference).max() <= 0.5 + 1e-9
    assert mask is MASK
    black = np.zeros((4, 4, 3), np.uint8)
    assert (apply(resolved("color_constancy"), black, None)[0] == 0).all()


def test_own_transform_is_a_function_by_its_path():
    spec = {"_target_": f"{__name__}.black_frame", "width": 2}
    image, _ = apply(resolved(spec), Image.fromarray(IMAGE), None)
    assert (image[:2] == 0).all()
    assert (image[2:-2, 2:-2] == IMAGE[2:-2, 2:-2]).all()
    before = IMAGE.copy()
    apply(resolved(spec), IMAGE, None)
    assert (before == IMAGE).all()


@pytest.mark.parametrize("name", ["as_floats", "image_only", "halved"])
def test_own_transform_must_return_an_image_and_its_mask(name: str):
    with pytest.raises(MMLError, match=rf"preprocessing: .*{name} must return an image \(uint8, H×W×3\)"):
        apply(resolved({"_target_": f"{__name__}.{name}"}), IMAGE, MASK)


@pytest.mark.parametrize(
    ("transform", "why"),
    [
        ("resise", "transform 'resise', did you mean 'resize'"),
        ({"name": "resize", "sise": 3}, "argument 'sise', did you mean 'size'"),
        ({"name": "resize", "size": 0}, "0 is not a size"),
        ({"name": "resize", "size": "big"}, "big is not a size; write a number of pixels"),
        ({"name": "resize", "size": None}, "None is not a size"),
        ({"name": "resize", "size": True}, "True is not a size"),
        ({"name": "center_crop", "size": [3]}, r"\[3\] is not a size"),
        ({"name": "resize_smallest", "size": 2.5}, "2.5 is not a size"),
        ({"name": "resize", "interpolation": "linear"}, "no interpolation 'linear', did you mean 'bilinear'"),
        ({"name": "clahe", "tiles": 1.5}, "tiles is 1.5; write a whole number above 0"),
        ({"name": "clahe", "clip_limit": "high"}, "clip_limit is 'high'; write a number above 0"),
        ({"name": "color_constancy", "power": 0}, "power is 0; write a number above 0"),
        ({"name": "pad_to_square", "size": 3}, "pad_to_square takes no argument 'size'"),
        ({"_target_": f"{__name__}.black_fame"}, "has no 'black_fame', did you mean 'black_frame'"),
        ({"_target_": f"{__name__}.black_frame", "with": 1}, "argument 'with', did you mean 'width'"),
        ({"_target_": f"{__name__}.needy"}, r"cannot be called with .*: missing a required argument: 'strength'"),
        ({"_target_": f"{__name__}.IMAGE"}, "a transform is a function of an image and a mask"),
    ],
)
def test_wrong_transform_is_refused_while_planning(transform: Any, why: str):
    with pytest.raises(MMLError, match=f"preprocessing.transforms.0.*{why}"):
        resolved(transform)


def test_packs_are_named_by_what_is_done():
    named = Preprocessing(id="default", size=32, transforms=["resize"])
    assert resolve(named) == [{"name": "resize", "size": [32, 32]}]
    same = Preprocessing(id="default", size=99, transforms=[{"name": "resize", "size": 32}])
    assert pack_id(same) == pack_id(named)
    assert pack_id(named).startswith("default-")
    others = [
        Preprocessing(id="default", size=33, transforms=["resize"]),
        Preprocessing(id="default", size=32, transforms=["resize", "clahe"]),
        Preprocessing(id="default", size=32, transforms=[{"name": "resize", "interpolation": "nearest"}]),
    ]
    assert len({pack_id(transforms) for transforms in (named, *others)}) == 4
    preprocessing = [{"name": "resize_smallest", "size": [9, 7]}, "center_crop"]
    assert resolved(*preprocessing, size=(5, 6)) == [
        {"name": "resize_smallest", "size": 7},
        {"name": "center_crop", "size": [5, 6]},
    ]


@pytest.mark.parametrize(
    ("transforms", "size"),
    [
        (["resize"], 45),
        ([{"name": "resize_smallest", "size": 21}, "center_crop"], 32),
        (["pad_to_square", "resize", "clahe"], 45),
        (["center_crop", "resize"], None),
        (["clahe", "resize"], None),
        ([{"name": "resize", "interpolation": "nearest"}], None),
        ([{"_target_": f"{__name__}.black_frame"}, "resize"], None),
        ([], None),
    ],
)
def test_only_a_resize_that_comes_first_allows_a_draft(transforms: list, size: int | None):
    assert draft_size(resolved(*transforms, size=(20, 30))) == size


@pytest.mark.parametrize(("height", "width", "levels"), [(304, 400, 1), (301, 403, 5)])
@pytest.mark.parametrize("transforms", [["resize"], ["resize_smallest"], ["pad_to_square", "resize"]])
def test_draft_differs_little_from_the_whole_image(
    tmp_path: Path, transforms: list, height: int, width: int, levels: float
):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 40, (30, 40, 3)).astype(np.float32)
    photo = (
        128 + cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) + rng.normal(0, 4, (height, width, 3))
    )
    file = tmp_path / "photo.jpg"
    Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(file, quality=92)
    specs = resolved(*transforms, size=(64, 64))
    drafted = decode(file, specs)[0]
    whole = apply(specs, decode(file)[0], None)[0]
    assert drafted.shape == whole.shape
    assert (drafted != whole).any()
    assert np.abs(drafted.astype(int) - whole).mean() < levels


# --- masks --------------------------------------------------------------------------------------------------------


def mirrored(image: np.ndarray, mask: np.ndarray | None, masks: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Left and right change places, in masks where it is asked for."""
    return image[:, ::-1], mask[:, ::-1] if masks and mask is not None else mask


def framed(image: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Nothing but a circle of an image is kept."""
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    image[(rows - image.shape[0] / 2) ** 2 + (columns - image.shape[1] / 2) ** 2 > 50**2] = 0
    return image, mask


def test_own_transform_that_leaves_masks_where_they_are_is_refused():
    spec = {"_target_": f"{__name__}.mirrored", "masks": False}
    with pytest.raises(MMLError, match=r"preprocessing: .*mirrored moves images and leaves their masks"):
        check_masks_move([spec])
    check_masks_move([spec | {"masks": True}])
    check_masks_move([{"_target_": f"{__name__}.framed"}, {"name": "clahe"}])
    check_masks_move([{"_target_": f"{__name__}.black_frame", "width": 2}])
