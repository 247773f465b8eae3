"""Orientation: EXIF and XMP turn pixels, whatever else stands beside them."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from mml_lib.images.decoding import decode
from mml_lib.images.mask_files import decode_mask
from mml_lib.images.readers import read_header

GREY = np.random.default_rng(0).integers(0, 256, (6, 4), dtype=np.uint8)
UPRIGHT = {
    1: GREY,
    2: GREY[:, ::-1],
    3: GREY[::-1, ::-1],
    4: GREY[::-1],
    5: GREY.T,
    6: np.rot90(GREY, -1),
    7: GREY[::-1, ::-1].T,
    8: np.rot90(GREY),
}
XMP = {
    "attribute": b'<x:xmpmeta tiff:Orientation="%d"></x:xmpmeta>',
    "single quotes and spaces": b"<x:xmpmeta  tiff:Orientation = '%d' ></x:xmpmeta>",
    "element": b"<rdf:Description><tiff:Orientation>\n %d\n</tiff:Orientation></rdf:Description>",
    "other prefix": b'<d xmlns:a="http://ns.adobe.com/tiff/1.0/"><a:Orientation>%d</a:Orientation></d>',
    "behind a comment": b'<x:xmpmeta><!-- tiff:Orientation="7" --><d tiff:Orientation="%d"/></x:xmpmeta>',
}


def directory(*entries: tuple[int, int, int, bytes], order: str = ">") -> bytes:
    """Return EXIF data with these entries: tag, type, count, and the four bytes of its value or offset."""
    packed = b"".join(struct.pack(f"{order}HHI", *entry[:3]) + entry[3].ljust(4, b"\0") for entry in entries)
    magic = b"MM\0*" if order == ">" else b"II*\0"
    return magic + struct.pack(f"{order}IH", 8, len(entries)) + packed + b"\0\0\0\0"


def orientation(value: int, order: str = ">") -> tuple[int, int, int, bytes]:
    return (0x112, 3, 1, struct.pack(f"{order}H", value))


def write(path: Path, exif: bytes | None = None, xmp: bytes | None = None, array: np.ndarray = GREY) -> Path:
    """Write an image whose metadata are these bytes, which no writer checks."""
    image, content = Image.fromarray(array), io.BytesIO()
    if path.suffix == ".jpg":
        options = {"exif": b"Exif\0\0" + exif} if exif else {}
        image.save(content, "JPEG", quality=100, **options, **({"xmp": xmp} if xmp else {}))
    elif path.suffix == ".png":
        texts = PngImagePlugin.PngInfo()
        if xmp:
            texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        image.save(content, "PNG", pnginfo=texts, **({"exif": exif} if exif else {}))
    elif path.suffix == ".webp":
        image.convert("RGB").save(content, "WEBP", lossless=True, exif=exif or b"", xmp=xmp or b"")
    else:
        image.save(content, "TIFF", tiffinfo={700: xmp} if xmp else {})
    path.write_bytes(content.getvalue())
    return path


def check(file: Path, expected: np.ndarray) -> None:
    image = decode(file)[0][..., 0]
    assert read_header(file).size == image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).max() <= (3 if file.suffix == ".jpg" else 0)
    if file.suffix != ".webp":
        assert np.abs(decode_mask(file).astype(int) - expected).max() <= (3 if file.suffix == ".jpg" else 0)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize(
    ("spelling", "value"),
    [*(("attribute", value) for value in UPRIGHT), *((spelling, 6) for spelling in list(XMP)[1:])],
)
def test_xmp_turns_size_image_and_mask_alike(tmp_path: Path, suffix: str, spelling: str, value: int):
    check(write(tmp_path / f"x.{suffix}", xmp=XMP[spelling] % value), UPRIGHT[value])


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("value", UPRIGHT)
def test_exif_turns_size_image_and_mask_alike(tmp_path: Path, suffix: str, order: str, value: int):
    check(write(tmp_path / f"x.{suffix}", directory(orientation(value, order), order=order)), UPRIGHT[value])


@pytest.mark.parametrize("value", [1, 3, 6])
def test_exif_goes_before_xmp(tmp_path: Path, value: int):
    check(write(tmp_path / "x.png", directory(orientation(value)), XMP["attribute"] % 8), UPRIGHT[value])


ODD = {
    "resolution as text": (0x11A, 2, 3, b"72"),
    "date as rational": (0x132, 5, 1, struct.pack(">I", 8)),
    "make as float": (0x10F, 11, 1, struct.pack(">f", 7)),
    "huge count": (0x10F, 2, 2**32 - 1, struct.pack(">I", 8)),
    "offset beyond the end": (0x10F, 2, 100, struct.pack(">I", 10**9)),
    "unknown type": (0x10F, 77, 1, b""),
}


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("entry", ODD)
def test_odd_tags_beside_the_orientation_change_nothing(tmp_path: Path, suffix: str, entry: str):
    entries = sorted([ODD[entry], orientation(6)])
    check(write(tmp_path / f"x.{suffix}", directory(*entries)), UPRIGHT[6])


EMPTY_RESOLUTION = [(0x112, 3, 1, struct.pack(">H", 6)), (0x11A, 3, 0, b""), (0x128, 3, 1, struct.pack(">H", 3))]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_resolution_that_is_empty_keeps_nothing_from_being_read(tmp_path: Path, suffix: str):
    check(write(tmp_path / f"x.{suffix}", directory(*EMPTY_RESOLUTION)), UPRIGHT[6])


TIFF_TAGS = {
    "resolution as text": [(282, 2, b"72\0"), (283, 2, b"72\0"), (296, 3, struct.pack("<H", 3))],
    "resolution by zero": [(282, 5, bytes(8)), (283, 5, bytes(8)), (296, 3, struct.pack("<H", 3))],
    "date as number": [(306, 4, struct.pack("<I", 7))],
    "unknown type": [(271, 77, b"abcd")],
    "EXIF at no place": [(34665, 4, struct.pack("<I", 10**9))],
    "EXIF as text": [(34665, 2, b"abc\0")],
    "photoshop": [(34377, 7, b"8BIM\xff\xff\xff\xff" * 3)],
    "profile as number": [(34675, 4, struct.pack("<I", 7))],
    "XMP as numbers": [(700, 4, struct.pack("<2I", 7, 8))],
}


@pytest.mark.parametrize("case", TIFF_TAGS)
@pytest.mark.parametrize("value", [1, 6])
def test_odd_tags_of_a_tiff_change_nothing(tmp_path: Path, case: str, value: int):
    sizes = {2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 77: 1}
    height, width = GREY.shape
    tags = [(256, 3, width), (257, 3, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 0), (274, 3, value)]
    tags += [(277, 3, 1), (278, 3, height), (279, 4, GREY.size)]
    entries = [(tag, kind, struct.pack("<H" if kind == 3 else "<I", number)) for tag, kind, number in tags]
    entries = sorted(entries + TIFF_TAGS[case])
    place, beyond, packed = 8 + 2 + 12 * len(entries) + 4, GREY.tobytes(), b""
    for tag, kind, data in entries:
        data = struct.pack("<I", place) if tag == 273 else data
        packed += struct.pack("<HHI", tag, kind, len(data) // sizes[kind])
        packed += data.ljust(4, b"\0") if len(data) <= 4 else struct.pack("<I", place + len(beyond))
        beyond += data if len(data) > 4 else b""
    file = tmp_path / "x.tif"
    file.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + bytes(4) + beyond)
    check(file, UPRIGHT[value])


NONE = {
    "0": directory(orientation(0)),
    "9": directory(orientation(9)),
    "text": directory((0x112, 2, 2, b"6")),
    "cut off": directory(orientation(6))[:15],
    "no order": b"XX" + directory(orientation(6))[2:],
    "directory beyond the end": b"MM\0*" + struct.pack(">I", 10**9),
    "nothing": b"MM",
    "noise": np.random.default_rng(0).bytes(100),
}


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("exif", NONE)
def test_what_is_no_orientation_turns_nothing(tmp_path: Path, suffix: str, exif: str):
    check(write(tmp_path / f"x.{suffix}", NONE[exif]), GREY)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


HEXED = b"\nexif\n      26\n" + directory(orientation(6)).hex().encode() + b"\n"


@pytest.mark.parametrize(
    "late",
    [
        chunk(b"eXIf", directory(orientation(6))),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP["element"] % 6),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP["element"] % 6)),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(HEXED)),
    ],
)
@pytest.mark.parametrize("place", ["before", "behind"])
def test_png_is_turned_by_what_stands_before_and_behind_its_pixels(tmp_path: Path, late: bytes, place: str):
    file = write(tmp_path / "x.png")
    content, cut = file.read_bytes(), 33 if place == "before" else -12
    file.write_bytes(content[:cut] + late + content[cut:])
    check(file, UPRIGHT[6])


@pytest.mark.parametrize(("tag", "expected"), [(6, 6), (0, 3), (9, 3)])
def test_tiff_is_turned_once_where_tag_and_xmp_differ(tmp_path: Path, tag: int, expected: int):
    file = tmp_path / "x.tif"
    Image.fromarray(GREY).save(file, tiffinfo={0x112: tag, 700: XMP["attribute"] % 3})
    check(file, UPRIGHT[expected])
