"""Masks: what files of every kind hold, and the classes of their values, checked file by file."""

import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.config.schema import Task
from mml_lib.errors import MMLError
from mml_lib.images.mask_files import decode_mask, survey_mask
from mml_lib.images.packing import MASKS, pack
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Dataset, Delivery, Sample
from mml_lib.tasks.mask_classes import check_masks
from mml_lib.tasks.targets import Targets
from mml_lib.tasks.task_identity import TaskIdentity

MASK = np.array([[0, 1, 2, 1], [0, 0, 2, 1]], np.uint8)
RED, GREEN, WHITE, BLACK = [255, 0, 0], [0, 255, 0], [255, 255, 255], [0, 0, 0]
LESION = {0: "background", 1: "lesion"}
COLORS = [["background", [BLACK]], ["lesion", [RED]]]

Content = np.ndarray | Image.Image | str


def paletted(indices: np.ndarray, *colors: Sequence[int], **info: Any) -> Image.Image:
    image = Image.fromarray(indices)
    image.putpalette([channel for color in colors for channel in color])
    image.info |= info
    return image


def colored(indices: np.ndarray, *colors: Sequence[int]) -> np.ndarray:
    return np.array(colors, np.uint8)[indices]


def shape(number: int, value: int = 1, size: int = 8) -> np.ndarray:
    """Return a mask of 0 and a value, another one for each number."""
    mask = np.zeros((size, size), np.uint8)
    mask[1 : 3 + number % 4, 2:6] = value
    return mask


@pytest.fixture
def survey(tmp_path: Path) -> Callable[..., Dataset]:
    """Return a function that surveys a data set with these masks."""

    def build(*masks: Content, classes: Sequence[str] = (), suffix: str = "png", splits: str = "") -> Dataset:
        samples = []
        for number, content in enumerate(masks):
            image = tmp_path / f"image{number}.png"
            mask = tmp_path / f"mask{number}.{suffix}"
            if isinstance(content, str):
                size, mask = (8, 8), content
            else:
                picture = content if isinstance(content, Image.Image) else Image.fromarray(content)
                picture.save(mask)
                size = picture.size
            Image.new("RGB", size, (9, 9, number)).save(image)
            split = {"u": "unlabelled"}.get(splits[number : number + 1])
            samples.append(Sample(str(number), str(image), mask=str(mask), split=split))
        return survey_images(Delivery(samples, list(classes), "semantic_segmentation"), "d", tmp_path, 1)

    return build


def pixels(data: Dataset, idx_to_class: dict | None = None, colors: Any = None) -> list[dict[str, int]]:
    """Return the pixels of each class in each mask."""
    targets = Targets.of(data, idx_to_class, "t", colors)
    return [dict(zip(targets.classes, row, strict=True)) for row in targets.values.tolist()]


# --- files ------------------------------------------------------------------------------------------------------


FILES = {
    "grey.png": Image.fromarray(MASK),
    "grey.bmp": Image.fromarray(MASK),
    "grey.gif": Image.fromarray(MASK),
    "grey.tif": Image.fromarray(MASK),
    "palette.png": paletted(MASK, BLACK, RED, GREEN),
    "palette.gif": paletted(MASK, BLACK, RED, GREEN),
    "palette.bmp": paletted(MASK, BLACK, RED, GREEN),
    "palette.tif": paletted(MASK, BLACK, RED, GREEN),
    "16 bits.png": Image.fromarray(MASK.astype(np.uint16)),
    "16 bits.tif": Image.fromarray(MASK.astype(np.uint16)),
    "stretched to 16 bits.png": Image.fromarray(MASK.astype(np.uint16) * 257),
    "32 bits.tif": Image.fromarray(MASK.astype(np.int32)),
    "floats.tif": Image.fromarray(MASK.astype(np.float32)),
    "grey in three channels.png": Image.fromarray(np.repeat(MASK[..., None], 3, axis=2)),
    "opaque.png": Image.fromarray(np.dstack([MASK] * 3 + [np.full_like(MASK, 255)])),
    "grey and opaque.png": Image.merge("LA", [Image.fromarray(MASK), Image.new("L", (4, 2), 255)]),
}


