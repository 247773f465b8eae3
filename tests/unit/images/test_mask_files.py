"""Mask files: the numbers that files of every kind hold, and files that can hold no classes."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.images.mask_files import decode_mask, survey_mask
from tests.support.mask_surveys import (
    BLACK,
    GREEN,
    MASK,
    RED,
    paletted,
)

FILES = {
    "grey.png": Image.fromarray(MASK),
    "grey.bmp": Image.fromarray(MASK),
    "grey.gif": Image.fromarray(MASK),
    "grey.tif": Image.fromarray(MASK),
    "palette.png": paletted(MASK, BLACK, RED, GREEN),
    "palette.gif": paletted(MASK, BLACK, RED, GREEN),
    "palette.bmp": paletted(MASK, BLACK, RED, GREEN),
    "palette.tif": paletted(MASK, BLACK, RED, GREEN),
    "16 bits.png": Image.fromarray(MASK.astype(np.uint16)),
    "16 bits.tif": Image.fromarray(MASK.astype(np.uint16)),
    "stretched to 16 bits.png": Image.fromarray(MASK.astype(np.uint16) * 257),
    "32 bits.tif": Image.fromarray(MASK.astype(np.int32)),
    "floats.tif": Image.fromarray(MASK.astype(np.float32)),
    "grey in three channels.png": Image.fromarray(np.repeat(MASK[..., None], 3, axis=2)),
    "opaque.png": Image.fromarray(np.dstack([MASK] * 3 + [np.full_like(MASK, 255)])),
    "grey and opaque.png": Image.merge("LA", [Image.fromarray(MASK), Image.new("L", (4, 2), 255)]),
}


@pytest.mark.parametrize("name", FILES)
def test_numbers_are_those_of_the_file(tmp_path: Path, name: str):
    FILES[name].save(file := tmp_path / name)
    mask = decode_mask(file)
    assert (mask.dtype, mask.tolist()) == (np.uint8, MASK.tolist())
    assert survey_mask(file, (2, 4)).tally == {0: 3, 1: 3, 2: 2}


def test_lossless_webp_holds_numbers(tmp_path: Path):
    Image.fromarray(MASK).convert("RGB").save(tmp_path / "m.webp", lossless=True)
    assert decode_mask(tmp_path / "m.webp").tolist() == MASK.tolist()
    assert not survey_mask(tmp_path / "m.webp", (2, 4)).lossy


def test_compressed_tiff_holds_numbers(tmp_path: Path):
    for compression in ("tiff_lzw", "tiff_deflate", "packbits"):
        Image.fromarray(MASK).save(tmp_path / "m.tif", compression=compression)
        assert decode_mask(tmp_path / "m.tif").tolist() == MASK.tolist()


@pytest.mark.parametrize("kind", [bool, np.int64, np.float64, np.uint16, np.int8])
@pytest.mark.parametrize("channels", [(), (1,)])
def test_rows_of_arrays_hold_numbers_of_any_type(tmp_path: Path, kind: type, channels: tuple[int, ...]):
    values = np.minimum(MASK, 1) if kind is bool else MASK
    np.save(tmp_path / "m.npy", values.reshape(1, 2, 4, *channels).astype(kind))
    assert decode_mask(f"{tmp_path}/m.npy#0").tolist() == values.tolist()


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("format_", ["png", "tif"])
def test_numbers_of_few_bits_are_not_stretched(tmp_path: Path, bits: int, format_: str):
    file = tmp_path / f"m.{format_}"
    if format_ == "png":
        write_grey_png(file, MASK, bits)
    else:
        write_grey_tiff(file, MASK, bits, photometric=1)
    assert decode_mask(file).tolist() == MASK.tolist()


def write_grey_png(path: Path, values: np.ndarray, bits: int) -> None:
    """Write a grey PNG with these bits a pixel, which Pillow cannot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = values.shape
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    rows = b"".join(b"\0" + packed(row, bits) for row in values)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def packed(row: np.ndarray, bits: int) -> bytes:
    return np.packbits(np.unpackbits(row[:, None], axis=1)[:, 8 - bits :]).tobytes()


