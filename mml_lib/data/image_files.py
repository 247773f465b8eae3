"""Image files: how they are opened, errors that name the file, and rows of arrays in place of files."""

import functools
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImagePalette, UnidentifiedImageError

from mml_lib.errors import MMLError
from mml_lib.files.checksums import verify
from mml_lib.files.manager import MANIFEST

ROW = re.compile(r"(?P<array>.+\.npy)#(?P<row>\d+)")


@contextmanager
def errors_named(file: Path | str, what: str = "image") -> Iterator[None]:
    """Turn the exceptions of readers into an `MMLError` that names the file.

    Args:
        file: path of the file, or row of an array.
        what: noun for the file in the message.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise MMLError(
            f"the {what} {file} does not exist; put it back, or set the path of its task to where images are "
            f"now and list them anew: snakemake --force data/RAW/<data set>/{MANIFEST}"
        ) from error
    except UnidentifiedImageError as error:
        raise MMLError(f"the {what} {file} is in no format that can be read; replace or remove it") from error
    except Image.DecompressionBombError as error:
        raise MMLError(f"the {what} {file} is too large ({error}); shrink or cut it") from error
    except (OSError, ValueError, SyntaxError, IndexError, EOFError, struct.error) as error:
        if reason := getattr(error, "strerror", None):
            raise MMLError(f"the {what} {file} cannot be read: {reason}") from error
        raise MMLError(f"the {what} {file} is truncated or damaged ({error}); replace or remove it") from error


@contextmanager
def open_image(file: Path | str) -> Iterator[Image.Image]:
    """Open an image file with Pillow; its pixels are not loaded yet."""
    # Pillow maps the pixels of a file that it opens by name, and then turns some TIFFs before they have their shape.
    with open(file, "rb") as stream, Image.open(stream) as image:
        if image.format == "BMP":
            _keep_bits(image)
        yield image


def _keep_bits(image: Image.Image) -> None:
    """Read a BMP of grey colours with its own bits a pixel.

    Pillow 13.0 takes 4 or 8 bits for 1 where the colours are black and white, and 4 for 8 where they are other greys.
    """
    stream = image.fp
    stream.seek(14)
    start = 24 if stream.read(4) == b"\x0c\0\0\0" else 28  # OS/2, Windows
    stream.seek(start)
    bits = int.from_bytes(stream.read(2), "little")
    if (image.mode, bits) not in (("1", 4), ("1", 8), ("L", 4)):
        return
    greys = (0, 255) if image.mode == "1" else range(256)
    image._mode = "P"
    image.palette = ImagePalette.raw("RGB", bytes(grey for grey in greys for _ in "RGB"))
    image.tile = [tile._replace(args=("P;4" if bits == 4 else "P", *tile.args[1:])) for tile in image.tile]


@functools.lru_cache(maxsize=16)
def _open_array(file: str) -> np.ndarray:
    verify(file, artefact=Path(file).parent / MANIFEST)
    return np.load(file, mmap_mode="r", allow_pickle=False)


def array_row(file: Path | str) -> np.ndarray | None:
    """Return the array row that a name like `train.npy#17` stands for, None for other names."""
    match = ROW.fullmatch(str(file))
    return _open_array(match["array"])[int(match["row"])] if match else None