@pytest.mark.parametrize("name", FILES)
def test_numbers_are_those_of_the_file(tmp_path: Path, name: str):
    FILES[name].save(file := tmp_path / name)
    mask = decode_mask(file)
    assert (mask.dtype, mask.tolist()) == (np.uint8, MASK.tolist())
    assert survey_mask(file, (2, 4)).tally == {0: 3, 1: 3, 2: 2}


def test_lossless_webp_holds_numbers(tmp_path: Path):
    Image.fromarray(MASK).convert("RGB").save(tmp_path / "m.webp", lossless=True)
    assert decode_mask(tmp_path / "m.webp").tolist() == MASK.tolist()
    assert not survey_mask(tmp_path / "m.webp", (2, 4)).lossy


def test_compressed_tiff_holds_numbers(tmp_path: Path):
    for compression in ("tiff_lzw", "tiff_deflate", "packbits"):
        Image.fromarray(MASK).save(tmp_path / "m.tif", compression=compression)
        assert decode_mask(tmp_path / "m.tif").tolist() == MASK.tolist()


@pytest.mark.parametrize("kind", [bool, np.int64, np.float64, np.uint16, np.int8])
@pytest.mark.parametrize("channels", [(), (1,)])
def test_rows_of_arrays_hold_numbers_of_any_type(tmp_path: Path, kind: type, channels: tuple[int, ...]):
    values = np.minimum(MASK, 1) if kind is bool else MASK
    np.save(tmp_path / "m.npy", values.reshape(1, 2, 4, *channels).astype(kind))
    assert decode_mask(f"{tmp_path}/m.npy#0").tolist() == values.tolist()


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("format_", ["png", "tif"])
def test_numbers_of_few_bits_are_not_stretched(tmp_path: Path, bits: int, format_: str):
    file = tmp_path / f"m.{format_}"
    if format_ == "png":
        write_grey_png(file, MASK, bits)
    else:
        write_grey_tiff(file, MASK, bits, photometric=1)
    assert decode_mask(file).tolist() == MASK.tolist()


