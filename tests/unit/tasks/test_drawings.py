"""Drawings: the pixels of boxes, outlines and run lengths, next to pycocotools, Pillow and plain loops."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as coco

from mml_lib.errors import MMLError
from mml_lib.images.drawing.drawn_masks import draw_masks
from mml_lib.tasks.creators import AnnotatedImage, Annotation, annotated_delivery
from mml_lib.tasks.dataset import Sample
from mml_lib.tasks.drawings import Box, CocoRuns, Drawing, LabelmeShape, Part, Polygon, RunLengths, Shape
from tests.support.annotated_images import write_pictures
from tests.support.messages import mentions

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools, with NumPy 2

HEIGHT, WIDTH = 23, 31
RNG = np.random.default_rng(0)


def drawn(shape: Shape, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    return Drawing([Part(1, shape, "here")]).draw(size).pixels


def of_pycocotools(points: list[float], size: tuple[int, int]) -> np.ndarray:
    return coco.decode(coco.merge(coco.frPyObjects([points], *size)))


def outlines() -> list[list[float]]:
    """Return outlines with corners between pixels, on them, in one place, on a line, and beyond the image."""
    between = [RNG.uniform(-6, 40, 2 * RNG.integers(3, 12)).tolist() for _ in range(150)]
    on_pixels = [RNG.integers(0, 25, 2 * RNG.integers(3, 9)).astype(float).tolist() for _ in range(150)]
    halves = [(RNG.integers(0, 50, 2 * RNG.integers(3, 9)) / 2).tolist() for _ in range(100)]
    return [
        *between,
        *on_pixels,
        *halves,
        [4.0] * 6,
        [2.0, 3, 20, 3, 9, 3],
        [0.0, 0, WIDTH, 0, WIDTH, HEIGHT, 0, HEIGHT],
    ]


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (40, 9)])
def test_outlines_have_the_pixels_of_pycocotools(size: tuple[int, int]):
    for points in outlines():
        corners = np.array(points).reshape(-1, 2)
        if (corners.max(axis=0) < 0).any() or (corners.min(axis=0) > size[::-1]).any():
            continue
        expected = of_pycocotools(points, size)
        pairs = list(zip(points[::2], points[1::2], strict=True))
        assert np.array_equal(drawn(Polygon(points), size), expected), points
        assert np.array_equal(drawn(Polygon(pairs), size), expected), pairs


def test_compressed_and_plain_run_lengths_have_the_pixels_of_pycocotools():
    for density in (0.0, 0.02, 0.5, 0.97, 1.0):
        mask = (RNG.random((HEIGHT, WIDTH)) < density).astype(np.uint8)
        text = coco.encode(np.asfortranarray(mask))["counts"].decode()
        assert np.array_equal(drawn(CocoRuns((HEIGHT, WIDTH), text)), mask)
        assert np.array_equal(drawn(CocoRuns((HEIGHT, WIDTH), CocoRuns((HEIGHT, WIDTH), text).lengths)), mask)


def test_large_run_lengths_are_decompressed():
    lengths = [70000, 3, 65536, 1, 2, 99999, 5]
    runs = coco.frPyObjects({"size": [sum(lengths), 1], "counts": lengths}, sum(lengths), 1)
    assert CocoRuns((sum(lengths), 1), runs["counts"].decode()).lengths == lengths


def encoded(mask: np.ndarray) -> str:
    """Return the pairs of Kaggle's competitions by a plain loop down the columns."""
    flat, pairs, start = [*mask.T.ravel().tolist(), 0], [], None
    for number, pixel in enumerate(flat, 1):
        if pixel and start is None:
            start = number
        elif not pixel and start is not None:
            pairs += [start, number - start]
            start = None
    return " ".join(map(str, pairs))


@pytest.mark.parametrize("by_rows", [False, True])
def test_pairs_of_start_and_length_are_pixels_from_1_on(by_rows: bool):
    mask = (RNG.random((HEIGHT, WIDTH)) < 0.4).astype(np.uint8)
    text = encoded(mask.T if by_rows else mask)
    assert np.array_equal(drawn(RunLengths(text, by_rows)), mask)


def decoded_relatively(text: str, width: int, height: int) -> np.ndarray:
    """Return a mask by the loop that the SIIM-ACR competition published, H×W: its rows were the columns of images."""
    flat, position = np.zeros(width * height, np.uint8), 0
    numbers = [int(number) for number in text.split()]
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        position += start
        flat[position : position + length] = 1
        position += length
    return flat.reshape(width, height).T


