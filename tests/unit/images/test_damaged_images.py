"""Damaged images: whatever their bytes are, readers return pixels or an error that names the file."""

import re
import resource
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from mml_lib.errors import MMLError
from mml_lib.images.decoding import decode, read_deep_image
from mml_lib.images.mask_files import decode_mask
from mml_lib.images.readers import read_header, read_samples
from mml_lib.tasks.pixel_format import Conversion, ValueRange
from tests.fixtures.damaged_images import damaged_files, valid_files

WHOLE = ValueRange(0, 65535)
SECONDS = 5
"""Longest time for one tiny file, on a loaded machine."""


def read(file: Path) -> list[str | None]:
    """Read size, pixels and mask of a file, and return the error of each.

    Raises:
        AssertionError: an error names no file or has several lines, or size and pixels differ.
    """
    errors: list[str | None] = []
    header = image = None
    for reader in (read_header, lambda file: decode(file, conversion=Conversion(value_range=WHOLE))[0], decode_mask):
        started = time.monotonic()
        try:
            result = reader(file)
            header, image = (result, image) if reader is read_header else (header, result)
            errors.append(None)
        except MMLError as error:
            assert str(file) in str(error)  # noqa: PT017
            assert len(str(error)) < 600  # noqa: PT017
            errors.append(str(error))
        assert time.monotonic() - started < SECONDS
        if errors == [None, None]:
            assert image.shape[:2] == header.size
            assert image.dtype == np.uint8
            if header.depth != "uint8":
                assert read_deep_image(file).values.shape[:2] == header.size
    return errors


def fuzz(folder: Path, count: int, seed: int) -> None:
    refused = accepted = 0
    for name, content in damaged_files(count, seed):
        file = folder / re.sub(r"^\d+-", "", name)
        file.write_bytes(content)
        try:
            errors = read(file)
        except Exception as error:
            raise AssertionError(f"{name}: {error!r}") from error
        refused += errors[1] is not None
        accepted += errors[1] is None
    assert refused > count / 10, "damage that does none proves nothing"
    assert accepted > count / 10


@pytest.mark.parametrize("name", valid_files())
def test_files_that_are_damaged_here_are_sound(tmp_path: Path, name: str):
    file = tmp_path / name
    file.write_bytes(valid_files()[name])
    assert read(file)[:2] == [None, None]


def test_damage_ends_in_pixels_or_in_an_error_of_ours(tmp_path: Path):
    fuzz(tmp_path, 400, seed=0)


@pytest.mark.long
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.thorough) for part in (1, 2, 3))])
def test_damage_of_many_files_ends_in_pixels_or_in_errors_of_ours(tmp_path: Path, part: int):
    fuzz(tmp_path, 2_600, seed=1_000_000 * (part + 1))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, kind: int = 2, bits: int = 8, data: bytes = b"x") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


SIDE = 13_000
"""Pixels of the side of a square that is just small enough to be read."""

HUGE = {
    "beyond.png": png(60_000, 60_000),
    "below.png": png(SIDE, SIDE),
    "deep.png": png(SIDE, SIDE, bits=16),
    "less.png": png(4200, 4200),
    "wide.png": png(2**31 - 1, 1),
    "x.bmp": b"BM" + struct.pack("<4I2i2H6I", 100, 0, 54, 40, SIDE, SIDE, 1, 24, *[0] * 6) + b"x" * 46,
    "x.gif": b"GIF89a" + struct.pack("<HHBBBcHHHHB", SIDE, SIDE, 0, 0, 0, b",", 0, 0, SIDE, SIDE, 0),
    "screen.gif": b"GIF89a"
    + struct.pack("<HHBBBcHHHHBB", SIDE, SIDE, 0, 0, 0, b",", 0, 0, 1, 1, 0, 2)
    + b"\2\x44\1\0;",
    "x.ppm": b"P6 13000 13000 255 xxx",
}


@pytest.mark.parametrize("name", HUGE)
def test_tiny_file_of_a_huge_image_takes_little_memory(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(HUGE[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(MMLError, match=re.escape(name)):
        decode(tmp_path / name, conversion=Conversion(value_range=WHOLE))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kB"


SMALL = png(1, 1, data=b"\0abc")
LATE = {
    "long text": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(10**8))),
    "wrong checksum": b"\0\0\0\4tEXta\0bcxxxx",
    "odd profile": chunk(b"iCCP", b"x"),
    "odd resolution": chunk(b"pHYs", b"x"),
    "odd frames": chunk(b"acTL", struct.pack(">II", 0, 0)),
}


@pytest.mark.parametrize("case", LATE)
@pytest.mark.parametrize("place", [33, -12])
def test_metadata_of_a_png_decide_nothing_about_its_pixels(tmp_path: Path, case: str, place: int):
    file = tmp_path / "x.png"
    file.write_bytes(SMALL[:place] + LATE[case] + SMALL[place:])
    assert decode(file)[0].tobytes() == b"abc"


@pytest.mark.parametrize("content", [b"", b"PK", b"nonsense" * 100, "objects"])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_file_without_an_array_of_numbers_is_refused_without_advice_to_run_its_code(
    tmp_path: Path, suffix: str, content: bytes | str
):
    file = tmp_path / f"x.{suffix}"
    file.write_bytes(content) if isinstance(content, bytes) else np.array([{}], object).dump(file)
    with pytest.raises(MMLError, match=rf"x\.{suffix} ") as error:
        read_samples(file)
    assert "pickle" not in str(error.value)
