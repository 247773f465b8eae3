"""Content digests: equal for the same pixels however they are stored, different for pixels that differ."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from mml_lib.images.surveying import digest_images, survey_image, survey_images
from mml_lib.tasks.creators.creator_registry import CREATORS
from mml_lib.tasks.dataset import Dataset, Delivery, Sample

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (12, 9, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (12, 9), dtype=np.uint8)
DEEP = RNG.integers(0, 2**16, (12, 9)).astype(np.uint16)


def digest(file: Path | str) -> str:
    return survey_image(Path(file), str(file)).digest


def with_orientation(pixels: np.ndarray, file: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(file, exif=exif)


def deep_png(pixels: np.ndarray, file: Path) -> None:
    assert cv2.imwrite(str(file), pixels[..., ::-1] if pixels.ndim == 3 else pixels)


def array(pixels: np.ndarray, file: Path) -> None:
    np.save(file, pixels[None])


def saved(pixels: np.ndarray, file: Path, **options: Any) -> None:
    Image.fromarray(pixels).save(file, **options)


def write(folder: Path, name: str, writer: Callable[..., None], pixels: np.ndarray, *rest: Any, **options: Any) -> str:
    """Write an image and return its digest."""
    writer(pixels, folder / name, *rest, **options)
    return digest(f"{folder / name}#0" if name.endswith(".npy") else folder / name)


OPAQUE = np.dstack([COLOURS, np.full((12, 9, 1), 255, np.uint8)])


@pytest.mark.parametrize(
    ("name", "writer", "pixels", "options"),
    [
        ("a.png", saved, COLOURS, {"compress_level": 0}),
        ("a.bmp", saved, COLOURS, {}),
        ("a.tif", saved, COLOURS, {"compression": "tiff_lzw"}),
        ("a.tif", saved, COLOURS, {}),
        ("a.webp", saved, COLOURS, {"lossless": True}),
        ("a.ppm", saved, COLOURS, {}),
        ("a.npy", array, COLOURS, {}),
        ("a.png", saved, OPAQUE, {}),
        ("a.tif", saved, OPAQUE, {}),
        ("a.npy", array, COLOURS.astype(np.uint16), {}),
        ("a.npy", array, COLOURS.astype(np.int64), {}),
        ("a.png", deep_png, COLOURS.astype(np.uint16), {}),
        ("a.png", deep_png, COLOURS.astype(np.uint16) * 257, {}),
        ("a.png", deep_png, COLOURS.astype(np.uint16) * 256, {}),
        ("a.npy", array, (COLOURS / 255).astype(np.float32), {}),
    ],
)
def test_colours_have_one_digest_however_they_are_stored(
    tmp_path: Path, name: str, writer: Callable[..., None], pixels: np.ndarray, options: dict[str, Any]
):
    assert write(tmp_path, name, writer, pixels, **options) == write(tmp_path, "b.png", saved, COLOURS)


@pytest.mark.parametrize(
    ("name", "writer", "pixels"),
    [
        ("a.png", saved, np.dstack([GREY] * 3)),
        ("a.tif", saved, np.dstack([GREY] * 3)),
        ("a.png", saved, np.dstack([GREY, np.full_like(GREY, 255)])),
        ("a.tif", saved, GREY.astype(np.uint16)),
        ("a.png", deep_png, np.dstack([GREY.astype(np.uint16)] * 3)),
        ("a.npy", array, GREY.astype(np.int32)),
        ("a.npy", array, GREY.astype(np.float64)),
        ("a.tif", saved, GREY.astype(np.float32)),
        ("a.tif", saved, GREY.astype(np.uint16) * 256),
        ("a.tif", saved, (GREY / 255).astype(np.float32)),
    ],
)
def test_grey_has_one_digest_however_it_is_stored(
    tmp_path: Path, name: str, writer: Callable[..., None], pixels: np.ndarray
):
    assert write(tmp_path, name, writer, pixels) == write(tmp_path, "b.png", saved, GREY)


@pytest.mark.parametrize(
    ("name", "writer", "pixels"),
    [
        ("a.tif", saved, DEEP),
        ("a.npy", array, DEEP.astype(np.uint32)),
        ("a.npy", array, DEEP.astype(np.float32)),
        ("a.png", deep_png, np.dstack([DEEP] * 3)),
        ("a.tif", saved, (DEEP / 65535).astype(np.float32)),
    ],
)
def test_deep_image_has_one_digest_however_it_is_stored(
    tmp_path: Path, name: str, writer: Callable[..., None], pixels: np.ndarray
):
    assert write(tmp_path, name, writer, pixels) == write(tmp_path, "b.png", deep_png, DEEP)


def test_twelve_bits_have_one_digest_at_either_end_of_sixteen(tmp_path: Path):
    twelve = DEEP >> 4
    assert write(tmp_path, "a.png", deep_png, twelve << 4) == write(tmp_path, "b.png", deep_png, twelve)


def test_fractions_have_one_digest_in_both_floating_point_types(tmp_path: Path):
    fractions = (DEEP / 2**10).astype(np.float32)
    first = write(tmp_path, "a.npy", array, fractions.astype(np.float64))
    assert first == write(tmp_path, "b.tif", saved, fractions)
    assert first != write(tmp_path, "c.npy", array, fractions.astype(np.float64) + 1e-9)


@pytest.mark.parametrize(
    ("scale", "offset"),
    [(3e-9, 0), (1e-6, 0), (1e-9, 1 / 255), (1e-6, 1 - 1e-6), (1e300, 0)],
    ids=["small", "below a step", "about a step", "below 1", "beyond single precision"],
)
@pytest.mark.parametrize("outlier", [None, 0, 1], ids=["", "with a 0", "with a 1"])
def test_values_that_rounding_would_merge_make_digests_of_their_own(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, scale: float, offset: float, outlier: float | None
):
    digests = set()
    for number in range(4):
        values = np.random.default_rng(number).random((5, 4)) * scale + offset
        if outlier is not None:
            values[0, 0] = outlier
        digests.add(write(tmp_path, f"{number}.npy", array, values))
    assert len(digests) == 4
    assert not recwarn.list


@pytest.mark.parametrize(("scale", "other"), [(3e-9, 5e-9), (0.0, 1e-6)])
def test_small_values_of_one_brightness_have_digests_of_their_own(tmp_path: Path, scale: float, other: float):
    first, second = (np.full((5, 4), value) for value in (scale, other))
    assert write(tmp_path, "a.npy", array, first) != write(tmp_path, "b.npy", array, second)


@pytest.mark.parametrize("pixels", [GREY // 2, GREY // 64, np.full((5, 4), 3, np.uint8)], ids=["dark", "few", "one"])
@pytest.mark.parametrize("decimals", [16, 6])
def test_dark_bytes_that_were_scaled_keep_their_digest(tmp_path: Path, pixels: np.ndarray, decimals: int):
    scaled = np.round(pixels / 255, decimals).astype(np.float32)
    assert write(tmp_path, "a.npy", array, scaled) == write(tmp_path, "b.png", saved, pixels)


@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, 1), (8, 3)])
def test_orientation_is_applied(tmp_path: Path, orientation: int, turns: int):
    stored = np.rot90(COLOURS, turns)
    assert write(tmp_path, "a.png", with_orientation, stored, orientation) == write(tmp_path, "b.png", saved, COLOURS)
    assert write(tmp_path, "c.png", saved, stored) != write(tmp_path, "b.png", saved, COLOURS)


def test_jpeg_has_the_digest_of_its_decoded_pixels(tmp_path: Path):
    first = write(tmp_path, "a.jpg", saved, COLOURS, quality=80)
    with Image.open(tmp_path / "a.jpg") as image:
        pixels = np.asarray(image)
    assert write(tmp_path, "b.png", saved, pixels) == first
    assert write(tmp_path, "c.jpg", saved, COLOURS, quality=81) != first


@pytest.mark.parametrize("pixels", [COLOURS, GREY, DEEP])
def test_one_pixel_makes_another_digest(tmp_path: Path, pixels: np.ndarray):
    other = pixels.copy()
    other.flat[5] ^= 1
    assert write(tmp_path, "a.png", deep_png, pixels) != write(tmp_path, "b.png", deep_png, other)


def test_shape_counts(tmp_path: Path):
    first = write(tmp_path, "a.png", saved, GREY)
    assert write(tmp_path, "b.png", saved, GREY.reshape(9, 12)) != first


def test_transparency_counts(tmp_path: Path):
    clear = OPAQUE.copy()
    clear[0, 0, 3] = 0
    assert write(tmp_path, "a.png", saved, clear) != write(tmp_path, "b.png", saved, COLOURS)


@pytest.mark.parametrize(
    ("creator", "arguments"), [("fake", {"num_samples": 12}), ("digits", {}), ("fake", {"task_type": "regression"})]
)
def test_generated_images_have_digests_that_are_all_different(tmp_path: Path, creator: str, arguments: dict[str, Any]):
    delivery = CREATORS[creator].function(tmp_path, **arguments)
    dataset = survey_images(delivery, "d", tmp_path, 2)
    assert len(set(dataset.digests)) == len(delivery.samples)


def test_manifest_keeps_digests_and_an_older_one_gets_them(tmp_path: Path):
    saved(GREY, tmp_path / "a.png")
    saved(GREY, tmp_path / "b.bmp")
    delivery = Delivery([Sample("a", str(tmp_path / "a.png")), Sample("b", str(tmp_path / "b.bmp"))], [], "no_task")
    dataset = survey_images(delivery, "d", tmp_path, 1)
    dataset.write(tmp_path / "dataset.json")
    assert Dataset.read(tmp_path / "dataset.json").digests == dataset.digests == [digest(tmp_path / "a.png")] * 2
    older = Dataset("d", delivery, dataset.sizes, tmp_path)
    assert digest_images(older, 1) == dataset.digests
