"""BMP files of few grey colours, whose bits a pixel Pillow mistakes."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mml_lib.images.decoding import decode
from mml_lib.images.image_files import open_image

BLACK_WHITE = [(0, 0, 0), (255, 255, 255)]


def write_bmp(path: Path, indices: np.ndarray, bits: int, palette: list[tuple[int, int, int]]) -> Path:
    """Write an uncompressed BMP with exactly these bits a pixel and colours."""
    height, width = indices.shape
    rows = [np.packbits(np.unpackbits(row[:, None], axis=1)[:, 8 - bits :]).tobytes() for row in indices[::-1]]
    data = b"".join(row + b"\0" * (-len(row) % 4) for row in rows)
    colors = b"".join(bytes((blue, green, red, 0)) for red, green, blue in palette)
    start = 54 + len(colors)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, len(data), 0, 0, len(palette), 0)
    path.write_bytes(b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + colors + data)
    return path


@pytest.mark.parametrize(("bits", "count"), [(1, 2), (4, 2), (8, 2), (8, 1), (4, 5), (4, 16), (8, 3), (8, 256)])
def test_pixels_are_those_of_the_file(tmp_path: Path, bits: int, count: int):
    palette = BLACK_WHITE[:count] if count <= 2 else [(grey, grey, grey) for grey in range(count)]
    indices = np.random.default_rng(0).integers(0, count, (7, 11)).astype(np.uint8)
    file = write_bmp(tmp_path / "x.bmp", indices, bits, palette)
    with open_image(file) as image:
        assert (np.asarray(image) == indices).all()
    assert (decode(file)[0] == np.array(palette, np.uint8)[indices]).all()


def test_the_remedy_is_needed(tmp_path: Path):
    """Once Pillow reads such files, `_keep_bits` can go."""
    indices = np.random.default_rng(0).integers(0, 2, (7, 11)).astype(np.uint8)
    with Image.open(write_bmp(tmp_path / "x.bmp", indices, 8, BLACK_WHITE)) as image:
        assert (np.asarray(image) != indices).any()
