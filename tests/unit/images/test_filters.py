"""Transforms of images with any type and number of channels, next to those of 8 bits."""

from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from mml_lib.config.task_options import Preprocessing
from mml_lib.errors import MMLError
from mml_lib.images.transforms import apply, resolve
from mml_lib.tasks.pixel_format import FULL_SCALE

RNG = np.random.default_rng(0)
EIGHT = cv2.GaussianBlur(RNG.integers(0, 256, (61, 83, 5), dtype=np.uint8), (5, 5), 1.5)
MASK = RNG.integers(0, 3, (61, 83), dtype=np.uint8)
DEEPER = ["uint16", "float16", "float32"]


def transformed(image: np.ndarray, *transforms: Any, size: Any = (20, 30)) -> np.ndarray:
    """Return an image after transforms; its mask comes with it."""
    made, mask = apply(resolve(Preprocessing(size=size, transforms=list(transforms))), image, MASK)
    assert made.dtype == image.dtype
    assert made.shape == (*mask.shape, image.shape[2])
    return made


def deepened(image: np.ndarray, depth: str) -> np.ndarray:
    """Return pixels of 8 bits as those of a type."""
    return (image * (FULL_SCALE[depth] / 255)).astype(depth)


def in_levels(image: np.ndarray) -> np.ndarray:
    """Return pixels of any type as grey levels from 0 to 255, not rounded."""
    return image.astype(np.float64) * 255 / FULL_SCALE[image.dtype.name]


@pytest.mark.parametrize("depth", ["uint8", *DEEPER])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("size", [(20, 30), (90, 100)])
def test_each_channel_is_resized_as_pillow_resizes_grey(depth: str, channels: int, interpolation: str, size: tuple):
    image = EIGHT[..., :channels]
    resized = transformed(deepened(image, depth), {"name": "resize", "interpolation": interpolation}, size=size)
    kind = Image.Resampling[interpolation.upper()]
    for number in range(channels):
        grey = Image.fromarray(image[..., number]).resize(size[::-1], kind, reducing_gap=2.0)
        # Pillow rounds 8 bits after each of its passes, floating-point numbers never.
        assert np.abs(in_levels(resized)[..., number] - np.asarray(grey)).max() <= (0 if depth == "uint8" else 1.5)


@pytest.mark.parametrize("depth", DEEPER)
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize(
    "transforms",
    [
        [{"name": "resize_smallest", "size": 20}, {"name": "center_crop", "size": [24, 24]}],
        [{"name": "resize_longest", "size": 40}, "pad_to_square"],
        [{"name": "center_crop", "size": [70, 90]}],
    ],
)
def test_other_transforms_do_to_all_types_what_they_do_to_8_bits(depth: str, channels: int, transforms: list):
    image = EIGHT[..., :channels]
    shallow = transformed(image, *transforms)
    assert np.abs(in_levels(transformed(deepened(image, depth), *transforms)) - shallow).max() <= 1.5


CLAHE = pytest.mark.parametrize(("clip_limit", "tiles"), [(2.0, 8), (4.0, 3), (1.0, 1)])
MUTED = EIGHT // 3 + 60


@CLAHE
@pytest.mark.parametrize("depth", DEEPER)
@pytest.mark.parametrize("size", [(61, 83), (61, 80), (48, 64)])
def test_clahe_is_that_of_opencv_for_8_bits(depth: str, clip_limit: float, tiles: int, size: tuple[int, int]):
    image = MUTED[: size[0], : size[1], :2]
    made = apply([{"name": "clahe", "clip_limit": clip_limit, "tiles": tiles}], deepened(image, depth), None)[0]
    opencv = cv2.createCLAHE(clip_limit, (tiles, tiles))
    for number in range(2):
        expected = opencv.apply(np.ascontiguousarray(image[..., number])).astype(float)
        # float16 rounds levels by up to 1/16, which a steep curve multiplies.
        assert np.abs(in_levels(made)[..., number] - expected).max() <= (1.25 if depth == "float16" else 1)


@CLAHE
@pytest.mark.parametrize("depth", DEEPER)
def test_clahe_of_colours_evens_out_their_lightness(depth: str, clip_limit: float, tiles: int):
    image = deepened(MUTED[..., :3], depth)
    made = apply([{"name": "clahe", "clip_limit": clip_limit, "tiles": tiles}], image, None)[0]
    before, after = (
        cv2.cvtColor((pixels / FULL_SCALE[depth]).astype(np.float32), cv2.COLOR_RGB2LAB) for pixels in (image, made)
    )
    levels = np.rint(before[..., 0] * 2.55).astype(np.uint8)
    expected = cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(levels).astype(float)
    # Levels of 8 bits are rounded before their contrast grows.
    assert np.quantile(np.abs(after[..., 0] * 2.55 - expected), 0.95) <= 3
    assert np.abs(after[..., 1:] - before[..., 1:]).mean() <= 1.5, "colours are kept"


def test_clahe_keeps_the_levels_of_16_bits():
    ramp = np.linspace(20_000, 24_000, 64 * 64).reshape(64, 64, 1).astype(np.uint16)
    made = apply([{"name": "clahe", "clip_limit": 2.0, "tiles": 2}], ramp, None)[0]
    assert len(np.unique(made)) > 2000
    assert np.ptp(made.astype(int)) > 1.5 * np.ptp(ramp.astype(int))


@pytest.mark.parametrize("depth", DEEPER)
@pytest.mark.parametrize("power", [1, 6])
def test_colour_constancy_takes_out_the_light_of_all_types(depth: str, power: float):
    tinted = deepened((EIGHT[..., :3] * (1.0, 0.5, 0.25)).astype(np.uint8), depth)
    shares = tinted.astype(np.float64) / FULL_SCALE[depth]
    light = (shares**power).mean((0, 1)) ** (1 / power)
    reference = np.clip(shares / (light / np.linalg.norm(light) * np.sqrt(3)), 0, 1)
    made = transformed(tinted, {"name": "color_constancy", "power": power})
    assert np.abs(made / FULL_SCALE[depth] - reference).max() <= 1e-3


def brighter(image: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    return image // 2 + image.dtype.type(7), mask


def first_channel(image: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    return image[..., :1], mask


def test_own_transforms_get_the_type_and_channels_of_the_data_set():
    deep = deepened(EIGHT, "uint16")
    assert (transformed(deep, {"_target_": f"{__name__}.brighter"}) == deep // 2 + 7).all()
    with pytest.raises(MMLError, match=r"first_channel must return an image \(uint16, H×W×5"):
        transformed(deep, {"_target_": f"{__name__}.first_channel"})
