"""Orientation: the rotation and reflection with which an image file is displayed, read from EXIF or XMP.

Only the orientation is read from the metadata, so damaged or unusual metadata never prevents reading pixels.
Sources: EXIF 2.32 (tag 0x0112), XMP part 2 (`tiff:Orientation`), PNG third edition (`eXIf`, `iTXt`).
"""

import re
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from mml_lib.images.image_files import open_stripped

ORIENTATION = 0x0112
INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
"""Types of TIFF whose first value is in the entry itself, and their codes in `struct`."""

SIDEWAYS = (5, 6, 7, 8)
"""Orientations that swap height and width."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

XMP_KEY, EXIF_KEY = b"XML:com.adobe.xmp", b"Raw profile type exif"
TIFF_NAMESPACE = rb"http://ns\.adobe\.com/tiff/1\.0/"
LONGEST_TEXT = 2**22
"""Largest number of bytes of compressed metadata that are read."""


def read_orientation(image: Image.Image) -> int:
    """Return the orientation of an image that Pillow has opened and not yet loaded, 1 to 8. The default is 1.

    EXIF takes precedence over XMP, as in other programs. Values other than 1 to 8 are ignored.
    """
    if image.format == "TIFF":
        return _valid(image.tag_v2.get(ORIENTATION)) or _of_xmp(image.info.get("xmp")) or 1
    exif, xmp = image.info.get("exif"), image.info.get("xmp")
    if image.format == "PNG":
        late = dict(_late_texts(image))
        exif = exif or _unhexed(image.info.get(EXIF_KEY.decode())) or late.get("exif")
        xmp = xmp or image.info.get(XMP_KEY.decode()) or late.get("xmp")
    return _of_exif(exif) or _of_xmp(xmp) or 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return height and width of the upright image, for an image that Pillow has opened and not yet loaded."""
    width, height = image.size
    sideways = read_orientation(image) in SIDEWAYS and not turned_by_tag(image)
    return (width, height) if sideways else (height, width)


def turned_by_tag(image: Image.Image) -> bool:
    """Return True if Pillow rotates an image itself, as it does for TIFFs with the tag."""
    return image.format == "TIFF" and _valid(image.tag_v2.get(ORIENTATION)) is not None


def load_upright(image: Image.Image) -> Image.Image:
    """Return the upright pixels of an image that Pillow has opened and not yet loaded."""
    orientation = read_orientation(image)
    if image.format == "TIFF":
        image.info.pop("xmp", None)  # by which Pillow would rotate some images, but not all
    if turned_by_tag(image):
        orientation = 1
    image = load(image)
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def turn_samples(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Return upright samples, H×W×…, for samples with an orientation, 1 to 8."""
    if orientation in SIDEWAYS:
        samples = samples.swapaxes(0, 1)
    flips = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}
    return np.flip(samples, flips.get(orientation, ()))


def load(image: Image.Image) -> Image.Image:
    """Return an opened image with loaded pixels. A PNG that fails is loaded without the chunks after its pixels."""
    stream = image.fp
    try:
        image.load()
    except Exception:
        if image.format != "PNG" or stream is None:
            raise
        stream.seek(0)
        if (image := open_stripped(stream.read())) is None:
            raise
        image.load()
    return image


def _valid(value: object) -> int | None:
    return value if type(value) is int and 1 <= value <= 8 else None


def _of_exif(exif: object) -> int | None:
    """Return the orientation of EXIF data, a TIFF, from its first directory; None without one."""
    if not isinstance(exif, bytes):
        return None
    data = re.sub(rb"^(Exif\x00\x00)+", b"", exif)
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for place in range(start + 2, min(start + 2 + 12 * count, len(data) - 11), 12):
            tag, kind = struct.unpack_from(f"{order}HH", data, place)
            if tag == ORIENTATION and kind in INTEGERS:
                return _valid(struct.unpack_from(f"{order}{INTEGERS[kind]}", data, place + 8)[0])
    except struct.error:
        return None
    return None


def _of_xmp(xmp: object) -> int | None:
    """Return the orientation of XMP data, an attribute or an element with any prefix; None without one."""
    if isinstance(xmp, str):
        xmp = xmp.encode(errors="replace")
    if not isinstance(xmp, bytes):
        return None
    text = re.sub(rb"<!--.*?-->", b"", xmp.replace(b"\0", b""), flags=re.DOTALL)  # UTF-16 becomes ASCII
    prefixes = {b"tiff", *re.findall(rb"xmlns:([\w.-]+)\s*=\s*[\"']" + TIFF_NAMESPACE, text)}
    name = rb"[<\s](?:" + b"|".join(map(re.escape, prefixes)) + rb"):Orientation"
    match = re.search(name + rb"(?:\s*=\s*[\"']|(?:\s[^<>]*)?>)\s*\+?0*([1-8])\s*[\"'<]", text)
    return int(match[1]) if match else None


def _unhexed(profile: object) -> bytes | None:
    """Return the EXIF data of a text of ImageMagick in a PNG: three lines followed by hexadecimal digits."""
    try:
        return bytes.fromhex("".join(profile.split("\n")[3:])) if isinstance(profile, str) else None
    except ValueError:
        return None


def _late_texts(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    """Yield EXIF and XMP data after the pixels of a PNG, which Pillow reads only when it decodes the PNG."""
    if (file := image.fp) is None:
        return
    position = file.tell()
    try:
        file.seek(8)
        is_late = False
        while len(header := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", header)
            is_late = is_late or kind == b"IDAT"
            if is_late and kind in (b"eXIf", b"iTXt", b"zTXt"):
                yield from _text(kind, file.read(min(length, LONGEST_TEXT)))
                file.seek(max(0, length - LONGEST_TEXT) + 4, 1)
            else:
                file.seek(length + 4, 1)
    finally:
        file.seek(position)


def _text(kind: bytes, data: bytes) -> Iterator[tuple[str, bytes]]:
    if kind == b"eXIf":
        yield "exif", data
        return
    key, _, rest = data.partition(b"\0")
    compressed = kind == b"zTXt" or rest[:1] == b"\1"
    text = rest[1:] if kind == b"zTXt" else rest[2:].split(b"\0", 2)[-1]
    if compressed:
        try:
            text = zlib.decompressobj().decompress(text, LONGEST_TEXT)
        except zlib.error:
            return
    if kind == b"iTXt" and key == XMP_KEY:
        yield "xmp", text
    elif key == EXIF_KEY and (exif := _unhexed(text.decode("latin-1"))):
        yield "exif", exif
