"""TIFF: every kind of samples, bands and compression decodes to its arrays, or is refused."""

import itertools
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile

from mml_lib.images.decoding import decode
from mml_lib.images.findings import LEFT_OUT, Findings
from mml_lib.images.readers import read_header
from mml_lib.tasks.pixel_format import ValueRange
from tests.support.image_samples import (
    HEIGHT,
    RNG,
    WHOLE,
    WIDTH,
    check,
    check_or_refuse,
    eight_bits,
    on_white,
    packed_bits,
    rgb,
    samples,
    smooth,
)

BANDS: dict[str, tuple[str, int, list[Any] | None]] = {
    "grey": ("minisblack", 1, None),
    "grey, 0 is white": ("miniswhite", 1, None),
    "grey and alpha": ("minisblack", 2, ["unassalpha"]),
    "grey and premultiplied alpha": ("minisblack", 2, ["assocalpha"]),
    "grey and another band": ("minisblack", 2, [0]),
    "RGB": ("rgb", 3, None),
    "RGB and alpha": ("rgb", 4, ["unassalpha"]),
    "RGB and premultiplied alpha": ("rgb", 4, ["assocalpha"]),
    "RGB and another band": ("rgb", 4, [0]),
    "RGB and two other bands": ("rgb", 5, [0, 0]),
    "CMYK": ("separated", 4, None),
}
COMPRESSIONS = [(None, False), ("zlib", False), ("zlib", True), ("lzw", False), ("lzw", True), ("packbits", False)]
READ = {
    "uint8": set(BANDS),
    "uint16": {"grey", "grey, 0 is white", "RGB", "RGB and alpha", "RGB and another band"},
    "int8": {"grey"},
    "int16": {"grey"},
    "int32": {"grey"},
    "uint32": {"grey"},
    "float32": {"grey", "grey, 0 is white"},
    "float64": set(),
}
"""Bands that have to be read where they are interleaved; the others may be refused."""


def of_bands(array: np.ndarray, bands: str) -> np.ndarray:
    """Return samples of a TIFF as 0 to 255 in RGB."""
    photometric, _, extra = BANDS[bands]
    levels = eight_bits(array)
    if photometric == "separated":
        return np.clip((255 - levels[..., :3]) * (255 - levels[..., 3:]) / 255, 0, 255)
    if photometric == "miniswhite":
        return rgb(255 - levels)
    count = 3 if photometric == "rgb" else 1
    colours = rgb(levels if levels.ndim == 2 else levels[..., 0] if count == 1 else levels[..., :3])
    if extra in (["unassalpha"], ["assocalpha"]):
        return on_white(colours, levels[..., count], extra == ["assocalpha"])
    return colours


@pytest.mark.parametrize(
    "kind", ["uint8", "uint16", *(pytest.param(kind, marks=pytest.mark.long) for kind in list(READ)[2:])]
)
@pytest.mark.parametrize("bands", BANDS)
def test_tiff_is_read_as_its_samples_say_or_refused(tmp_path: Path, kind: str, bands: str):
    photometric, count, extra = BANDS[bands]
    layouts = itertools.product("<>", COMPRESSIONS, [None, (16, 16)], ["contig", "separate"] if count > 1 else [None])
    for order, (compression, predictor), tile, planar in layouts:
        if predictor and kind == "float64":
            continue
        array = samples(kind, count)
        if extra == ["assocalpha"]:
            array[..., :-1] = np.minimum(array[..., :-1], array[..., -1:])
        content = np.moveaxis(array, -1, 0) if planar == "separate" else array
        layout = {"byteorder": order, "compression": compression, "predictor": predictor, "tile": tile}
        file = tmp_path / "x.tif"
        tifffile.imwrite(file, content, photometric=photometric, planarconfig=planar, extrasamples=extra, **layout)
        must = bands in READ[kind] and planar != "separate" and not (kind == "uint32" and order == ">")
        tolerance = 2 if extra == ["assocalpha"] else 0 if count in (1, 3) else 1
        refusal = check_or_refuse(file, of_bands(array, bands), tolerance, WHOLE.get(kind))
        assert refusal is None or not must, (layout, planar)


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


DEPTHS = [("uint8", 1), ("uint8", 3), ("uint16", 1), ("uint16", 3), ("float32", 1)]


@pytest.mark.parametrize(("kind", "bands"), DEPTHS)
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_tiff_of_every_depth_is_turned_upright(tmp_path: Path, kind: str, bands: int, orientation: int):
    for order, compression in itertools.product("<>", [None, "zlib", "lzw"]):
        array, file = samples(kind, bands), tmp_path / "x.tif"
        photometric, tags = "rgb" if bands == 3 else "minisblack", [(274, 3, 1, orientation, True)]
        tifffile.imwrite(file, array, photometric=photometric, byteorder=order, compression=compression, extratags=tags)
        check(file, UPRIGHT[orientation](eight_bits(array)), value_range=WHOLE.get(kind))