def write_grey_tiff(path: Path, values: np.ndarray, bits: int, photometric: int) -> None:
    """Write a grey TIFF with these bits a pixel, which Pillow cannot."""
    data = values.tobytes() if bits == 16 else b"".join(packed(row, bits) for row in values)
    height, width = values.shape
    start = 8 + 2 + 12 * 9 + 4
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: start, 277: 1, 278: height}
    entries |= {279: len(data)}
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    path.write_bytes(struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + directory + bytes(4) + data)


@pytest.mark.parametrize("largest", [2, 3, 20, 255, 300, 65535])
def test_numbers_of_pgm_are_not_stretched(tmp_path: Path, largest: int):
    values = MASK if largest < 256 else MASK.astype(">u2")
    (tmp_path / "m.pgm").write_bytes(b"P5 4 2 %d\n" % largest + values.tobytes())
    assert decode_mask(tmp_path / "m.pgm").tolist() == MASK.tolist()
    (tmp_path / "m.pgm").write_bytes(b"P5 4 2 1\n" + np.minimum(MASK, 1).tobytes())
    assert decode_mask(tmp_path / "m.pgm").tolist() == np.minimum(MASK, 1).tolist()
    assert survey_mask(tmp_path / "m.pgm", (2, 4)).kind == "1-bit"


@pytest.mark.parametrize("bits", [1, 8])
def test_white_zero_is_read_as_shown(tmp_path: Path, bits: int):
    mask = np.minimum(MASK, 1) * (255 if bits == 8 else 1)
    write_grey_tiff(tmp_path / "m.tif", mask, bits, photometric=0)
    assert survey_mask(tmp_path / "m.tif", (2, 4)).zero_is_white
    assert decode_mask(tmp_path / "m.tif").tolist() == (mask.max() - mask).tolist()


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_numbers_of_a_white_zero_are_refused(tmp_path: Path, bits: int):
    values = np.minimum(MASK, 1).astype("<u2") * 65535 if bits == 16 else MASK
    write_grey_tiff(tmp_path / "m.tif", values, bits, photometric=0)
    with pytest.raises(MMLError, match=r"m\.tif.*TIFF.*save.*PNG"):
        decode_mask(tmp_path / "m.tif")


CLEAR = np.array([[0, 255], [255, 255]], np.uint8)
REFUSED_FILES = {
    "objects.png": (np.arange(8, dtype=np.uint16).reshape(2, 4) * 1000, "outside 0..255 .8 different, 0 to 7000"),
    "halves.tif": (MASK.astype(np.float32) / 2, "not whole numbers"),
    "nothing.tif": (np.full((2, 4), np.nan, np.float32), "not whole numbers"),
    "negative.tif": (MASK.astype(np.int32) - 1, "values below 0; mark .*255"),
    "half transparent.png": (np.dstack([MASK] * 3 + [MASK]), "half transparent"),
    "transparent.png": (np.dstack([MASK] * 3 + [MASK * 0]), "transparent everywhere"),
    "black and transparent.png": (np.dstack([CLEAR * 0] * 3 + [CLEAR]), "black pixels and transparent ones"),
}


@pytest.mark.parametrize("name", REFUSED_FILES)
def test_values_that_can_be_no_classes_are_refused(tmp_path: Path, name: str):
    content, why = REFUSED_FILES[name]
    Image.fromarray(content).save(tmp_path / name)
    with pytest.raises(MMLError, match=f"{name}.*{why}"):
        survey_mask(tmp_path / name, (2, 4))


def test_several_pages_are_refused(tmp_path: Path):
    page = Image.fromarray(MASK)
    page.save(tmp_path / "m.tif", save_all=True, append_images=[page, page])
    with pytest.raises(MMLError, match=r"m\.tif has 3 pages"):
        decode_mask(tmp_path / "m.tif")


def test_photographs_are_refused(survey: Callable):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    with pytest.raises(MMLError, match=r"mask0\.png has 1024 colours, .*save.*PNG"):
        survey(noise)
    greys = [np.arange(n, n + 100, dtype=np.uint16).view(np.uint8).reshape(1, 100, 2) for n in (0, 100, 200)]
    with pytest.raises(MMLError, match=r"300 colours, .*mask0\.png.*100"):
        survey(*(grey[..., [0, 1, 1]] for grey in greys))
