"""Decoding and packing: what comes out of each kind of file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mml_lib.data.decoding import decode, read_size
from mml_lib.data.packing import pack
from mml_lib.errors import MMLError

RGB = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
GREY = RGB[..., 0]


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "tiff"])
def test_lossless_formats_keep_every_pixel(tmp_path: Path, suffix: str):
    file = save(Image.fromarray(RGB), tmp_path / f"x.{suffix}")
    assert (decode(file, (6, 4)) == RGB).all()
    assert read_size(file) == (6, 4)


@pytest.mark.parametrize(("suffix", "options"), [("jpg", {"quality": 95}), ("webp", {"lossless": True})])
def test_photo_formats_are_read(tmp_path: Path, suffix: str, options: dict):
    flat = np.full((6, 4, 3), (200, 100, 50), np.uint8)
    found = decode(save(Image.fromarray(flat), tmp_path / f"x.{suffix}", **options), (6, 4))
    assert np.abs(found.astype(int) - flat).max() <= 3


def test_grey_is_repeated_and_palettes_are_looked_up(tmp_path: Path):
    assert (decode(save(Image.fromarray(GREY), tmp_path / "g.png"), (6, 4)) == GREY[..., None]).all()
    palette = Image.fromarray(RGB).quantize(32)
    expected = np.asarray(palette.convert("RGB"))
    assert (decode(save(palette, tmp_path / "p.png"), (6, 4)) == expected).all()
    bits = Image.fromarray(GREY > 128)
    assert (decode(save(bits, tmp_path / "b.png"), (6, 4)) == 255 * (GREY > 128)[..., None]).all()


def test_transparency_is_laid_on_white_and_opaque_pixels_stay(tmp_path: Path):
    alpha = np.where(np.arange(24).reshape(6, 4) % 2, 255, 0).astype(np.uint8)
    found = decode(save(Image.fromarray(np.dstack([RGB, alpha])), tmp_path / "a.png"), (6, 4))
    assert (found == np.where(alpha[..., None] == 255, RGB, 255)).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_lose_their_lower_half(tmp_path: Path, suffix: str):
    deep = GREY.astype(np.uint16) * 256 + 17
    assert (decode(save(Image.fromarray(deep), tmp_path / f"d.{suffix}"), (6, 4)) == GREY[..., None]).all()


def test_cmyk_becomes_rgb(tmp_path: Path):
    file = save(Image.new("CMYK", (4, 6), (0, 255, 255, 0)), tmp_path / "c.jpg", quality=95)
    assert np.abs(decode(file, (6, 4)).astype(int) - (255, 0, 0)).max() <= 4


def test_exif_orientation_is_honoured(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it upright
    file = save(Image.fromarray(RGB), tmp_path / "e.png", exif=exif)
    assert read_size(file) == (4, 6)
    assert (decode(file, (4, 6)) == np.rot90(RGB, -1)).all()


def test_fit_squashes_crops_or_pads(tmp_path: Path):
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255
    file = save(Image.fromarray(wide), tmp_path / "w.png")
    shares = {fit: (decode(file, (10, 10), fit, "nearest") > 0).mean() for fit in ("squash", "crop", "pad")}
    assert shares["crop"] == 1
    assert 0.3 <= shares["squash"] <= 0.4
    assert 0.05 <= shares["pad"] <= 0.15


def test_float_values_are_refused(tmp_path: Path):
    file = save(Image.fromarray(GREY.astype(np.float32)), tmp_path / "f.tif")
    with pytest.raises(MMLError, match=r"f\.tif has floating-point values"):
        decode(file, (6, 4))


def broken(folder: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = save(Image.fromarray(noise), folder / "broken.png")
    file.write_bytes(file.read_bytes()[:3000])
    return file


def test_damaged_and_missing_files_are_named(tmp_path: Path):
    with pytest.raises(MMLError, match=r"broken\.png is truncated or damaged"):
        decode(broken(tmp_path), (6, 4))
    with pytest.raises(MMLError, match=r"none\.png does not exist"):
        read_size(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(MMLError, match=r"text\.png is in no format"):
        read_size(tmp_path / "text.png")


@pytest.mark.parametrize("threads", [1, 2])
def test_packing_keeps_the_order_and_computes_moments(tmp_path: Path, threads: int):
    pixels = np.random.default_rng(1).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    files = [save(Image.fromarray(image), tmp_path / f"{n}.png") for n, image in enumerate(pixels)]
    options = {"size": (8, 8), "fit": "squash", "interpolation": "bilinear"}
    pack(files, options, str(tmp_path / "images.npy"), str(tmp_path / "moments.npy"), threads)
    assert (np.load(tmp_path / "images.npy") == pixels).all()
    mean, square = np.load(tmp_path / "moments.npy").transpose(1, 0, 2)
    assert np.allclose(mean, (pixels / 255).mean((1, 2)))
    assert np.allclose(square, ((pixels / 255) ** 2).mean((1, 2)))


@pytest.mark.parametrize("threads", [1, 2])
def test_damaged_image_leaves_nothing_packed(tmp_path: Path, threads: int):
    files = [save(Image.fromarray(RGB), tmp_path / f"{n}.png") for n in range(30)] + [broken(tmp_path)]
    options = {"size": (8, 8), "fit": "squash", "interpolation": "bilinear"}
    with pytest.raises(MMLError, match=r"broken\.png is truncated"):
        pack(files, options, str(tmp_path / "out/images.npy"), str(tmp_path / "out/moments.npy"), threads)
    assert list((tmp_path / "out").iterdir()) == []
