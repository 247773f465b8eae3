"""Helpers of creators: files, tables, images and masks, next to independent computations."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.tasks.creators import (
    EMPTY_MASK_TOKEN,
    Box,
    Polygon,
    draw_mask,
    find_files,
    mask_of_colors,
    merge_masks,
    state_of_files,
    table_rows,
    text_in,
    unpack_archive,
    write_image,
    write_mask,
)


def test_files_are_found_in_natural_order_without_litter(tmp_path: Path):
    for name in ("a/img10.png", "a/img2.png", "b/c/img1.png", "b/x.txt", ".hidden.png", "__MACOSX/img3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    names = [str(file.relative_to(tmp_path)) for file in find_files(tmp_path, "*.png")]
    assert names == ["a/img2.png", "a/img10.png", "b/c/img1.png"]
    assert find_files(tmp_path, "b/*/*.png") == [tmp_path / "b/c/img1.png"]
    with pytest.raises(MMLError, match=rf"{tmp_path} holds no file \*.tif"):
        find_files(tmp_path, "*.tif")
    with pytest.raises(MMLError, match="nowhere does not exist"):
        find_files(tmp_path / "nowhere")


def test_the_state_of_files_follows_content_name_and_arguments(tmp_path: Path):
    states = []
    for name, content, further in [("a", b"1", 0), ("a", b"2", 0), ("b", b"1", 0), ("a", b"1", 1), ("a", b"1", 0)]:
        (tmp_path / name).write_bytes(content)
        states.append(state_of_files([tmp_path / name], further))
    assert len(set(states)) == 4
    assert states[0] == states[-1]


def test_parts_of_names(tmp_path: Path):
    assert text_in("/data/p12/p17_004.png", r"(p\d+)_") == "p17"
    with pytest.raises(MMLError, match=r"'x.png' does not fit"):
        text_in("x.png", r"(p\d+)_")
    with pytest.raises(MMLError, match="has 0 groups; write one"):
        text_in("p1_.png", r"p\d+")


def test_rows_of_a_table(tmp_path: Path):
    (tmp_path / "t.csv").write_text("id; name ;group\n1; a;\n2;b\n")
    rows = table_rows(tmp_path / "t.csv")
    assert rows == [{"id": "1", "name": "a", "group": ""}, {"id": "2", "name": "b", "group": ""}]
    with pytest.raises(MMLError, match=r"t.csv, line 2: there is no column 'nam', did you mean 'name'"):
        rows[0]["nam"]
    for text, line in [
        ("a,a\n1,2\n", "column 'a' appears twice"),
        ("a,b\n1,2,3\n", "line 2: there are 3 cells, 2"),
        ("", "empty"),
    ]:
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(MMLError, match=line):
            table_rows(tmp_path / "t.csv")


def test_an_archive_is_unpacked_again_after_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"a"))
    (tmp_path / "files").mkdir()
    (tmp_path / "files/half").write_text("half")
    monkeypatch.chdir(tmp_path)
    folder = unpack_archive("x.tar.gz", Path("files"))
    assert folder == tmp_path / "files"
    assert [file.name for file in folder.iterdir()] == ["a.txt"]
    with pytest.raises(MMLError, match=r"y.zip does not exist"):
        unpack_archive("y.zip", "other")
    with pytest.raises(MMLError, match="variable MML_NO_SUCH"):
        unpack_archive("x.tar.gz", "other", password_variable="MML_NO_SUCH")


@pytest.mark.parametrize(
    ("kind", "shape", "suffix"),
    [
        ("uint8", (5, 7), ".png"),
        ("uint8", (5, 7, 3), ".png"),
        ("uint8", (5, 7, 1), ".png"),
        ("uint16", (5, 7), ".png"),
        ("uint16", (5, 7, 3), ".npy"),
        ("uint8", (5, 7, 5), ".npy"),
        ("float32", (5, 7), ".npy"),
    ],
)
def test_images_are_written_without_loss(tmp_path: Path, kind: str, shape: tuple, suffix: str):
    pixels = (np.random.default_rng(0).random(shape) * (1 if kind == "float32" else 250)).astype(kind)
    name = write_image(tmp_path, "images/a.b", pixels)
    assert name == f"images/a.b{suffix}"
    file = tmp_path / name
    read = np.load(file) if suffix == ".npy" else np.asarray(Image.open(file))
    np.testing.assert_array_equal(read, pixels[:, :, 0] if shape[2:] == (1,) else pixels)


@pytest.mark.parametrize("pixels", [np.zeros(4), np.zeros((0, 3)), np.array([["a"]]), np.zeros((2, 2, 2, 2))])
def test_arrays_that_are_no_images_are_refused(tmp_path: Path, pixels: np.ndarray):
    with pytest.raises(MMLError, match=r"the image 'a' is .*H×W"):
        write_image(tmp_path, "a", pixels)


def test_names_stay_within_the_folder(tmp_path: Path):
    for write in (write_image, write_mask):
        with pytest.raises(MMLError, match=r"'\.\./a.png' leads out of the data set's folder"):
            write(tmp_path, "../a", np.ones((2, 2), np.uint8))


def test_masks_are_written_and_empty_ones_are_named(tmp_path: Path):
    mask = np.eye(4, dtype=bool)
    name = write_mask(tmp_path, "masks/a", mask)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / name)), np.eye(4))
    assert write_mask(tmp_path, "b", np.zeros((4, 4), int)) == EMPTY_MASK_TOKEN
    for wrong in (np.full((2, 2), 256), np.full((2, 2), -1), np.ones((2, 2)), np.ones((2, 2, 3), np.uint8)):
        with pytest.raises(MMLError, match="the mask 'c'"):
            write_mask(tmp_path, "c", wrong)


def test_masks_of_classes_are_merged(tmp_path: Path):
    rng = np.random.default_rng(1)
    first, second = rng.random((2, 6, 8)) > 0.5
    Image.fromarray(second.astype(np.uint8) * 255).save(tmp_path / "second.png")
    merged = merge_masks({2: first, 1: tmp_path / "second.png"})
    assert merged.tolist() == [[1 if second[y, x] else 2 if first[y, x] else 0 for x in range(8)] for y in range(6)]
    with pytest.raises(MMLError, match="the mask of class 3 has 2×2 pixels, the ones before it 6×8"):
        merge_masks({1: first, 3: np.ones((2, 2))})
    for masks, line in [
        ({}, "no masks"),
        ({0: first}, "0 is not a class number"),
        ({256: first}, "256 is not a class"),
    ]:
        with pytest.raises(MMLError, match=line):
            merge_masks(masks)


def test_colours_become_class_numbers(tmp_path: Path):
    palette = np.array([[0, 0, 0], [255, 0, 0], [200, 0, 0], [255, 255, 255]], np.uint8)
    chosen = np.random.default_rng(2).integers(0, 4, (5, 9))
    Image.fromarray(palette[chosen]).save(tmp_path / "m.png")
    colors = {0: (0, 0, 0), 1: [(255, 0, 0), (200, 0, 0)], 255: (255, 255, 255)}
    np.testing.assert_array_equal(mask_of_colors(tmp_path / "m.png", colors), np.array([0, 1, 1, 255])[chosen])
    picture = palette[chosen].copy()
    picture[3, 4] = (1, 2, 3)
    with pytest.raises(MMLError, match=r"colour \[1, 2, 3\] \(x 4, y 3\), which is of no class"):
        mask_of_colors(picture, colors)
    with pytest.raises(MMLError, match="must be uint8 H×W×3"):
        mask_of_colors(picture[:, :, 0], colors)


def test_shapes_are_drawn_over_each_other():
    mask = draw_mask((8, 10), [(1, Box(1, 1, 5, 4)), (2, Polygon([3, 2, 9, 2, 9, 7, 3, 7]))])
    expected = np.zeros((8, 10), np.uint8)
    expected[1:5, 1:6] = 1
    expected[2:7, 3:9] = 2
    np.testing.assert_array_equal(mask, expected)
    with pytest.raises(MMLError, match=r"row 7: the box .* lies outside the image"):
        draw_mask((8, 10), [(1, Box(5, 5, 9, 9))], where="row 7")