def tiff(path: Path, data: bytes, bits: list[int], photometric: int, order: str = "<", **more: list[int]) -> Path:
    """Write an uncompressed TIFF of one strip with exactly these tags."""
    numbers = {"fill_order": 266, "extra_samples": 338, "sample_format": 339, "colours": 320, "subsampling": 530}
    tags = {256: [WIDTH], 257: [HEIGHT], 258: bits, 259: [1], 262: [photometric], 273: [0], 277: [len(bits)]}
    tags |= {278: [HEIGHT], 279: [len(data)], 284: [1]} | {numbers[key]: value for key, value in more.items()}
    pack = lambda values: struct.pack(f"{order}{len(values)}H", *values)  # noqa: E731
    place = 8 + 2 + 12 * len(tags) + 4
    tags[273] = [place + sum(len(pack(values)) for values in tags.values() if len(values) > 2)]
    directory, beyond = struct.pack(f"{order}H", len(tags)), b""
    for tag in sorted(tags):
        content = pack(tags[tag])
        directory += struct.pack(f"{order}HHI", tag, 3, len(tags[tag]))
        directory += content.ljust(4, b"\0") if len(content) <= 4 else struct.pack(f"{order}I", place + len(beyond))
        beyond += content if len(content) > 4 else b""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    path.write_bytes(magic + struct.pack(f"{order}I", 8) + directory + b"\0\0\0\0" + beyond + data)
    return path


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_tiff_of_few_bits_is_spread_over_all_levels(tmp_path: Path, order: str, photometric: int, bits: int):
    array = samples("uint8", bits=bits)
    expected = eight_bits(array, bits)
    data = packed_bits(array, bits)
    file = tiff(tmp_path / "x.tif", data, [bits], photometric, order)
    check(file, expected if photometric else 255 - expected)
    turned = np.unpackbits(np.frombuffer(data, np.uint8).reshape(-1, 1), axis=1)[:, ::-1]
    file = tiff(tmp_path / "y.tif", np.packbits(turned).tobytes(), [bits], photometric, order, fill_order=[2])
    check(file, expected if photometric else 255 - expected)


def test_tiff_of_twelve_bits_has_its_values(tmp_path: Path):
    array = samples("uint16", bits=12)
    file = tiff(tmp_path / "x.tif", packed_bits(array, 12), [12], 1)
    assert read_header(file).depth == "uint16"
    check(file, eight_bits(array, 12), value_range=ValueRange(0, 4095))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_tiff_palettes_are_looked_up(tmp_path: Path, bits: int):
    array, colours = samples("uint8", bits=bits), RNG.integers(0, 256, (2**bits, 3))
    table = (colours.T * 257).ravel().tolist()
    check(tiff(tmp_path / "x.tif", packed_bits(array, bits), [bits], 3, colours=table), colours[array])


def test_fourth_band_that_is_not_called_opacity_is_left_out(tmp_path: Path):
    for more in ({}, {"extra_samples": [0]}):
        array, findings = samples("uint8", 4), Findings()
        file = tiff(tmp_path / "x.tif", array.tobytes(), [8] * 4, 2, **more)
        assert (decode(file, findings=findings)[0] == array[..., :3]).all()
        assert findings.files == {LEFT_OUT: [str(file)]}
        deep = samples("uint16", 4)
        file = tiff(tmp_path / "y.tif", deep.astype("<u2").tobytes(), [16] * 4, 2, **more)
        check(file, eight_bits(deep[..., :3]), value_range=WHOLE["uint16"])


def test_lab_has_the_colours_that_it_stands_for(tmp_path: Path):
    lab = np.dstack([np.linspace(0, 255, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH), *np.zeros((2, HEIGHT, WIDTH))])
    file = tiff(tmp_path / "x.tif", lab.astype(np.int16).astype(np.uint8).tobytes(), [8] * 3, 8)
    lightness = np.float32(lab) * [100 / 255, 0, 0]
    check(file, cv2.cvtColor(lightness.astype(np.float32), cv2.COLOR_LAB2RGB) * 255, 3)
    red = tiff(tmp_path / "y.tif", np.tile(np.uint8([136, 80, 67]), (HEIGHT, WIDTH, 1)).tobytes(), [8] * 3, 8)
    assert np.abs(decode(red)[0].astype(int) - (254, 0, 0)).max() < 16, "CIELAB of pure red"


@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)])
def test_tiff_with_jpeg_is_read_as_by_another_decoder(tmp_path: Path, photometric: str, subsampling: tuple[int, int]):
    if photometric == "rgb" and subsampling != (1, 1):
        return
    file = tmp_path / "x.tif"
    tifffile.imwrite(file, smooth(), photometric=photometric, compression="jpeg", subsampling=subsampling)
    check(file, tifffile.imread(file).astype(float), 4)


@pytest.mark.parametrize("subsampling", [[1, 1], [2, 2]])
def test_tiff_of_luminance_and_colour_is_read_or_refused(tmp_path: Path, subsampling: list[int]):
    levels = cv2.cvtColor(np.tile(np.uint8([200, 100, 50]), (HEIGHT, WIDTH, 1)), cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    pair = np.concatenate([np.repeat(levels[:1, :1, :1], 4, axis=2), levels[:1, :1, 1:]], axis=2)
    blocks = -(-HEIGHT // 2) * -(-WIDTH // 2)
    data = levels.tobytes() if subsampling == [1, 1] else pair.tobytes() * blocks
    file = tiff(tmp_path / "x.tif", data, [8] * 3, 6, subsampling=subsampling)
    refusal = check_or_refuse(file, np.tile([200.0, 100, 50], (HEIGHT, WIDTH, 1)), 3, None)
    assert refusal is None or subsampling == [2, 2]