@pytest.mark.parametrize("text", ["0 3 6 5", "7 1 0 4 22 30", "712 1", " ".join(["2 1"] * 200), "0 713"])
def test_relative_starts_count_from_the_end_of_the_run_before(text: str):
    expected = decoded_relatively(text, WIDTH, HEIGHT)
    assert expected.any()
    assert np.array_equal(drawn(RunLengths.of_relative(text)), expected)
    by_rows = decoded_relatively(text, HEIGHT, WIDTH).T
    assert np.array_equal(drawn(RunLengths.of_relative(text, by_rows=True)), by_rows)


def test_a_box_covers_pixels_whose_centres_lie_in_it():
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    for left, top, width, height in [(0, 0, WIDTH, HEIGHT), (3, 4, 5, 6), (2.5, 3.49, 7.2, 1.1), (30, 22, 1, 1)]:
        expected = (x >= left) & (x < left + width) & (y >= top) & (y < top + height)
        assert np.array_equal(drawn(Box(left, top, width, height)), expected)


def png(mask: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode()


def test_shapes_of_labelme_are_drawn_by_pillow():
    polygon, rectangle, circle = [(3.2, 4.9), (20.1, 6), (11, 17.5)], [(20, 12), (4, 3)], [(12, 10), (15, 14)]
    expected: dict[str, Any] = {
        "polygon": lambda draw: draw.polygon(polygon, outline=1, fill=1),
        "rectangle": lambda draw: draw.rectangle([4, 3, 20, 12], outline=1, fill=1),
        "circle": lambda draw: draw.ellipse([7, 5, 17, 15], outline=1, fill=1),
        "line": lambda draw: draw.line(rectangle, fill=1, width=10),
        "point": lambda draw: draw.ellipse([7, 5, 17, 15], outline=1, fill=1),
    }
    points = {"polygon": polygon, "rectangle": rectangle, "circle": circle, "line": rectangle, "point": [(12, 10)]}
    for kind, draw in expected.items():
        canvas = Image.new("L", (WIDTH, HEIGHT))
        draw(ImageDraw.Draw(canvas))
        assert np.array_equal(drawn(LabelmeShape(kind, points[kind])), np.asarray(canvas)), kind
    part = np.array([[0, 255, 255], [255, 0, 255]], np.uint8)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[7:9, 5:8] = part // 255
    assert np.array_equal(drawn(LabelmeShape("mask", [(5, 7), (7, 8)], png(part))), mask)


def test_later_shapes_lie_above_earlier_ones():
    parts = [Part(1, Box(0, 0, 4, 4), ""), Part(2, Box(2, 0, 4, 2), ""), Part(0, Box(0, 0, 1, 1), "")]
    expected = np.zeros((5, 7), np.uint8)
    expected[:4, :4], expected[:2, 2:6], expected[0, 0] = 1, 2, 0
    assert np.array_equal(Drawing(parts).draw((5, 7)).pixels, expected)


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        (Box(28, 2, 4, 4), "x 28 to 32.*outside the image, which is 31 wide and 23 high"),
        (Box(-1, 2, 4, 4), "outside the image"),
        (Box(1, 2, 0, 4), r"0×4"),
        (RunLengths("700 20"), r"pixel 719, but the image of 23×31 pixels has 713.*another size"),
        (RunLengths("0 20"), "pixel 0.*starts: relative"),
        (RunLengths("5 9223372036854775806"), "9223372036854775806, and no image has so many pixels"),
        (RunLengths("99999999999999999999 3"), "99999999999999999999, and no image has so many pixels"),
        (RunLengths.of_relative("700 10 0 4"), r"pixel 714, but the image of 23×31 pixels has 713"),
        (RunLengths("1 2 3"), "no run lengths"),
        (RunLengths("[1, 2]"), "no run lengths"),
        (CocoRuns((31, 23), [10, 3, 700]), "31×23 pixels, the image has 23×31"),
        (CocoRuns((HEIGHT, WIDTH), [10, 3]), "13 pixels, not the 713"),
        (CocoRuns((HEIGHT, WIDTH), "é"), "character"),
        (CocoRuns((HEIGHT, WIDTH), "P"), "within a number"),
        (Polygon([1, 2, 3, 4]), "2 points.*three"),
        (Polygon([(1, 2), (3, 4)]), "2 points.*three"),
        (Polygon([(1, 2), (3,), (5, 6)]), "5 coordinates"),
        (Polygon([1, 2, 3, 4, 5, 6, 7]), "7 coordinates"),
        (Polygon([1, 2, 3, float("nan"), 5, 6]), "finite"),
        (Polygon([50, 2, 60, 4, 50, 6]), "outside the image"),
        (LabelmeShape("polygon", [(1, 2), (3, 4)]), "2 points.*3 points or more"),
        (LabelmeShape("circle", [(1, 2)]), "2 points"),
        (LabelmeShape("ellipse", [(1, 2)]), "'ellipse'.*polygon"),
        (LabelmeShape("mask", [(1, 2), (3, 4)], "AAAA"), "damaged"),
        (LabelmeShape("mask", [(30, 2), (33, 4)], png(np.full((2, 3), 255, np.uint8))), "outside the image"),
    ],
    ids=repr,
)
def test_shapes_that_fit_no_image_are_refused(shape: Shape, why: str):
    with pytest.raises(MMLError, match=f"table, line 3: .*{why}"):
        Drawing([Part(1, shape, "table, line 3")]).draw((HEIGHT, WIDTH))


