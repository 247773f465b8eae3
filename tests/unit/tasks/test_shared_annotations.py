"""Several tasks on the images and drawn masks of one annotated data set."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mml_lib.errors import MMLError
from mml_lib.tasks.targets import Targets
from tests.support.annotated_images import masks_of, write_json, write_pictures
from tests.support.image_folders import sample_fields
from tests.support.shared_data import make_dataset, match, shared_tasks

TABLE = """id,x,y,width,height,kind,sex
a,1,2,3,4,cyst,F
a,5,5,2,2,mass,F
b,,,,,,M
c,0,0,4,4,mass,M
d,2,2,2,2,cyst,F
"""
BOXES = {"creator": "csv", "path": "t.csv", "image": "{id}.png", "box": ["x", "y", "width", "height"], "label": "kind"}
OF_BOXES: dict[str, dict[str, Any]] = {
    "masks": {},
    "masses": {"filter": "kind == 'mass'"},
    "presence": {"task_type": "multilabel_classification"},
    "sex": {"label": "sex"},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path, *(f"{name}.png" for name in "abcd"))
    Path("t.csv").write_text(TABLE)
    return tmp_path


def test_masks_labels_and_other_columns_share_images_with_boxes():
    tasks = shared_tasks(BOXES, OF_BOXES)
    assert len({task.dataset for task in tasks.values()}) == 1
    dataset = make_dataset(tasks, "masks")
    expected = np.zeros((20, 30), np.uint8)
    expected[2:6, 1:4], expected[5:7, 5:7] = 1, 2
    assert np.array_equal(masks_of(dataset)["a.png"], expected)
    masks = match(tasks, "masks", dataset)[0]
    assert Targets.of(masks, None, "t").classes == ["background", "cyst", "mass"]
    assert masks.values == [{0: 584, 1: 12, 2: 4}, {0: 600}, {0: 584, 2: 16}, {0: 596, 1: 4}]
    presence = sample_fields(match(tasks, "presence", dataset)[0].delivery, "label")
    assert presence == [{"cyst": 1.0, "mass": 1.0}, {}, {"mass": 1.0}, {"cyst": 1.0}]
    assert sample_fields(match(tasks, "sex", dataset)[0].delivery, "label") == ["F", "M", "M", "F"]


def test_values_and_labels_of_images_with_several_boxes_are_read_once():
    Path("t.csv").write_text(
        "id,x,y,width,height,kind,age,edema,fibrosis\n"
        "a,1,2,3,4,cyst,20,1,0\na,5,5,2,2,mass,20,1,0\nb,,,,,,30,0,1\nc,0,0,4,4,mass,40,1,1\nd,2,2,2,2,cyst,50,0,0\n"
    )
    own = {
        "masks": {},
        "age": {"value": "age"},
        "years": {"label": "age", "task_type": "regression"},
        "marks": {"labels": ["edema", "fibrosis"]},
    }
    tasks = shared_tasks(BOXES, own)
    assert len({task.dataset for task in tasks.values()}) == 1
    dataset = make_dataset(tasks, "masks")
    for name in ("age", "years"):
        ages, rows = match(tasks, name, dataset)
        assert sample_fields(ages.delivery, "label") == [20.0, 30.0, 40.0, 50.0]
        assert rows == [0, 1, 2, 3]
    marks = sample_fields(match(tasks, "marks", dataset)[0].delivery, "label")
    assert [{name for name, value in label.items() if value} for label in marks] == [
        {"edema"},
        {"fibrosis"},
        {"edema", "fibrosis"},
        set(),
    ]
    Path("t.csv").write_text(Path("t.csv").read_text().replace("mass,20", "mass,21"))
    with pytest.raises(MMLError, match=r"t\.csv, line 3: .*'a\.png'.*line 2.*same"):
        shared_tasks(BOXES, {"age": {"value": "age"}})["age"].id  # noqa: B018


def test_a_task_of_some_rows_keeps_the_values_of_the_drawn_masks():
    tasks = shared_tasks(BOXES, OF_BOXES)
    masses = match(tasks, "masses", make_dataset(tasks, "masses"))[0]
    assert sample_fields(masses.delivery, "id") == ["a.png", "c.png"]
    assert Targets.of(masses, None, "t").values.tolist() == [[584, 12, 4], [584, 0, 16]]


def test_other_columns_draw_no_masks_again_and_other_boxes_do():
    before = {task.dataset for task in shared_tasks(BOXES, OF_BOXES).values()}
    Path("t.csv").write_text(TABLE.replace(",F", ",X"))
    assert {task.dataset for task in shared_tasks(BOXES, OF_BOXES).values()} == before
    Path("t.csv").write_text(TABLE.replace("c,0,0", "c,0,1"))
    assert {task.dataset for task in shared_tasks(BOXES, OF_BOXES).values()}.isdisjoint(before)


@pytest.mark.parametrize("creator", ["coco", "labelme"])
def test_masks_and_labels_share_the_images_of_files_of_annotations(tmp_path: Path, creator: str):
    root = write_pictures(tmp_path / "own", *(f"{name}.png" for name in "abcd"))
    images = [{"id": number, "file_name": f"{name}.png"} for number, name in enumerate("abcd")]
    points = [[1, 1], [9, 1], [9, 9], [1, 9]]
    if creator == "coco":
        flat = [number for point in points for number in point]
        entries = [{"id": n, "image_id": n, "category_id": n % 2, "segmentation": [flat]} for n in range(3)]
        categories = [{"id": 0, "name": "cyst"}, {"id": 1, "name": "mass"}]
        write_json(root / "i.json", {"images": images, "annotations": entries, "categories": categories})
    else:
        for name, label in zip("abc", ("cyst", "mass", "cyst"), strict=True):
            shapes = [{"label": label, "points": points, "shape_type": "polygon"}]
            write_json(root / f"{name}.json", {"shapes": shapes, "imagePath": f"{name}.png"})
    labels = {"task_type": "multilabel_classification"}
    tasks = shared_tasks({"creator": creator, "path": str(root)}, {"masks": {}, "presence": labels})
    assert tasks["masks"].dataset == tasks["presence"].dataset
    dataset = make_dataset(tasks, "masks")
    assert Targets.of(match(tasks, "masks", dataset)[0], None, "t").classes == ["background", "cyst", "mass"]
    presence = match(tasks, "presence", dataset)[0]
    assert sample_fields(presence.delivery, "label") == [{"cyst": 1.0}, {"mass": 1.0}, {"cyst": 1.0}, {}]
    assert presence.delivery.classes == ["cyst", "mass"]
