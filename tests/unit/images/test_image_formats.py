"""Image formats: every kind of file in the wild decodes to what an independent reader or its arrays say, or is refused.

The arrays that files are written from, by tifffile and imagecodecs, are the reference; where a format loses something,
their decoders are. Pillow writes only what they do not.
"""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.images.colours import LEAST_OPACITY
from mml_lib.images.decoding import decode
from mml_lib.images.findings import BLANK, UNSEEN, Findings
from mml_lib.images.readers import read_header
from mml_lib.tasks.pixel_format import Conversion, ValueRange
from tests.support.image_samples import (
    HEIGHT,
    RNG,
    WHOLE,
    WIDTH,
    check,
    eight_bits,
    on_white,
    packed_bits,
    rgb,
    samples,
    smooth,
)

# --- PNG ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_png_of_every_depth_and_kind(tmp_path: Path, kind: str, bands: int):
    array, file = samples(kind, bands), tmp_path / "x.png"
    file.write_bytes(imagecodecs.png_encode(array))
    levels = eight_bits(array)
    colours = levels if bands == 1 else levels[..., 0] if bands == 2 else levels[..., :3]
    expected = on_white(rgb(colours), levels[..., -1]) if bands in (2, 4) else colours
    assert read_header(file).depth == kind
    check(file, expected, 1 if bands in (2, 4) else 0, WHOLE.get(kind))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("transparent", [False, True])
def test_png_of_few_bits_and_palettes(tmp_path: Path, bits: int, transparent: bool):
    array, colours = samples("uint8", bits=bits), RNG.integers(0, 256, (2**bits, 3))
    opacity = RNG.integers(0, 256, 2**bits)
    opacity[0] = 255
    for kind in (0, 3):
        parts = [(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, kind, 0, 0, 0))]
        if kind == 3:
            parts.append((b"PLTE", colours.astype(np.uint8).tobytes()))
        if transparent:
            parts.append((b"tRNS", opacity.astype(np.uint8).tobytes() if kind else struct.pack(">H", 1)))
        rows = np.frombuffer(packed_bits(array, bits), np.uint8).reshape(HEIGHT, -1)
        parts.append((b"IDAT", imagecodecs.zlib_encode(np.pad(rows, ((0, 0), (1, 0))).tobytes())))
        file = tmp_path / f"{kind}.png"
        file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, *zip(*[*parts, (b"IEND", b"")], strict=True))))
        seen = colours[array].astype(float) if kind else rgb(eight_bits(array, bits))
        alpha = opacity[array] if kind else np.where(array == 1, 0, 255)
        check(file, on_white(seen, alpha) if transparent else seen, 1 if transparent else 0)


@pytest.mark.parametrize("kind", [0, 2])
def test_transparent_colour_of_a_png_of_16_bits(tmp_path: Path, kind: int):
    array = RNG.integers(0, 256, (HEIGHT, WIDTH, 3 if kind else 1)) * 257
    colour = array[0, 0].astype(">u2")
    parts = [(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, kind, 0, 0, 0)), (b"tRNS", colour.tobytes())]
    rows = array.astype(">u2").reshape(HEIGHT, -1).view(np.uint8)
    parts.append((b"IDAT", imagecodecs.zlib_encode(np.pad(rows, ((0, 0), (1, 0))).tobytes())))
    file = tmp_path / "x.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, *zip(*[*parts, (b"IEND", b"")], strict=True))))
    seen = np.broadcast_to(array / 257, (HEIGHT, WIDTH, 3))
    alpha = np.where((array == array[0, 0]).all(axis=2), 0, 255)
    expected = on_white(seen, alpha)
    assert (decode(file, conversion=Conversion(value_range=ValueRange(0, 65535)))[0] == np.rint(expected)).all()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# --- PPM, JPEG, WebP, GIF -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("largest", [1, 7, 15, 255, 1000, 4095, 65535])
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("plain", [False, True])
def test_ppm_of_every_depth(tmp_path: Path, largest: int, bands: int, plain: bool):
    shape = (HEIGHT, WIDTH) if bands == 1 else (HEIGHT, WIDTH, 3)
    array, file = RNG.integers(0, largest + 1, shape), tmp_path / "x.ppm"
    magic = {(1, True): "P2", (3, True): "P3", (1, False): "P5", (3, False): "P6"}[bands, plain]
    data = array.astype(">u2" if largest > 255 else np.uint8).tobytes()
    data = " ".join(map(str, array.ravel())).encode() if plain else data
    file.write_bytes(f"{magic}\n{WIDTH} {HEIGHT}\n{largest}\n".encode() + data)
    assert read_header(file).depth == ("uint16" if largest > 255 else "uint8")
    check(file, np.rint(array / largest * 255), 1, ValueRange(0, largest))


@pytest.mark.parametrize("plain", [False, True])
def test_bits_of_pbm(tmp_path: Path, plain: bool):
    array, file = samples("uint8", bits=1), tmp_path / "x.pbm"
    data = " ".join(map(str, array.ravel())).encode() if plain else packed_bits(array, 1)
    file.write_bytes(f"{'P1' if plain else 'P4'}\n{WIDTH} {HEIGHT}\n".encode() + data)
    check(file, 255.0 * (1 - array))


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": "444"}, {"subsampling": "420"}])
def test_jpeg_is_read_as_by_another_decoder(tmp_path: Path, grey: bool, options: dict[str, Any]):
    array = smooth()[..., 0] if grey else smooth()
    file = tmp_path / "x.jfif"
    options = {} if grey else options
    if "subsampling" in options:
        file.write_bytes(imagecodecs.jpeg8_encode(array, level=95, **options))
    else:
        Image.fromarray(array).save(file, "JPEG", quality=95, **options)
    check(file, imagecodecs.jpeg8_decode(file.read_bytes()).astype(float), 2)