def test_an_image_of_another_size_than_stated_is_refused():
    with pytest.raises(MMLError, match=r"a\.json, annotation 7: .*31×23 pixels, it has 23×31; .*orientation"):
        Drawing([Part(1, Box(0, 0, 1, 1), "a.json, annotation 7")], (WIDTH, HEIGHT)).draw((HEIGHT, WIDTH))


def test_a_creator_of_ones_own_states_shapes(tmp_path: Path):
    write_pictures(tmp_path, "a.png", "b.png")
    image = AnnotatedImage(Sample("a", "a.png"), [Annotation("mass", Box(3, 4, 5, 6), "row 2")])
    images = [image, AnnotatedImage(Sample("b", "b.png"))]
    delivery = draw_masks(annotated_delivery(images, "semantic_segmentation"), tmp_path, 1)
    assert (delivery.classes, delivery.drawings) == (["background", "mass"], {})
    assert [sample.mask for sample in delivery.samples] == ["masks/000000.png", "EMPTY_MASK_TOKEN"]
    assert np.argwhere(np.asarray(Image.open(tmp_path / "masks/000000.png"))).tolist() == [
        [row, column] for row in range(4, 10) for column in range(3, 8)
    ]
    labels = annotated_delivery(images, "multilabel_classification")
    assert [sample.label for sample in labels.samples] == [{"mass": 1.0}, {}]


def full_runs(covered: int) -> CocoRuns:
    return CocoRuns((HEIGHT, WIDTH), [HEIGHT * WIDTH - covered, covered])


@pytest.mark.parametrize(
    ("unseen", "seen"),
    [
        (Box(3.6, 4, 0.8, 5), Box(3.4, 4, 0.8, 5)),
        (Box(WIDTH, 4, 0.4, 5), Box(WIDTH - 0.6, 4, 0.4, 5)),
        (Polygon([3, 3, 3.2, 3, 3.2, 3.2, 3, 3.2]), Polygon([3, 3, 5, 3, 5, 5, 3, 5])),
        (RunLengths("5 0"), RunLengths("5 0 7 1")),
        (RunLengths("5 0", by_rows=True), RunLengths("5 1", by_rows=True)),
        (full_runs(0), full_runs(1)),
        (LabelmeShape("mask", [(1, 2), (3, 4)], png(np.zeros((2, 3), np.uint8))), LabelmeShape("point", [(1, 2)])),
    ],
    ids=repr,
)
def test_shapes_that_cover_no_pixel_are_recognised(unseen: Shape, seen: Shape):
    drawing = Drawing([Part(1, Box(0, 0, WIDTH, HEIGHT), "all"), Part(1, unseen, "unseen"), Part(1, seen, "seen")])
    assert drawing.draw((HEIGHT, WIDTH)).unseen == ("unseen",)
    assert not drawn(unseen).any()
    assert drawn(seen).any()


def test_shapes_that_cover_no_pixel_are_counted_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_pictures(tmp_path, "a.png", "b.png")
    speck, lesion = Box(3.6, 4, 0.8, 5), Box(3, 4, 5, 6)
    images = [
        AnnotatedImage(Sample("a", "a.png"), [Annotation("mass", speck, "row 2"), Annotation("mass", lesion, "row 3")]),
        AnnotatedImage(Sample("b", "b.png"), [Annotation("mass", speck, "row 4")]),
    ]
    delivery = draw_masks(annotated_delivery(images, "semantic_segmentation"), tmp_path, 2)
    assert [sample.mask for sample in delivery.samples] == ["masks/000000.png", "EMPTY_MASK_TOKEN"]
    (line,) = capsys.readouterr().out.splitlines()
    assert mentions(line, "warning: 2 shapes", "row 2, row 4;", "remove")
