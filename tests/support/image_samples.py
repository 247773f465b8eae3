"""Random samples of image files, and the comparison of a file with them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.images.decoding import decode
from mml_lib.images.readers import read_header
from mml_lib.tasks.pixel_format import Conversion, ValueRange

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


def in_eight_bits(conversion: Conversion) -> Conversion:
    """Return the conversion to the same channels with 8 bits, whose values are known without rounding twice."""
    return replace(conversion, pixels=replace(conversion.pixels, depth="uint8"))


def on_white(colours: np.ndarray, alpha: np.ndarray, premultiplied: bool = False) -> np.ndarray:
    opacity = alpha[..., None] / 255
    return np.clip((colours if premultiplied else colours * opacity) + 255 * (1 - opacity), 0, 255)


def rgb(colours: np.ndarray) -> np.ndarray:
    return np.repeat(colours[..., None], 3, axis=2) if colours.ndim == 2 else colours


def check(file: Path, expected: np.ndarray, tolerance: float = 0, value_range: ValueRange | None = None) -> None:
    """Compare size and pixels of a file with H×W or H×W×3 of 0 to 255."""
    expected = rgb(expected)
    image = decode(file, conversion=Conversion(value_range=value_range))[0]
    assert read_header(file).size == image.shape[:2] == expected.shape[:2]
    assert np.abs(image.astype(float) - expected).max() <= tolerance


def check_or_refuse(file: Path, expected: np.ndarray, tolerance: float, value_range: ValueRange | None) -> str | None:
    """Compare a file as `check` does, or return the error that refuses it by name with a remedy."""
    try:
        image = decode(file, conversion=Conversion(value_range=value_range))[0]
    except MMLError as error:
        assert file.name in str(error)  # noqa: PT017
        assert any(remedy in str(error) for remedy in ("save it", "replace"))  # noqa: PT017
        return str(error)
    assert np.abs(image.astype(float) - rgb(expected)).max() <= tolerance
    return None


def smooth() -> np.ndarray:
    """Return a picture that formats with losses keep well."""
    rows, columns = np.mgrid[:48, :64]
    return np.dstack([rows * 5, columns * 4, 255 - rows * 2 - columns]).clip(0, 255).astype(np.uint8)


def packed_bits(array: np.ndarray, bits: int) -> bytes:
    """Return rows of samples of less than 8 bits, or of 12, each row filled up to whole bytes."""
    digits = (array[..., None] >> np.arange(bits)[::-1]) & 1
    return np.packbits(digits.reshape(len(array), -1).astype(np.uint8), axis=1).tobytes()
