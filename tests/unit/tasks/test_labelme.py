"""The creator `labelme`: masks next to Pillow, labels, images without annotations, and mistakes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.tasks.targets import Targets
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.annotated_images import HEIGHT, WIDTH, made, masks_of, write_json, write_pictures
from tests.support.image_folders import sample_fields
from tests.support.plans import check_plan, deliver

TRIANGLE, SQUARE, HOLE = [[2, 3], [14, 4], [11, 12]], [[8, 2], [20, 2], [20, 15], [8, 15]], [[10, 5], [15, 9]]


def shape(label: str, points: Any, kind: str = "polygon") -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}}


def write(root: Path, name: str, *shapes: dict[str, Any], image: str | None = None, **keys: Any) -> Path:
    size = {"imageHeight": HEIGHT, "imageWidth": WIDTH}
    content = {"version": "5.4.1", "shapes": [*shapes], "imagePath": image or f"{name}.png", "imageData": None}
    return write_json(root / f"{name}.json", {**content, **size, **keys})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = write_pictures(tmp_path / "own", "a.png", "b.png", "c.png", "d.png")
    write(folder, "a", shape("cell", SQUARE), shape("_background_", HOLE, "rectangle"), shape("vessel", TRIANGLE))
    write(folder, "b", shape("cell", TRIANGLE), shape("__ignore__", HOLE, "rectangle"))
    write(folder, "c")
    return folder


def drawn(*shapes: tuple[str, Any, int]) -> np.ndarray:
    image = Image.new("L", (WIDTH, HEIGHT))
    for kind, points, value in shapes:
        getattr(ImageDraw.Draw(image), kind)([tuple(point) for point in points], outline=value, fill=value)
    return np.asarray(image)


def test_masks_are_drawn_as_labelme_draws_them(root: Path, tmp_path: Path):
    data = made("labelme", root, tmp_path / "made")
    assert data.delivery.classes == ["background", "cell", "vessel"]
    masks = masks_of(data)
    assert [*masks] == ["a.png", "b.png", "c.png", "d.png"]
    first = drawn(("polygon", SQUARE, 1), ("rectangle", HOLE, 0), ("polygon", TRIANGLE, 2))
    assert np.array_equal(masks["a.png"], first)
    assert np.array_equal(masks["b.png"], drawn(("polygon", TRIANGLE, 1), ("rectangle", HOLE, 255)))
    assert not masks["c.png"].any()
    assert not masks["d.png"].any()
    assert Targets.of(data, None, "t").classes == ["background", "cell", "vessel"]


def test_images_without_a_file_are_named_or_unlabelled(root: Path, tmp_path: Path, capsys):
    made("labelme", root, tmp_path / "made")
    text = " ".join(capsys.readouterr().out.split())
    assert "1 of 4 images have no JSON file and count as empty" in text
    delivery = deliver("labelme", root, unannotated="unlabelled")
    assert sample_fields(delivery, "split") == [None, None, None, "unlabelled"]
    assert delivery.samples[3].mask is None


def test_labels_that_occur_are_labels_of_the_image(root: Path):
    delivery = deliver("labelme", root, task_type="multilabel_classification", classes=["cell", "vessel"])
    assert deliver("labelme", root, task_type="multilabel_classification").samples == delivery.samples
    assert sample_fields(delivery, "label") == [{"cell": 1.0, "vessel": 1.0}, {"cell": 1.0}, {}, {}]


def test_images_lie_where_their_file_says(tmp_path: Path):
    write_pictures(tmp_path, "pictures/x_1.png", "pictures/y_1.png")
    write(tmp_path / "shapes", "first", shape("cell", SQUARE), image="..\\pictures\\x_1.png")
    write(tmp_path / "shapes", "second", shape("cell", TRIANGLE), image="../pictures/y_1.png")
    delivery = deliver("labelme", tmp_path, layout="pictures/{group}_*.png")
    assert sample_fields(delivery, "id", "group") == [("pictures/x_1.png", "x"), ("pictures/y_1.png", "y")]


def test_folders_of_splits_are_splits(tmp_path: Path):
    for split in ("train", "valid", "test"):
        write_pictures(tmp_path / split, "a.png")
        write(tmp_path / split, "a", shape("cell", SQUARE))
    assert sample_fields(deliver("labelme", tmp_path), "id", "split") == [
        ("test/a.png", "test"),
        ("train/a.png", "train"),
        ("valid/a.png", "val"),
    ]


def test_a_task_is_made_as_planned_and_follows_its_files(root: Path, tmp_path: Path):
    task = Task(creator="labelme", path=str(root), folds=2, test_fraction=0)
    before = TaskIdentity.of("t", task)
    write(root, "d", shape("vessel", SQUARE))
    assert TaskIdentity.of("t", task).dataset != before.dataset
    labels = Task(creator="labelme", path=str(root), folds=2, test_fraction=0, task_type="multilabel_classification")
    check_plan(labels, tmp_path / "made")


@pytest.mark.parametrize(
    ("shapes", "keys", "why"),
    [
        ([shape("cell", [[1, 2], [3, 4]])], {}, r"shape 1: the polygon has 2 points; .*3"),
        ([shape("cell", SQUARE), shape("cell", [[1, 2, 3]])], {}, "shape 2 has no points"),
        ([shape("", SQUARE)], {}, "shape 1 has no label"),
        ([shape("cell", SQUARE, "blob")], {}, "'blob' is not a shape"),
        ([shape("cell", [["a", "b"]] * 3)], {}, "not a finite number"),
        ([{"label": "cell", "points": [[1, 2]] * 2, "shape_type": "mask", "mask": 7}], {}, "the mask has no picture"),
        ([shape("cell", [[1, None], [2, 3], [4, 5]])], {}, "not a finite number"),
        ([], {"shapes": None}, "no list 'shapes'.*labelme"),
        ([], {"image": "other.png"}, "its image 'other.png' does not exist, and 0 images"),
    ],
)
def test_wrong_files_are_refused_while_planning(root: Path, shapes: list, keys: dict[str, Any], why: str):
    write(root, "wrong", *shapes, **({"image": "d.png"} | keys))
    with pytest.raises(MMLError, match=rf"wrong\.json.*{why}"):
        TaskIdentity.of("t", Task(creator="labelme", path=str(root)))


def test_two_files_of_one_image_and_damaged_ones_are_refused(root: Path):
    write(root, "again", shape("cell", SQUARE), image="a.png")
    with pytest.raises(MMLError, match=r"a\.json and .*again\.json are annotations of one image"):
        deliver("labelme", root)
    (root / "again.json").write_text("{")
    with pytest.raises(MMLError, match=r"again\.json is not JSON"):
        deliver("labelme", root)


def test_images_of_another_size_are_refused(root: Path, tmp_path: Path):
    write(root, "d", shape("cell", SQUARE), imageHeight=WIDTH, imageWidth=HEIGHT)
    with pytest.raises(MMLError, match=r"d\.json, shape 1: .*30×20 pixels, it has 20×30; .*orientation"):
        made("labelme", root, tmp_path / "made")


def test_folders_without_files_and_unknown_labels_are_refused(root: Path, tmp_path: Path):
    with pytest.raises(MMLError, match="holds no JSON file"):
        deliver("labelme", write_pictures(tmp_path / "none", "a.png"))
    with pytest.raises(MMLError, match="'cel', did you mean 'cell'"):
        deliver("labelme", root, classes=["cel"])


def test_unknown_labels_leave_out_pixels_or_images(root: Path, tmp_path: Path):
    data = made("labelme", root, tmp_path / "made", unknown=["vessel"])
    assert data.delivery.classes == ["background", "cell"]
    whole = masks_of(made("labelme", root, tmp_path / "whole"))
    for name, mask in masks_of(data).items():
        assert np.array_equal(mask, np.where(whole[name] == 2, 255, whole[name])), name
    delivery = deliver("labelme", root, task_type="multilabel_classification", unknown=["vessel"])
    assert sample_fields(delivery, "id", "label", "split")[:2] == [
        ("a.png", None, "unlabelled"),
        ("b.png", {"cell": 1.0}, None),
    ]
    task = Task(creator="labelme", path=str(root), task_type="multilabel_classification", unknown=["vessel"])
    assert TaskIdentity.of("t", task).has_unlabelled
