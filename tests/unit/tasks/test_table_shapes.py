"""Boxes and run lengths in tables, images found by wildcards, and several images a row."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.tasks.creators.creator_registry import read_metadata
from mml_lib.tasks.mask_classes import check_masks
from mml_lib.tasks.targets import Targets
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.annotated_images import HEIGHT, WIDTH, made, masks_of, write_pictures
from tests.support.image_folders import sample_fields
from tests.support.plans import check_plan, deliver

EXTENT = {"x": "left", "y": "top", "width": "w", "height": "h"}
CORNERS = {"x1": "left", "y1": "top", "x2": "w", "y2": "h"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "own", *(f"images/{name}.png" for name in "abcd"))


def write(root: Path, text: str) -> Path:
    (root / "table.csv").write_text(text)
    return root / "table.csv"


def blank() -> np.ndarray:
    return np.zeros((HEIGHT, WIDTH), np.uint8)


def columns(**mapping: Any) -> dict[str, Any]:
    return {"image": "images/{id}.png", **mapping}


def test_boxes_of_several_rows_are_the_mask_of_an_image(root: Path, tmp_path: Path):
    text = "id,left,top,w,h,kind\na,2,3,4,5,mass\nb,,,,,\na,4,3,6,2,nodule\nc,0,0,30,20,mass"
    path = write(root, text)
    data = made("csv", path, tmp_path / "made", columns=columns(box=EXTENT, label="kind"))
    first, whole = blank(), blank() + 1
    first[3:8, 2:6] = 1
    first[3:5, 4:10] = 2  # a later row lies above
    masks = masks_of(data)
    assert data.delivery.classes == ["background", "mass", "nodule"]
    assert list(masks) == ["images/a.png", "images/b.png", "images/c.png"]
    for mask, expected in zip(masks.values(), (first, blank(), whole), strict=True):
        assert np.array_equal(mask, expected)
    assert Targets.of(data, None, "t").classes == ["background", "mass", "nodule"]


def test_boxes_by_corners_have_one_class_without_a_column_of_it(root: Path, tmp_path: Path):
    path = write(root, "id,left,top,w,h\na,2,3,6,8\nb,0.5,0,30.4,20")
    data = made("csv", path, tmp_path / "made", columns=columns(box=CORNERS))
    expected, wide = blank(), blank()
    expected[3:8, 2:6], wide[:, 0:] = 1, 1
    assert [*map(np.ndarray.tolist, masks_of(data).values())] == [expected.tolist(), wide.tolist()]
    assert data.delivery.classes == ["background", "foreground"]


def test_canonical_names_of_columns_may_be_listed(root: Path):
    path = write(root, "id,x,y,width,height\na,2,3,6,8")
    listed = deliver("csv", path, columns=columns(box=["x", "y", "width", "height"]))
    named = deliver("csv", path, columns=columns(box={name: name for name in ("x", "y", "width", "height")}))
    assert listed.drawings == named.drawings


def test_boxes_have_the_size_of_images_of_any_format(tmp_path: Path):
    (tmp_path / "own").mkdir()
    shutil.copy(get_testdata_file("CT_small.dcm"), tmp_path / "own" / "ct.dcm")
    path = write(tmp_path / "own", "id,left,top,w,h\nct,100,3,28,125")
    data = made("csv", path, tmp_path / "made", columns={"image": "{id}.*", "box": EXTENT})
    expected = np.zeros((128, 128), np.uint8)
    expected[3:128, 100:128] = 1
    assert np.array_equal(masks_of(data)["ct.dcm"], expected)


@pytest.mark.parametrize("order", ["columns", "rows"])
def test_run_lengths_are_masks(root: Path, tmp_path: Path, order: str):
    text = "id,runs,kind\na,1 3 21 2,x\na,50 10,y\nb,-1,\nc,,x\nd,600 1,y"
    value = "runs" if order == "columns" else {"column": "runs", "order": "rows"}
    data = made("csv", write(root, text), tmp_path / "made", columns=columns(rle=value, label="kind"))
    flat = {"a": [0] * 600, "d": [0] * 600}
    flat["a"][0:3] = [1] * 3
    flat["a"][20:22] = [1] * 2
    flat["a"][49:59] = [2] * 10
    flat["d"][599] = 2
    shape = (WIDTH, HEIGHT) if order == "columns" else (HEIGHT, WIDTH)
    for name, mask in masks_of(data).items():
        expected = np.array(flat.get(Path(name).stem, [0] * 600)).reshape(shape)
        assert np.array_equal(mask, expected.T if order == "columns" else expected), name


def test_run_lengths_may_have_relative_starts(root: Path, tmp_path: Path):
    absolute = write(root, "id,runs\na,1 3 21 2\na,50 10\nb,-1\nd,600 1")
    masks = masks_of(made("csv", absolute, tmp_path / "absolute", columns=columns(rle="runs")))
    relative = write(root, "id,runs\na,0 3 17 2\na,49 10\nb, -1\nd,599 1")
    value = {"column": "runs", "starts": "relative"}
    others = masks_of(made("csv", relative, tmp_path / "relative", columns=columns(rle=value)))
    assert [*map(np.ndarray.tolist, others.values())] == [*map(np.ndarray.tolist, masks.values())]
    with pytest.raises(MMLError, match=r"columns\.rle: starts is 'delta'; write absolute or relative"):
        deliver("csv", relative, columns=columns(rle=value | {"starts": "delta"}))


def test_shapes_of_a_class_that_the_task_ignores_are_no_pixels_of_a_class(root: Path, tmp_path: Path):
    path = write(root, "id,left,top,w,h,kind\na,2,3,4,5,ignore\nb,1,1,2,2,mass\nc,1,1,3,3,?")
    arguments = {"columns": columns(box=EXTENT, label="kind"), "unknown": ["?"]}
    data = made("csv", path, tmp_path / "made", **arguments)
    targets = Targets.of(data, None, "t")
    assert targets.classes == ["background", "mass"]
    assert targets.values.tolist() == [[580, 0], [596, 4], [591, 0]]
    assert not [line for line in check_masks(data, None, "t") if "255" in line]


def test_drawn_masks_are_the_same_each_time(root: Path, tmp_path: Path):
    path = write(root, "id,left,top,w,h,kind\na,2,3,4,5,m\nb,1,1,2,2,n")
    for name in ("first", "second"):
        made("csv", path, tmp_path / name, columns=columns(box=EXTENT, label="kind"))
    files = [sorted((tmp_path / name / "masks").iterdir()) for name in ("first", "second")]
    assert [file.name for file in files[0]] == ["000000.png", "000001.png"]
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]


def test_a_task_of_boxes_is_made_as_planned(root: Path, tmp_path: Path):
    rows = [f"{name},{number},3,4,5,m,{name}" for number, name in enumerate("abcd")]
    path = write(root, "\n".join(["id,left,top,w,h,kind,patient", *rows]))
    mapping = columns(box=EXTENT, label="kind", group="patient")
    before = TaskIdentity.of("t", Task(creator="csv", path=str(path), columns=mapping))
    assert before.task_type == "semantic_segmentation"
    write(root, path.read_text().replace("a,0", "a,1"))
    assert TaskIdentity.of("t", Task(creator="csv", path=str(path), columns=mapping)).dataset != before.dataset
    delivery = deliver("csv", path, columns=mapping)
    assert sample_fields(delivery, "group") == ["a", "b", "c", "d"]


def test_classes_of_shapes_are_labels_of_a_classification(root: Path):
    text = "id,left,top,w,h,kind\na,2,3,4,5,m\na,2,3,4,5,n\nb,,,,,\nc,1,1,1,1,m"
    several = deliver(
        "csv", write(root, text), task_type="multilabel_classification", columns=columns(box=EXTENT, label="kind")
    )
    assert sample_fields(several, "label") == [{"m": 1.0, "n": 1.0}, {}, {"m": 1.0}]
    text = "id,left,top,w,h,kind\na,2,3,4,5,1\na,6,3,4,5,1\nb,,,,,0"
    arguments = {"task_type": "classification", "columns": columns(box=EXTENT, label="kind")}
    assert sample_fields(deliver("csv", write(root, text), **arguments), "label") == ["1", "0"]
    boxes = read_metadata("csv", {"path": str(root / "table.csv"), **arguments}, ["left", "kind"])
    assert boxes == {
        "left": {"images/a.png": "2|6", "images/b.png": ""},
        "kind": {"images/a.png": "1", "images/b.png": "0"},
    }


def test_shapes_of_a_table_that_is_to_be_downloaded_are_checked_while_planning():
    files = [{"url": "https://example.org/t.zip", "sha256": f"{7**75:064x}"[-64:]}]
    keys: dict[str, Any] = {"creator": "csv", "path": "t.csv", "downloads": files}
    assert TaskIdentity.of("t", Task(**keys, columns=columns(rle="runs"))).task_type == "semantic_segmentation"
    with pytest.raises(MMLError, match=r"write box: \{x: "):
        TaskIdentity.of("t", Task(**keys, columns=columns(box={"x": "left", "y": "top"})))


def test_a_task_of_labels_is_planned_as_it_is_made(root: Path, tmp_path: Path):
    text = "id,left,top,w,h,kind\n" + "\n".join(
        f"{name},2,3,4,5,{kind}" for name, kind in zip("abcd", "mnmn", strict=True)
    )
    task = Task(
        creator="csv",
        path=str(write(root, text)),
        task_type="multilabel_classification",
        columns=columns(box=EXTENT, label="kind"),
        folds=2,
        test_fraction=0,
    )
    check_plan(task, tmp_path / "made")


@pytest.mark.parametrize(
    ("header", "rows", "mapping", "why"),
    [
        ("id,left,top,w,h", ["a,1,1,2,"], {"box": EXTENT}, "line 2: the column 'h' of the box is empty"),
        ("id,left,top,w,h", ["a,1,1,2,x"], {"box": EXTENT}, "line 2: the column 'h' has 'x'"),
        ("id,left,top,w,h", ["a,1,1,2,2", "b,9,5,4,7"], {"box": CORNERS}, "line 3: the box has -5×2 pixels"),
        ("id,left,top,w,h", ["a,1,1,2,1"], {"box": {**EXTENT, "x": "lefft"}}, "'lefft', which does not exist, .*left"),
        ("id,left,top,w,h", ["a,1,1,2,1"], {"box": ["left", "top", "w", "h"]}, r"write box: \{x: "),
        ("id,left,top,w,h", ["a,1,1,2,1"], {"box": EXTENT, "mask": "h"}, "box and mask"),
        ("id,left,top,w,h", ["a,1,1,2,1"], {"box": EXTENT, "image": ["id", "top"]}, r"columns\.box: .*one image"),
        ("id,left,top,w,h,k", ["a,1,1,2,1,"], {"box": EXTENT, "label": "k"}, "line 2: the column 'k' is empty"),
        (
            "id,left,top,w,h,g",
            ["a,1,1,2,1,p", "a,1,1,2,1,q"],
            {"box": EXTENT, "group": "g"},
            "line 3: .*group q.*line 2",
        ),
        ("id,runs", ["a,1 2 3"], {"rle": "runs"}, "line 2: '1 2 3' holds no run lengths"),
        ("id,runs", ["a,1 2"], {"rle": {"column": "runs", "order": "up"}}, "columns or rows"),
        ("id,runs", ["a,1 2"], {"rle": ["runs"]}, "write rle: "),
    ],
)
def test_wrong_shapes_are_refused_while_planning(root: Path, header: str, rows: list[str], mapping: dict, why: str):
    path = write(root, "\n".join([header, *rows]))
    with pytest.raises(MMLError, match=why):
        TaskIdentity.of("t", Task(creator="csv", path=str(path), columns=columns(**mapping)))


@pytest.mark.parametrize(
    ("header", "row", "mapping", "why"),
    [
        ("id,left,top,w,h", "a,28,1,4,2", {"box": EXTENT}, r"line 3: the box .* outside the image.*30 wide.*a\.png"),
        ("id,runs", "a,595 7", {"rle": "runs"}, r"line 3: .*pixel 601.*20×30 .*600.*another size.*a\.png"),
    ],
)
def test_shapes_that_do_not_fit_their_image_are_refused(root: Path, tmp_path: Path, header, row, mapping, why: str):
    path = write(root, "\n".join([header, "b,1 1" if "runs" in header else "b,1,1,1,1", row]))
    with pytest.raises(MMLError, match=why):
        made("csv", path, tmp_path / "made", columns=columns(**mapping))


def test_two_classes_of_one_image_are_refused_where_one_is_needed(root: Path):
    path = write(root, "id,left,top,w,h,kind\na,2,3,4,5,m\na,2,3,4,5,n\nb,1,1,1,1,m")
    task = Task(creator="csv", path=str(path), task_type="classification", columns=columns(box=EXTENT, label="kind"))
    with pytest.raises(MMLError, match=r"line 2: the image 'images/a.png' has the classes m, n.*multilabel"):
        TaskIdentity.of("t", task)


# --- templates and several images -----------------------------------------------------------------------------------


def test_a_star_in_a_template_finds_the_only_file(tmp_path: Path):
    write_pictures(tmp_path, "p1/s7_frontal.png", "p1/s70_frontal.png", "p2/x_s8.png")
    (tmp_path / "p2" / "x_s8.txt").touch()
    path = write(tmp_path, "patient,study,view,label\np1,s7,frontal,a\np1,s70,frontal,b")
    delivery = deliver("csv", path, columns={"image": "{patient}/{study}_*.png"})
    assert sample_fields(delivery, "id", "label") == [("p1/s7_frontal.png", "a"), ("p1/s70_frontal.png", "b")]
    write(tmp_path, "study,label\ns7,a\ns8,b")
    delivery = deliver("csv", path, columns={"image": "p*/*{study}*"}, filter="study == 's8'", task_type="no_task")
    assert sample_fields(delivery, "id") == ["p2/x_s8.png"]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{patient}/{study}*.png", r"line 2: .*2 images match: s70?_frontal\.png, s70?_frontal\.png"),
        ("{patient}/{study}_lateral*.png", "line 2: .*no image matches"),
        ("{patient/{study}.png", r"columns\.image: a brace of '\{patient/\{study\}\.png' has no partner"),
        ("{patient}/{study}.png", r"line 2: .*made by the template \{patient\}/\{study\}\.png, does not exist"),
        ("{patient}/{stduy}.png", "'stduy', which does not exist.*study"),
    ],
)
def test_a_template_that_matches_not_one_file_is_refused(tmp_path: Path, template: str, why: str):
    write_pictures(tmp_path, "p1/s7_frontal.png", "p1/s70_frontal.png")
    path = write(tmp_path, "patient,study,label\np1,s7,a\np1,s70,b")
    with pytest.raises(MMLError, match=why):
        TaskIdentity.of("t", Task(creator="csv", path=str(path), columns={"image": template}))


def test_several_images_of_a_row_are_samples_of_one_group(root: Path):
    path = write(root, "front,side,label\nimages/a.png,images/b.png,x\nimages/c.png,,y\n,images/d.png,x")
    delivery = deliver("csv", path, columns={"image": ["front", "side"]})
    assert sample_fields(delivery, "id", "label", "group") == [
        ("images/a.png", "x", "images/a.png"),
        ("images/b.png", "x", "images/a.png"),
        ("images/c.png", "y", "images/c.png"),
        ("images/d.png", "x", "images/d.png"),
    ]
    values = read_metadata("csv", {"path": str(path), "columns": {"image": ["front", "side"]}}, ["label"])
    assert values["label"] == {f"images/{name}.png": label for name, label in zip("abcd", "xxyx", strict=True)}


def test_images_of_a_row_keep_the_group_of_the_table(root: Path):
    path = write(root, "front,side,label,patient\na,b,x,p\nc,d,y,")
    mapping = {"image": ["images/{front}.png", "images/{side}.png"], "group": "patient"}
    assert sample_fields(deliver("csv", path, columns=mapping), "group") == ["p", "p", "images/c.png", "images/c.png"]


def test_rows_without_any_image_and_single_columns_in_a_list_are_refused(root: Path):
    path = write(root, "front,side,label\nimages/a.png,,x\n,,y")
    with pytest.raises(MMLError, match="line 3: the column 'front' and 'side' is empty"):
        deliver("csv", path, columns={"image": ["front", "side"]})
    with pytest.raises(MMLError, match=r"columns\.image: .*at least two"):
        deliver("csv", path, columns={"image": ["front"]})
