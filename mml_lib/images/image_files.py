"""Image files: opening with Pillow, and errors that name the file."""

import io
import os
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImagePalette, TiffImagePlugin, UnidentifiedImageError

from mml_lib.errors import MMLError
from mml_lib.files.templates import MANIFEST
from mml_lib.images.stripping import strip

FORMATS = ("PNG", "JPEG", "BMP", "DIB", "TIFF", "WEBP", "GIF", "PPM")
"""Formats that are read, whatever the suffix of a file. Tests compare all of them with other readers."""

MANY_PIXELS, DENSEST = 2**24, 100_000
"""Numbers of pixels, and of pixels per byte. A header that states more of both is wrong, and no memory is allocated."""

LONGEST_DETAIL = 300
"""Largest length of a decoder's message in an error, because some contain the content of a file."""

WIDTH, HEIGHT, PLANAR = 256, 257, 284
"""Tags of TIFF. PLANAR is 2 if each band is stored separately."""

# Pillow 13.0 warns about metadata without naming the file, and about large images at half the size that it refuses.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

# Pillow 13.0 reads 16 bits with 0 as white in one byte order only. Decoding inverts both.
TiffImagePlugin.OPEN_INFO.setdefault((b"MM", 0, (1,), 1, (16,), ()), ("I;16B", "I;16B"))


BLOCKS = 4
"""Blocks of memory per thread that Pillow keeps: a delivered image, steps of its resizing, and the result."""


@contextmanager
def kept_memory(threads: int) -> Iterator[None]:
    """Make Pillow keep the memory of an image for the next one, while `threads` threads decode images.

    By default it frees the memory. Allocating it again takes a third of the time of a resize.
    """
    former = Image.core.get_blocks_max()
    Image.core.set_blocks_max(max(former, BLOCKS * threads))
    try:
        yield
    finally:
        Image.core.set_blocks_max(former)


@contextmanager
def errors_named(file: object, what: str = "image") -> Iterator[None]:
    """Convert any exception of a reader to an `MMLError` that names the file.

    Args:
        file: path of the file, row of an array, or files of channels.
        what: noun for the file in the message.
    """
    try:
        yield
    except MMLError:
        raise
    except FileNotFoundError as error:
        raise MMLError(
            f"the {what} {file} does not exist; put it back, or set the path of its task to where images are "
            f"now and list them again: snakemake --force data/RAW/<data set>/{MANIFEST}"
        ) from error
    except UnidentifiedImageError as error:
        raise MMLError(f"the {what} {file} is in no format that can be read; {_remedy(str(file))}") from error
    except Image.DecompressionBombError as error:
        raise MMLError(f"the {what} {file} is too large ({error}); shrink or cut it") from error
    except Exception as error:  # damaged bytes may raise any error in decoders
        if reason := getattr(error, "strerror", None):
            raise MMLError(f"the {what} {file} cannot be read: {reason}") from error
        detail = str(error) if isinstance(error, OSError | ValueError | SyntaxError) else repr(error)
        detail = " ".join(detail.split())[:LONGEST_DETAIL]
        raise MMLError(f"the {what} {file} is truncated or damaged ({detail}); replace or remove it") from error


def _remedy(file: str) -> str:
    with open(file, "rb") as stream:
        head = stream.read(4)
    if head in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "it is a TIFF of an unusual kind: save it anew with one or three channels of 8 or 16 bits"
    return f"save it anew as PNG, or remove it (read are {', '.join(FORMATS)})"


@contextmanager
def open_image(file: Path | str, page: int = 0) -> Iterator[Image.Image]:
    """Open an image file, or a page of a TIFF, with Pillow, without loading its pixels."""
    # Pillow maps files that it opens by name into memory, and then rotates some TIFFs before setting their shape.
    with open(file, "rb") as stream, _opened(stream) as image:
        if page:
            image.seek(page)
        pixels, size = image.width * image.height, os.fstat(stream.fileno()).st_size
        if pixels > max(MANY_PIXELS, DENSEST * size):
            raise ValueError(f"{image.height}×{image.width} pixels in {size} bytes")
        if image.format in ("BMP", "DIB"):
            _keep_bits(image)
        elif image.format == "TIFF":
            _keep_order(image)
        elif image.format == "PNG":
            _keep_transparency(image)
        yield image


