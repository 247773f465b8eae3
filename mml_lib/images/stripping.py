"""Stripping: a copy of an image file without metadata that may prevent Pillow from reading its pixels."""

import struct
from typing import NamedTuple

EXIF, XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"

PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")

JPEG_DROPPED = {*range(0xE1, 0xF0), 0xFE} - {0xEE}
"""Markers of metadata: APP1 to APP15 and comments, without Adobe's marker, which describes colours."""

TIFF_KEPT = {*range(254, 260), 262, 266, *range(273, 280), 274, 284, 292, 293, 317, *range(320, 326), *range(332, 348)}
TIFF_KEPT |= {*range(512, 522), *range(529, 533), 700}
"""Tags of the layout of pixels, the orientation, and XMP."""


class Stripped(NamedTuple):
    """Content of a file without metadata, and its EXIF and XMP data; None without such data."""

    content: bytes
    exif: bytes | None = None
    xmp: bytes | None = None


def strip(content: bytes) -> Stripped | None:
    """Return the content of a file without metadata that do not affect its pixels; None for other formats."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return _strip_png(content)
        if content.startswith(b"\xff\xd8"):
            return _strip_jpeg(content)
        if content[:4] in (b"II*\0", b"MM\0*"):
            return _strip_tiff(content)
    except (struct.error, IndexError):
        pass
    return None


def _strip_png(content: bytes) -> Stripped:
    kept, exif, xmp, place = [content[:8]], None, None, 8
    while place + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        end = place + 12 + length
        if kind in PNG_KEPT:
            kept.append(content[place:end])
        elif kind == b"eXIf":
            exif = content[place + 8 : end - 4]
        elif kind == b"iTXt" and content[place + 8 : end].startswith(b"XML:com.adobe.xmp\0\0"):
            xmp = content[place + 8 : end - 4]
        place = end
    return Stripped(b"".join(kept), exif, xmp)


def _strip_jpeg(content: bytes) -> Stripped:
    kept, exif, xmp, place = [content[:2]], None, None, 2
    while content[place] == 0xFF and content[place + 1] != 0xDA:
        if content[place + 1] == 0xFF:  # a byte of padding
            place += 1
            continue
        (length,) = struct.unpack_from(">H", content, place + 2)
        segment = content[place : place + 2 + length]
        place += 2 + length
        if segment[1] not in JPEG_DROPPED:
            kept.append(segment)
        elif segment[4:].startswith(EXIF):
            exif = exif or segment[4:]
        elif segment[4:].startswith(XMP):
            xmp = segment[4 + len(XMP) :]
    return Stripped(b"".join(kept) + content[place:], exif, xmp)


def _strip_tiff(content: bytes) -> Stripped:
    order = "<" if content[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, start)
    entries = [content[place : place + 12] for place in range(start + 2, start + 2 + 12 * count, 12)]
    kept = [entry for entry in entries if struct.unpack_from(f"{order}H", entry)[0] in TIFF_KEPT]
    directory = struct.pack(f"{order}H", len(kept)) + b"".join(kept) + b"\0\0\0\0"  # of the first frame only
    return Stripped(content[:start] + directory + content[start + len(directory) :])