def test_cmyk_jpeg_is_inverted_as_adobe_writes_it(tmp_path: Path):
    inks = np.dstack([smooth(), smooth()[..., 0] // 2])
    file = tmp_path / "x.jpg"
    Image.fromarray(inks, "CMYK").save(file, quality=98, subsampling=0)
    expected = (255 - inks[..., :3].astype(float)) * (255 - inks[..., 3:]) / 255
    check(file, expected, 16)
    content = file.read_bytes()
    assert b"Adobe" in content
    assert np.abs(cv2.imdecode(np.frombuffer(content, np.uint8), 1)[..., ::-1] - expected).max() < 16


@pytest.mark.parametrize("bands", [3, 4])
def test_webp_keeps_pixels_and_opacity(tmp_path: Path, bands: int):
    array, file = samples("uint8", bands), tmp_path / "x.webp"
    array[..., -1] |= 1  # where nothing is seen, colours are not kept
    file.write_bytes(imagecodecs.webp_encode(array, lossless=True))
    levels = array.astype(float)
    check(file, on_white(levels[..., :3], levels[..., 3]) if bands == 4 else levels, 1 if bands == 4 else 0)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_of_several_frames_the_first_is_read(tmp_path: Path, suffix: str):
    frames = [Image.fromarray(array).convert("P") for array in (samples("uint8"), samples("uint8"))]
    frames = frames if suffix == "gif" else [frame.convert("RGB") for frame in frames]
    options = {"lossless": True} if suffix == "webp" else {}
    file = tmp_path / f"x.{suffix}"
    frames[0].save(file, save_all=True, append_images=frames[1:], **options)
    check(file, np.asarray(frames[0].convert("RGB")).astype(float))


def test_gif_with_a_transparent_colour_is_laid_on_white(tmp_path: Path):
    array, colours, file = samples("uint8", bits=4), RNG.integers(0, 256, (16, 3)), tmp_path / "x.gif"
    image = Image.fromarray(array, "P")
    image.putpalette(colours.astype(np.uint8).tobytes())
    image.save(file, transparency=5)
    colours[5] = 255
    check(file, colours[array].astype(float))


# --- files that show nothing ----------------------------------------------------------------------------------------


def found(file: Path, **options: Any) -> dict[str, list[str]]:
    findings = Findings()
    decode(file, findings=findings, **options)
    return findings.files


@pytest.mark.parametrize("alpha", [0, 1, 25, LEAST_OPACITY - 1])
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_alpha_that_would_hide_everything_is_no_opacity(tmp_path: Path, alpha: int, suffix: str):
    array, file = samples("uint8", 4), tmp_path / f"x.{suffix}"
    array[..., 3] = np.where(array[..., 3] > 127, alpha, 0)
    Image.fromarray(array).save(file, **({"lossless": True, "exact": True} if suffix == "webp" else {}))
    assert (decode(file)[0] == array[..., :3]).all()
    assert found(file) == {UNSEEN: [str(file)]}


def test_alpha_of_sixteen_bits_that_would_hide_everything_is_no_opacity(tmp_path: Path):
    array, file = samples("uint16", 4), tmp_path / "x.png"
    array[..., 3] = 1
    file.write_bytes(imagecodecs.png_encode(array))
    check(file, eight_bits(array[..., :3]), value_range=WHOLE["uint16"])
    assert found(file, conversion=Conversion(value_range=WHOLE["uint16"])) == {UNSEEN: [str(file)]}


BLANKS = {
    "black": np.zeros((9, 9, 3), np.uint8),
    "one colour": np.full((9, 9, 3), (1, 2, 3), np.uint8),
    "white on white": np.dstack([np.full((9, 9, 3), 255), RNG.integers(0, 256, (9, 9))]).astype(np.uint8),
    "one pixel": np.zeros((1, 1, 3), np.uint8),
}


@pytest.mark.parametrize("case", BLANKS)
def test_image_of_one_colour_is_found(tmp_path: Path, case: str):
    file = tmp_path / "x.png"
    Image.fromarray(BLANKS[case]).save(file)
    assert found(file) == {BLANK: [str(file)]}
    assert found(file, transforms=[{"name": "pad_to_square"}, {"name": "resize", "size": (4, 4)}]) == {
        BLANK: [str(file)]
    }


def test_image_with_one_other_pixel_is_not_blank(tmp_path: Path):
    array = np.zeros((9, 9, 3), np.uint8)
    array[2, 7, 1] = 1
    Image.fromarray(array).save(tmp_path / "x.png")
    assert found(tmp_path / "x.png") == {}


def test_format_that_is_not_read_is_named(tmp_path: Path):
    content = io.BytesIO()
    Image.fromarray(smooth()).save(content, "TGA")
    (tmp_path / "x.png").write_bytes(content.getvalue())
    with pytest.raises(MMLError, match=r"x\.png.*save it anew as PNG"):
        decode(tmp_path / "x.png")