def _opened(stream: BinaryIO) -> Image.Image:
    try:
        return Image.open(stream, formats=FORMATS)
    except Image.DecompressionBombError:
        raise
    except Exception:
        stream.seek(0)
        if (image := open_stripped(stream.read())) is None:
            raise
        return image


def open_stripped(content: bytes) -> Image.Image | None:
    """Open the content of a file without its metadata; None if it cannot be opened."""
    if (stripped := strip(content)) is None:
        return None
    try:
        image = Image.open(io.BytesIO(stripped.content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise
    except Exception:
        return None
    image.info |= {key: data for key, data in (("exif", stripped.exif), ("xmp", stripped.xmp)) if data}
    return image


def _keep_bits(image: Image.Image) -> None:
    """Make Pillow read a BMP of grey colours with its own number of bits per pixel.

    Pillow 13.0 mistakes 4 or 8 bits for 1 bit if colours are black and white, and 4 for 8 bits for other greys.
    """
    stream = image.fp
    header = 14 if image.format == "BMP" else 0
    stream.seek(header)
    stream.seek(header + (10 if stream.read(4) == b"\x0c\0\0\0" else 14))  # OS/2, Windows
    bits = int.from_bytes(stream.read(2), "little")
    if (image.mode, bits) not in (("1", 4), ("1", 8), ("L", 4)):
        return
    greys = (0, 255) if image.mode == "1" else range(256)
    image._mode = "P"
    image.palette = ImagePalette.raw("RGB", bytes(grey for grey in greys for _ in "RGB"))
    image.tile = [tile._replace(args=("P;4" if bits == 4 else "P", *tile.args[1:])) for tile in image.tile]


def _keep_transparency(image: Image.Image) -> None:
    """Scale the transparent grey of a PNG of 2 or 4 bits to 8 bits, as Pillow 13.0 scales its pixels."""
    factor = {"L;2": 85, "L;4": 17}.get(str(image.tile[0].args) if image.tile else "")
    if factor and isinstance(image.info.get("transparency"), int):
        image.info["transparency"] *= factor


def has_other_pages(image: Image.Image) -> bool:
    """Return True if an opened TIFF has a second page of the same size: a slice or a channel, but not a thumbnail."""
    if image.format != "TIFF" or not image.tag_v2.next or image.fp is None:
        return False
    position, order = image.fp.tell(), "<" if image.tag_v2.prefix == b"II" else ">"
    try:
        directory = TiffImagePlugin.ImageFileDirectory_v2(image.tag_v2.prefix + struct.pack(f"{order}HI", 42, 0))
        image.fp.seek(image.tag_v2.next)
        directory.load(image.fp)
        return (directory.get(WIDTH), directory.get(HEIGHT)) == (image.tag_v2.get(WIDTH), image.tag_v2.get(HEIGHT))
    except Exception:  # BigTIFFs and damaged directories count as one page
        return False
    finally:
        image.fp.seek(position)


NATIVE = {"I;16BS": "I;16S", "I;32BS": "I;32S", "F;32BF": "F;32F"} if sys.byteorder == "little" else {}


def _keep_order(image: Image.Image) -> None:
    """Make Pillow read compressed big-endian TIFFs in the byte order of libtiff, which is that of this machine.

    Pillow 13.0 does so for unsigned 16 bits only. It cannot read planes of grey and opacity.
    """
    if image.tag_v2.get(PLANAR) == 2 and image.mode in ("LA", "La", "PA"):
        raise ValueError("grey and opacity in planes are not read: save it with 8 bits as PNG")
    image.tile = [
        tile._replace(args=(NATIVE.get(tile.args[0], tile.args[0]), *tile.args[1:]))
        if tile.codec_name == "libtiff"
        else tile
        for tile in image.tile
    ]