def write_grey_png(path: Path, values: np.ndarray, bits: int) -> None:
    """Write a grey PNG with these bits a pixel, which Pillow cannot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = values.shape
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    rows = b"".join(b"\0" + packed(row, bits) for row in values)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def packed(row: np.ndarray, bits: int) -> bytes:
    return np.packbits(np.unpackbits(row[:, None], axis=1)[:, 8 - bits :]).tobytes()


def write_grey_tiff(path: Path, values: np.ndarray, bits: int, photometric: int) -> None:
    """Write a grey TIFF with these bits a pixel, which Pillow cannot."""
    data = values.tobytes() if bits == 16 else b"".join(packed(row, bits) for row in values)
    height, width = values.shape
    start = 8 + 2 + 12 * 9 + 4
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: start, 277: 1, 278: height}
    entries |= {279: len(data)}
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    path.write_bytes(struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + directory + bytes(4) + data)


@pytest.mark.parametrize("largest", [2, 3, 20, 255, 300, 65535])
def test_numbers_of_pgm_are_not_stretched(tmp_path: Path, largest: int):
    values = MASK if largest < 256 else MASK.astype(">u2")
    (tmp_path / "m.pgm").write_bytes(b"P5 4 2 %d\n" % largest + values.tobytes())
    assert decode_mask(tmp_path / "m.pgm").tolist() == MASK.tolist()
    (tmp_path / "m.pgm").write_bytes(b"P5 4 2 1\n" + np.minimum(MASK, 1).tobytes())
    assert decode_mask(tmp_path / "m.pgm").tolist() == np.minimum(MASK, 1).tolist()
    assert survey_mask(tmp_path / "m.pgm", (2, 4)).kind == "1-bit"


@pytest.mark.parametrize("bits", [1, 8])
def test_white_zero_is_read_as_shown(tmp_path: Path, bits: int):
    mask = np.minimum(MASK, 1) * (255 if bits == 8 else 1)
    write_grey_tiff(tmp_path / "m.tif", mask, bits, photometric=0)
    assert survey_mask(tmp_path / "m.tif", (2, 4)).zero_is_white
    assert decode_mask(tmp_path / "m.tif").tolist() == (mask.max() - mask).tolist()


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_numbers_of_a_white_zero_are_refused(tmp_path: Path, bits: int):
    values = np.minimum(MASK, 1).astype("<u2") * 65535 if bits == 16 else MASK
    write_grey_tiff(tmp_path / "m.tif", values, bits, photometric=0)
    with pytest.raises(MMLError, match=r"m\.tif.*TIFF.*save.*PNG"):
        decode_mask(tmp_path / "m.tif")


CLEAR = np.array([[0, 255], [255, 255]], np.uint8)
REFUSED_FILES = {
    "objects.png": (np.arange(8, dtype=np.uint16).reshape(2, 4) * 1000, "outside 0..255 .8 different, 0 to 7000"),
    "halves.tif": (MASK.astype(np.float32) / 2, "no whole numbers"),
    "nothing.tif": (np.full((2, 4), np.nan, np.float32), "no whole numbers"),
    "negative.tif": (MASK.astype(np.int32) - 1, "values below 0; mark what is to be ignored with 255"),
    "half transparent.png": (np.dstack([MASK] * 3 + [MASK]), "half transparent"),
    "transparent.png": (np.dstack([MASK] * 3 + [MASK * 0]), "transparent everywhere"),
    "black and transparent.png": (np.dstack([CLEAR * 0] * 3 + [CLEAR]), "black pixels and transparent ones"),
}


@pytest.mark.parametrize("name", REFUSED_FILES)
def test_values_that_can_be_no_classes_are_refused(tmp_path: Path, name: str):
    content, why = REFUSED_FILES[name]
    Image.fromarray(content).save(tmp_path / name)
    with pytest.raises(MMLError, match=f"{name}.*{why}"):
        survey_mask(tmp_path / name, (2, 4))


def test_several_pages_are_refused(tmp_path: Path):
    page = Image.fromarray(MASK)
    page.save(tmp_path / "m.tif", save_all=True, append_images=[page, page])
    with pytest.raises(MMLError, match=r"m\.tif has 3 pages"):
        decode_mask(tmp_path / "m.tif")


def test_photographs_are_refused(survey: Callable):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    with pytest.raises(MMLError, match=r"mask0\.png has 1024 colours, .*save.*PNG"):
        survey(noise)
    greys = [np.arange(n, n + 100, dtype=np.uint16).view(np.uint8).reshape(1, 100, 2) for n in (0, 100, 200)]
    with pytest.raises(MMLError, match=r"300 colours, .*mask0\.png.*100"):
        survey(*(grey[..., [0, 1, 1]] for grey in greys))


# --- black and white --------------------------------------------------------------------------------------------

BINARY = {
    "0 and 255": [shape(n, 255) for n in range(3)],
    "0 and 1": [shape(n) for n in range(3)],
    "16 bits": [shape(n, 255).astype(np.uint16) * 257 for n in range(3)],
    "one bit": [shape(n) > 0 for n in range(3)],
    "one bit and 255": [shape(0) > 0, shape(1, 255), shape(2) > 0],
    "palette and 255": [paletted(shape(0), BLACK, WHITE), shape(1, 255), shape(2, 255)],
    "three channels": [np.dstack([shape(n, 255)] * 3) for n in range(3)],
    "empty": [EMPTY_MASK_TOKEN, shape(1, 255), shape(2, 255)],
    "black": [shape(0, 0), shape(1, 255), shape(2, 255)],
}


@pytest.mark.parametrize("name", BINARY)
def test_masks_of_two_values_need_no_names(survey: Callable, name: str):
    data = survey(*BINARY[name])
    marked = [int((shape(n) > 0).sum()) for n in range(3)]
    if name in ("empty", "black"):
        marked[0] = 0
    assert pixels(data) == [{"background": 64 - count, "foreground": count} for count in marked]
    assert "tasks.t: masks hold two values only, taken as {0: background, " in check_masks(data, None, "t")[0]


def test_masks_of_two_values_take_the_two_classes_of_a_creator(survey: Callable):
    data = survey(shape(0, 255), shape(1, 255), classes=["skin", "naevus"])
    assert pixels(data)[0] == {"skin": 56, "naevus": 8}
    assert "{0: skin, 255: naevus}" in check_masks(data, None, "t")[0]


def test_background_that_is_not_the_first_class_is_warned_of(survey: Callable):
    """Metrics leave out the first class."""
    data = survey(shape(0, 255), shape(1, 255))
    (line,) = check_masks(data, {0: "naevus", 255: "Background"}, "t")
    assert "leave out the first class, 'naevus', as the background, and count 'Background'" in line
    assert check_masks(data, {0: "Background", 255: "naevus"}, "t") == []


NOT_BINARY = {
    "numbers and 255": ([shape(0), shape(1, 255)], r"\[0, 1, 255\] mean.*mask0.png has 1, .*mask1.png 255"),
    "white background": ([paletted(shape(n), WHITE, BLACK) for n in range(2)], "colors: {class0: .255, 255, 255., "),
    "no zero": ([shape(n) + 1 for n in range(2)], r"say what the mask values \[1, 2\] mean"),
    "all black": ([shape(0, 0), EMPTY_MASK_TOKEN], "all 2 masks .1.*EMPTY_MASK_TOKEN."),
    "all white": ([shape(0, 0) + 255] * 2, "all 2 masks are 255 everywhere"),
    "soft": ([np.arange(64, dtype=np.uint8).reshape(8, 8)], "64 values .*JPEG"),
}


@pytest.mark.parametrize("name", NOT_BINARY)
def test_other_masks_need_names(survey: Callable, name: str):
    masks, why = NOT_BINARY[name]
    with pytest.raises(MMLError, match=why):
        Targets.of(survey(*masks), None, "t")


# --- numbers ----------------------------------------------------------------------------------------------------


def test_two_conventions_in_one_data_set_are_refused(survey: Callable):
    data = survey(*(shape(n, 255 if n % 2 else 1) for n in range(4)))
    with pytest.raises(MMLError, match=r"2 masks of 4 hold.*but 0 and 255 \(.*mask1.png, .*mask3.png\)"):
        Targets.of(data, LESION, "t")
    assert pixels(data, {**LESION, 255: "lesion"})[1] == {"background": 52, "lesion": 12}
    assert pixels(data, {**LESION, 255: "ignore"})[1] == {"background": 52, "lesion": 0}


def test_255_around_classes_is_ignored_with_a_warning_of_masks_without_classes(survey: Callable):
    rim = shape(0)
    rim[7] = 255
    data = survey(rim, shape(1), shape(2, 255))
    assert [row["lesion"] for row in pixels(data, LESION)] == [8, 12, 0]
    (line,) = check_masks(data, LESION, "t")
    assert "the value 255 is ignored, 12.5% of all pixels, which in 1 mask is beside 0 only" in line
    assert "mask2.png" in line
    assert check_masks(data, {**LESION, 255: "ignore"}, "t") == []


def test_white_of_one_bit_is_the_class_255(survey: Callable):
    data = survey(shape(0) > 0, shape(1, 255))
    assert [row["lesion"] for row in pixels(data, {0: "background", 255: "lesion"})] == [8, 12]


@pytest.mark.parametrize("value", [0, 7])
def test_any_value_can_be_ignored(survey: Callable, value: int):
    data = survey(*(shape(n) + 2 * shape(n + 1) for n in range(3)))
    mapping = {0: "a", 1: "b", 2: "c", 3: "c"} | {value: "ignore"}
    assert "ignore" not in Targets.of(data, mapping, "t").classes


def test_palettes_that_disagree_are_refused_until_colours_are_named(survey: Callable):
    data = survey(paletted(shape(0), BLACK, RED), paletted(shape(1), BLACK, GREEN), paletted(shape(2), BLACK, RED))
    why = (
        r"mask0.png and .*mask1.png show 1 as \[255, 0, 0\] and as \[0, 255, 0\]; .*"
        r"colors: {background: \[0, 0, 0\], class1: \[0, 255, 0\], class2: \[255, 0, 0\]}"
    )
    for mapping in (None, LESION):
        with pytest.raises(MMLError, match=why):
            Targets.of(data, mapping, "t")
    assert [row["lesion"] for row in pixels(data, None, [*COLORS, ["naevus", [GREEN]]])] == [8, 0, 16]


def test_value_without_a_class_is_refused_with_its_extent(survey: Callable):
    data = survey(shape(0), shape(1), shape(2, 9), shape(3, 9))
    with pytest.raises(MMLError, match=r"mask2.png.*value 9, .*in 16 pixels \(in all 2 masks, 36 pixels\); add it"):
        Targets.of(data, LESION, "t")


def test_jpeg_masks_are_refused_where_values_have_changed(survey: Callable):
    big = [np.kron(shape(n, 255), np.ones((9, 9), np.uint8)) for n in range(2)]
    data = survey(*big, suffix="jpg")
    with pytest.raises(MMLError, match=r"mask\d.jpg .*JPEG.*save.*PNG"):
        Targets.of(data, {0: "background", 255: "lesion"}, "t")


def test_unlabelled_masks_are_not_looked_at(survey: Callable):
    data = survey(shape(0), shape(1), shape(2, 9), splits="..u")
    assert Targets.of(data, LESION, "t").classes == ["background", "lesion"]


# --- colours ----------------------------------------------------------------------------------------------------

SEEN = {
    "three channels": [colored(shape(n), BLACK, RED) for n in range(3)],
    "with alpha": [colored(shape(n), [*BLACK, 255], [*RED, 255]) for n in range(3)],
    "on nothing": [colored(shape(n), [7, 7, 7, 0], [*RED, 255]) for n in range(3)],
    "palette on nothing": [paletted(shape(n), WHITE, RED, transparency=0) for n in range(3)],
    "palette": [paletted(shape(n), BLACK, RED) for n in range(3)],
    "palettes in another order": [
        paletted(shape(0), BLACK, RED),
        paletted(1 - shape(1), RED, BLACK),
        paletted(shape(2), BLACK, RED),
    ],
    "of all kinds": [
        colored(shape(0), BLACK, RED),
        paletted(shape(1), BLACK, RED),
        colored(shape(2), [*BLACK, 255], [*RED, 255]),
    ],
    "one without": [colored(shape(0), BLACK, RED), colored(shape(1), BLACK, RED), colored(shape(2), BLACK, RED)],
}


@pytest.mark.parametrize("name", SEEN)
def test_masks_are_read_by_the_colour_that_is_seen(survey: Callable, name: str):
    data = survey(*SEEN[name])
    assert pixels(data, None, COLORS) == [{"background": 64 - n, "lesion": n} for n in (8, 12, 16)]
    for row in range(3):
        values = decode_mask(data.mask_path(row), (8, 8), data.mask_colors)
        (lesion,) = set(np.unique(values[shape(row) == 1]).tolist())
        assert dict(data.values[row])[lesion] == (shape(row) == 1).sum()


def test_grey_masks_are_read_by_colour_too(survey: Callable):
    data = survey(shape(0) > 0, shape(1, 255), np.dstack([shape(2, 255)] * 3))
    assert [row["lesion"] for row in pixels(data, None, [["background", [BLACK]], ["lesion", [WHITE]]])] == [8, 12, 16]


def test_empty_masks_are_black(survey: Callable):
    data = survey(EMPTY_MASK_TOKEN, colored(shape(1), BLACK, RED))
    assert pixels(data, None, COLORS)[0] == {"background": 64, "lesion": 0}
    assert len(np.unique(decode_mask(EMPTY_MASK_TOKEN, (8, 8), data.mask_colors))) == 1


def test_classes_have_the_order_of_the_study(survey: Callable):
    data = survey(colored(shape(0), BLACK, RED))
    assert Targets.of(data, None, "t", COLORS[::-1]).classes == ["lesion", "background"]
    absent = [*COLORS, ["naevus", [GREEN]]]
    assert Targets.of(data, None, "t", absent).classes == ["background", "lesion", "naevus"]
    assert any("no mask shows 'naevus'" in line for line in check_masks(data, None, "t", absent))


def test_several_colours_of_a_class_and_ignored_ones(survey: Callable):
    data = survey(colored(MASK, BLACK, RED, GREEN), colored(MASK, WHITE, RED, BLACK))
    colors = [["background", [BLACK, WHITE]], ["lesion", [RED]], ["ignore", [GREEN]]]
    assert pixels(data, None, colors) == [{"background": 3, "lesion": 3}, {"background": 5, "lesion": 3}]


def test_colour_without_a_class_is_refused_with_its_extent(survey: Callable):
    data = survey(colored(shape(0), BLACK, RED), colored(shape(1), BLACK, GREEN))
    with pytest.raises(MMLError, match=r"t\.colors: .*mask1.png.*\[0, 255, 0\], .*in 12 pixels"):
        Targets.of(data, None, "t", COLORS)


def test_colours_ask_for_the_line_to_write(survey: Callable):
    data = survey(colored(shape(0), BLACK, RED), classes=["no", "yes"])
    why = r"mask0.png has colours; .* colors: {background: \[0, 0, 0\], class1: \[255, 0, 0\]}"
    with pytest.raises(MMLError, match=why):
        Targets.of(data, LESION, "t")


def test_packed_masks_hold_values_of_colours_and_padding_that_is_none(survey: Callable, tmp_path: Path):
    data = survey(colored(shape(0), BLACK, RED), paletted(1 - shape(1), RED, BLACK), EMPTY_MASK_TOKEN)
    data.write(tmp_path / "dataset.json")
    transforms = [{"name": "center_crop", "size": [10, 8]}]
    pack(Dataset.read(tmp_path / "dataset.json"), range(3), transforms, str(tmp_path / "out"), 1)
    masks = np.load(tmp_path / "out" / MASKS)
    (lesion,) = [value for value, color in data.masks.colors.items() if list(color) == RED]
    drawn = [shape(0) == 1, shape(1) == 1, np.zeros((8, 8), bool)]
    assert ((masks[:, 1:-1] == lesion) == drawn).all()
    assert (masks[:, [0, -1]] == 255).all()


def test_manifest_keeps_the_colours(survey: Callable, tmp_path: Path):
    data = survey(colored(shape(0), BLACK, RED), EMPTY_MASK_TOKEN)
    data.write(tmp_path / "dataset.json")
    copy = Dataset.read(tmp_path / "dataset.json")
    assert (copy.masks.kinds, copy.masks.colors, copy.mask_colors) == (
        ["color", "empty"],
        data.masks.colors,
        [(0, 0, 0), (255, 0, 0)],
    )
    assert copy == data


# --- warnings ---------------------------------------------------------------------------------------------------


def test_class_that_no_mask_shows_is_warned_of(survey: Callable):
    data = survey(*(shape(n) for n in range(3)))
    assert check_masks(data, {**LESION, 5: "naevus"}, "t") == [
        "tasks.t: no mask shows 'naevus', which will be neither learnt nor measured; leave it out, or correct its "
        "number or colour"
    ]


def test_value_that_one_mask_has_is_warned_of(survey: Callable):
    data = survey(shape(0), shape(1), shape(2), shape(3, 2))
    (line,) = check_masks(data, {**LESION, 2: "lesion"}, "t")
    assert "one mask alone has" in line
    assert line.endswith(f"the value 2 ('lesion') in {data.mask_path(3)}")


def test_names_that_are_spelled_nearly_alike_are_warned_of(survey: Callable):
    data = survey(*(shape(n, 1 + n % 3) for n in range(9)))
    lines = check_masks(data, {0: "background", 1: "Lesion", 2: "lesion", 3: "Ignore"}, "t")
    assert lines == [
        "tasks.t: 'Ignore' is a class; write ignore if it is to be ignored",
        "tasks.t: 'Lesion' and 'lesion' are different classes; spell them alike if one is meant",
    ]


@pytest.mark.parametrize(("size", "turned_mask", "warned"), [((8, 8), 1, 1), ((8, 8), 6, 0), ((8, 4), 1, 0)])
def test_images_that_are_turned_without_their_masks_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture, size: tuple[int, int], turned_mask: int, warned: int
):
    exif = {value: Image.Exif() for value in (1, 6)}
    for value, tags in exif.items():
        tags[0x0112] = value
    samples = []
    for number in range(3):
        image, mask = tmp_path / f"{number}.png", tmp_path / f"mask{number}.png"
        Image.new("RGB", size, (9, 9, number)).save(image, exif=exif[6])
        Image.fromarray(np.eye(*(size if turned_mask == 1 else size[::-1]), dtype=np.uint8)).save(
            mask, exif=exif[turned_mask]
        )
        samples.append(Sample(str(number), str(image), mask=str(mask)))
    survey_images(Delivery(samples, [], "semantic_segmentation"), "d", tmp_path, 1)
    assert capsys.readouterr().out.count("warning: d: 3 of 3 images are turned by their orientation") == warned


def test_masks_of_one_class_are_refused(survey: Callable):
    data = survey(*(shape(n, 0) for n in range(3)))
    with pytest.raises(MMLError, match=r"all 3 masks are 'background'.*mask0.png:"):
        check_masks(data, LESION, "t")


# --- the study --------------------------------------------------------------------------------------------------

IGNORE = ("ignore", WHITE)
SHAPES = {"creator": "fake", "task_type": "semantic_segmentation"}


def test_colours_are_part_of_a_task():
    def identity(**more: Any) -> TaskIdentity:
        return TaskIdentity.of("t", Task(**SHAPES, **more))

    colors = {"background": BLACK, "lesion": RED}
    several = {"background": [BLACK], "lesion": [RED, GREEN]}
    identities = [
        identity(),
        *(identity(colors=changed) for changed in (colors, several, dict(reversed(colors.items())))),
    ]
    assert len({task.id for task in identities}) == 4
    assert len({task.dataset for task in identities}) == 1
    assert "colors" not in identities[0].definition()
    assert identities[1].definition()["colors"] == COLORS
    ignored = [identity(colors=dict(changed)) for changed in ([*colors.items(), IGNORE], [IGNORE, *colors.items()])]
    assert ignored[0].id == ignored[1].id


REFUSED_COLORS = {
    "one class": ({"lesion": RED}, "two classes or more are needed"),
    "one class beside ignored": ({"lesion": RED, "ignore": BLACK}, "two classes or more are needed"),
    "one colour for two": ({"a": RED, "b": [BLACK, RED]}, "'a' and of 'b'"),
    "a number": ({"a": 3, "b": RED}, "3 is no colour of 'a'"),
    "a word": ({"a": "red", "b": BLACK}, "'red'.*'a'; write.*0 to 255"),
    "two channels": ({"a": [1, 2], "b": RED}, "no colour of 'a'"),
    "four channels": ({"a": [*RED, 255], "b": RED}, "no colour of 'a'"),
    "beyond 255": ({"a": [256, 0, 0], "b": RED}, "no colour of 'a'"),
    "a fraction": ({"a": [0.5, 0, 0], "b": RED}, "no colour of 'a'"),
    "switches": ({"a": [True, False, False], "b": RED}, "no colour of 'a'"),
    "none": ({"a": [], "b": RED}, "no colour of 'a'"),
    "one of two": ({"a": [BLACK, 3], "b": RED}, "3 is no colour of 'a'"),
    "no name": ({"": BLACK, "b": RED}, "has no name"),
    "a switch": ({False: BLACK, "b": RED}, "in quotes"),
    "a list": ([RED, BLACK], "valid dictionary"),
}


@pytest.mark.parametrize("name", REFUSED_COLORS)
def test_colours_that_tell_nothing_apart_are_refused(name: str):
    colors, why = REFUSED_COLORS[name]
    with pytest.raises(ValueError, match=why):
        Task(**SHAPES, colors=colors)


def test_colours_beside_numbers_or_without_masks_are_refused():
    colors = {"background": BLACK, "lesion": RED}
    with pytest.raises(ValueError, match="colors and idx_to_class both say"):
        Task(**SHAPES, colors=colors, idx_to_class=LESION)
    with pytest.raises(MMLError, match=r"tasks\.t\.colors: a classification has no masks"):
        TaskIdentity.of("t", Task(creator="fake", colors=colors))
