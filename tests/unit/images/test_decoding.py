"""Decoding: what comes out of each kind of file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.images.decoding import decode
from mml_lib.images.mask_files import decode_mask, survey_mask, unused_value
from mml_lib.images.readers import read_header
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN

RGB = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
GREY = RGB[..., 0]


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def pixels(file: Path | str) -> np.ndarray:
    image, mask = decode(file)
    assert mask is None
    assert image.dtype == np.uint8
    return image


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "tiff"])
def test_lossless_formats_keep_every_pixel(tmp_path: Path, suffix: str):
    file = save(Image.fromarray(RGB), tmp_path / f"x.{suffix}")
    assert (pixels(file) == RGB).all()
    assert read_header(file).size == (6, 4)


@pytest.mark.parametrize(("suffix", "options"), [("jpg", {"quality": 95}), ("webp", {"lossless": True})])
def test_photo_formats_are_read(tmp_path: Path, suffix: str, options: dict):
    flat = np.full((6, 4, 3), (200, 100, 50), np.uint8)
    image = pixels(save(Image.fromarray(flat), tmp_path / f"x.{suffix}", **options))
    assert np.abs(image.astype(int) - flat).max() <= 3


def test_of_several_frames_the_first_is_read(tmp_path: Path):
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    file = save(frames[0], tmp_path / "x.tif", save_all=True, append_images=frames[1:])
    assert (pixels(file) == RGB).all()


@pytest.mark.parametrize("array", [GREY, RGB])
def test_row_of_an_array_is_an_image(tmp_path: Path, array: np.ndarray):
    np.save(tmp_path / "all.npy", np.stack([255 - array, array]))
    assert read_header(tmp_path / "all.npy#1").size == (6, 4)
    assert (pixels(tmp_path / "all.npy#1") == (array if array.ndim == 3 else array[..., None])).all()
    with pytest.raises(MMLError, match=r"all\.npy#2 is truncated or damaged .*out of bounds"):
        decode(tmp_path / "all.npy#2")


def test_grey_is_repeated_and_palettes_are_looked_up(tmp_path: Path):
    assert (pixels(save(Image.fromarray(GREY), tmp_path / "g.png")) == GREY[..., None]).all()
    palette = Image.fromarray(RGB).quantize(32)
    assert (pixels(save(palette, tmp_path / "p.png")) == np.asarray(palette.convert("RGB"))).all()
    bits = Image.fromarray(GREY > 128)
    assert (pixels(save(bits, tmp_path / "b.png")) == 255 * (GREY > 128)[..., None]).all()


def test_transparency_is_laid_on_white_and_opaque_pixels_stay(tmp_path: Path):
    alpha = np.where(np.arange(24).reshape(6, 4) % 2, 255, 0).astype(np.uint8)
    image = pixels(save(Image.fromarray(np.dstack([RGB, alpha])), tmp_path / "a.png"))
    assert (image == np.where(alpha[..., None] == 255, RGB, 255)).all()


def test_cmyk_becomes_rgb(tmp_path: Path):
    file = save(Image.new("CMYK", (4, 6), (0, 255, 255, 0)), tmp_path / "c.jpg", quality=95)
    assert np.abs(pixels(file).astype(int) - (255, 0, 0)).max() <= 4


@pytest.mark.parametrize(("suffix", "options"), [("jpg", {}), ("png", {}), ("tif", {}), ("webp", {"lossless": True})])
def test_exif_orientation_turns_colours(tmp_path: Path, suffix: str, options: dict):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = save(Image.fromarray(RGB), tmp_path / f"e.{suffix}", exif=exif, **options)
    expected = np.rot90(RGB, -1)
    image = pixels(file)
    assert read_header(file).size == image.shape[:2] == expected.shape[:2]
    assert suffix == "jpg" or (image == expected).all()


def test_damaged_and_missing_files_are_named(tmp_path: Path):
    file = save(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)), tmp_path / "x.png")
    file.write_bytes(file.read_bytes()[:3000])
    (tmp_path / "text.png").write_text("text")
    for read in (decode, decode_mask):
        with pytest.raises(MMLError, match=r"x\.png is truncated or damaged"):
            read(file)
    for read in (decode, decode_mask, read_header):
        with pytest.raises(MMLError, match=r"none\.png does not exist"):
            read(tmp_path / "none.png")
        with pytest.raises(MMLError, match=r"text\.png is in no format"):
            read(tmp_path / "text.png")
        with pytest.raises(MMLError, match=r"cannot be read: Is a directory"):
            read(tmp_path)


MASK = np.array([[0, 1, 2], [2, 255, 7]], np.uint8)


@pytest.mark.parametrize("kind", ["L", "P", "I;16", "bits", "row"])
def test_mask_is_read_as_class_numbers(tmp_path: Path, kind: str):
    expected, file = MASK, tmp_path / "m.png"
    if kind == "row":
        np.save(tmp_path / "m.npy", MASK[None])
        file = tmp_path / "m.npy#0"
    elif kind == "P":
        image = Image.fromarray(MASK)
        image.putpalette(RGB.tobytes())
        image.save(file)
    elif kind == "bits":
        expected = (MASK > 1).astype(np.uint8)
        Image.fromarray(MASK > 1).save(file)
    else:
        Image.fromarray(MASK.astype(np.uint16) if kind == "I;16" else MASK).save(file)
    decoded = decode_mask(file, (2, 3))
    assert decoded.dtype == np.uint8
    assert (decoded == expected).all()


def test_empty_mask_is_zero_everywhere():
    assert decode_mask(EMPTY_MASK_TOKEN, (2, 3)).tolist() == [[0, 0, 0]] * 2
    content = survey_mask(EMPTY_MASK_TOKEN, (2, 3))
    assert (content.size, content.kind, content.tally) == ((2, 3), "empty", {0: 6})


@pytest.mark.parametrize(
    ("mask", "why"),
    [
        (RGB[:2, :3], r"m\.png.*\(RGB\); store class numbers in one channel"),
        (MASK.astype(np.uint16) * 2, r"m\.png has values outside 0\.\.255"),
        (MASK.T.copy(), r"m\.png has 3×2 pixels, its image 2×3"),
    ],
)
def test_mask_that_is_none_is_refused(tmp_path: Path, mask: np.ndarray, why: str):
    image = save(Image.fromarray(RGB[:2, :3]), tmp_path / "x.png")
    with pytest.raises(MMLError, match=why):
        decode(image, mask=save(Image.fromarray(mask), tmp_path / "m.png"))


def test_pixels_of_each_value_are_counted(tmp_path: Path):
    file = save(Image.fromarray(MASK), tmp_path / "m.png")
    content = survey_mask(file, (9, 9))
    assert (content.size, content.tally) == ((2, 3), {0: 1, 1: 1, 2: 2, 7: 1, 255: 1})


def test_padding_is_told_from_a_class_255(tmp_path: Path):
    image = save(Image.fromarray(RGB[:2, :3]), tmp_path / "x.png")
    mask = save(Image.fromarray(MASK), tmp_path / "m.png")
    padding = unused_value([None, {0: 1, 255: 5}, {253: 1}])
    assert padding == 254
    assert unused_value([{0: 1}]) == unused_value([]) == unused_value([dict.fromkeys(range(256), 1)]) == 255
    _, decoded = decode(image, [{"name": "pad_to_square"}], mask, padding)
    assert decoded.tolist() == [*MASK.tolist(), [254] * 3]
