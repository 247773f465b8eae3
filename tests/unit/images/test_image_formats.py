"""Image formats: every kind of file in the wild decodes to what an independent reader or its arrays say, or is refused.

The arrays that files are written from, by tifffile and imagecodecs, are the reference; where a format loses something,
their decoders are. Pillow writes only what they do not.
"""

import io
import itertools
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.images.colours import LEAST_OPACITY
from mml_lib.images.decoding import decode
from mml_lib.images.findings import BLANK, LEFT_OUT, UNSEEN, Findings
from mml_lib.images.readers import read_header
from mml_lib.tasks.value_range import ValueRange

HEIGHT, WIDTH = 18, 13
RNG = np.random.default_rng(0)
WHOLE = {kind: ValueRange(np.iinfo(kind).min, np.iinfo(kind).max) for kind in ("uint16", "int8", "int16", "int32")}
WHOLE |= {"uint32": ValueRange(0, 2**32 - 1), "float32": ValueRange(0, 1), "float64": ValueRange(0, 1)}


def samples(kind: str, bands: int = 1, bits: int | None = None) -> np.ndarray:
    """Return random samples of a kind, H×W or H×W×bands."""
    shape = (HEIGHT, WIDTH) if bands == 1 else (HEIGHT, WIDTH, bands)
    if kind.startswith("float"):
        return RNG.random(shape).astype(kind)
    low, high = (0, 2**bits - 1) if bits else (np.iinfo(kind).min, np.iinfo(kind).max)
    return RNG.integers(low, high, shape, dtype=kind, endpoint=True)


def eight_bits(array: np.ndarray, bits: int | None = None) -> np.ndarray:
    """Return samples as 0 to 255, the whole depth spread over them."""
    if bits:
        return np.rint(array / (2**bits - 1) * 255)
    if array.dtype == np.uint8:
        return array.astype(float)
    ends = WHOLE[array.dtype.name]
    return np.rint((array.astype(float) - ends.low) / (ends.high - ends.low) * 255)


def on_white(colours: np.ndarray, alpha: np.ndarray, premultiplied: bool = False) -> np.ndarray:
    opacity = alpha[..., None] / 255
    return np.clip((colours if premultiplied else colours * opacity) + 255 * (1 - opacity), 0, 255)


def rgb(colours: np.ndarray) -> np.ndarray:
    return np.repeat(colours[..., None], 3, axis=2) if colours.ndim == 2 else colours


def check(file: Path, expected: np.ndarray, tolerance: float = 0, value_range: ValueRange | None = None) -> None:
    """Compare size and pixels of a file with H×W or H×W×3 of 0 to 255."""
    expected = rgb(expected)
    image = decode(file, value_range=value_range)[0]
    assert read_header(file).size == image.shape[:2] == expected.shape[:2]
    assert np.abs(image.astype(float) - expected).max() <= tolerance


def check_or_refuse(file: Path, expected: np.ndarray, tolerance: float, value_range: ValueRange | None) -> str | None:
    """Compare a file as `check` does, or return the error that refuses it by name with a remedy."""
    try:
        image = decode(file, value_range=value_range)[0]
    except MMLError as error:
        assert file.name in str(error)  # noqa: PT017
        assert any(remedy in str(error) for remedy in ("save it", "replace"))  # noqa: PT017
        return str(error)
    assert np.abs(image.astype(float) - rgb(expected)).max() <= tolerance
    return None


# --- TIFF -----------------------------------------------------------------------------------------------------------

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


@pytest.mark.parametrize("kind", READ)
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


def packed_bits(array: np.ndarray, bits: int) -> bytes:
    """Return rows of samples of less than 8 bits, or of 12, each row filled up to whole bytes."""
    digits = (array[..., None] >> np.arange(bits)[::-1]) & 1
    return np.packbits(digits.reshape(len(array), -1).astype(np.uint8), axis=1).tobytes()


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


def smooth() -> np.ndarray:
    """Return a picture that formats with losses keep well."""
    rows, columns = np.mgrid[:48, :64]
    return np.dstack([rows * 5, columns * 4, 255 - rows * 2 - columns]).clip(0, 255).astype(np.uint8)


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
    assert (decode(file, value_range=ValueRange(0, 65535))[0] == np.rint(expected)).all()


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
    assert found(file, value_range=WHOLE["uint16"]) == {UNSEEN: [str(file)]}


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
