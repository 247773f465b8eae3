"""The creator `coco`: masks next to pycocotools, labels, splits and mistakes."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.tasks.creators.creator_registry import CREATORS
from mml_lib.tasks.mask_classes import check_masks
from mml_lib.tasks.targets import Targets
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.annotated_images import HEIGHT, WIDTH, made, masks_of, write_json, write_pictures
from tests.support.image_folders import sample_fields
from tests.support.plans import check_plan, deliver

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools, with NumPy 2

CATEGORIES = [{"id": 7, "name": "vessel"}, {"id": 3, "name": "cell"}, {"id": 9, "name": "debris"}]


def compressed(seed: int) -> dict[str, Any]:
    mask = np.random.default_rng(seed).random((HEIGHT, WIDTH)) < 0.3
    runs = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": runs["size"], "counts": runs["counts"].decode()}


def annotation(number: int, image: int, category: int, outline: Any, **keys: Any) -> dict[str, Any]:
    box = {"bbox": [1, 2, 3, 4], "iscrowd": 0}
    return {"id": number, "image_id": image, "category_id": category, "segmentation": outline, **box, **keys}


def instances() -> dict[str, Any]:
    """Return outlines in one and two parts, run lengths of both kinds, a crowd, and an image without annotations."""
    images = [{"id": n, "file_name": f"p{n // 2}_{n}.png", "height": HEIGHT, "width": WIDTH} for n in range(5)]
    counts = [25, 10, 60, 3, HEIGHT * WIDTH - 98]
    annotations = [
        annotation(1, 0, 3, [[2.5, 3, 14.2, 4.1, 11, 12.7]]),
        annotation(2, 0, 7, [[8, 2, 20, 2, 20, 9, 8, 9], [22, 11, 29.5, 12, 25, 19]]),
        annotation(3, 1, 3, {"size": [HEIGHT, WIDTH], "counts": counts}, iscrowd=1),
        annotation(4, 2, 7, compressed(0)),
        annotation(5, 2, 3, compressed(1)),
        annotation(6, 4, 3, {"size": [HEIGHT, WIDTH], "counts": counts}, iscrowd=1),
        annotation(7, 4, 7, [[0, 0, 9, 0, 9, 9]]),
    ]
    return {"images": images, "annotations": annotations, "categories": copy.deepcopy(CATEGORIES)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = write_pictures(tmp_path / "own", *(f"p{n // 2}_{n}.png" for n in range(5)))
    write_json(folder / "instances.json", instances())
    return folder


def expected(file: Path) -> list[np.ndarray]:
    """Return the masks by pycocotools: crowds below all others, later annotations above earlier ones."""
    data, values = COCO(str(file)), {3: 1, 7: 2}
    masks = []
    for image in sorted(data.imgs):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        for entry in sorted(data.imgToAnns[image], key=lambda entry: not entry["iscrowd"]):
            mask[data.annToMask(entry) > 0] = 255 if entry["iscrowd"] else values[entry["category_id"]]
        masks.append(mask)
    return masks


def test_masks_are_those_of_pycocotools(root: Path, tmp_path: Path):
    data = made("coco", root, tmp_path / "made")
    assert data.delivery.classes == ["background", "cell", "vessel"]
    assert data.delivery.samples[3].mask == "EMPTY_MASK_TOKEN"
    for mask, reference in zip(masks_of(data).values(), expected(root / "instances.json"), strict=True):
        assert np.array_equal(mask, reference)
    assert [mask.any() for mask in expected(root / "instances.json")] == [True, True, True, False, True]


def test_crowds_are_ignored(root: Path, tmp_path: Path):
    data = made("coco", root / "instances.json", tmp_path / "made")
    targets = Targets.of(data, None, "t")
    assert targets.classes == ["background", "cell", "vessel"]
    assert targets.values[1].tolist() == [HEIGHT * WIDTH - 13, 0, 0]
    assert not [line for line in check_masks(data, None, "t") if "255" in line]


def test_categories_may_be_merged_beside_ignored_pixels(root: Path, tmp_path: Path):
    data = made("coco", root, tmp_path / "made")
    names = {0: "background", 1: "tissue", 2: "tissue"}
    targets = Targets.of(data, names, "t")
    assert targets.classes == ["background", "tissue"]
    reference = expected(root / "instances.json")
    assert targets.values.tolist() == [[(mask == 0).sum(), np.isin(mask, (1, 2)).sum()] for mask in reference]
    assert not [line for line in check_masks(data, names, "t") if "255" in line]


def test_categories_without_annotations_are_no_classes_and_are_named(root: Path, tmp_path: Path, capsys):
    made("coco", root, tmp_path / "made")
    assert "occur in no image, and are no classes: debris" in " ".join(capsys.readouterr().out.split())


def test_only_some_categories_are_read(root: Path, tmp_path: Path):
    data = made("coco", root, tmp_path / "made", classes=["vessel"])
    assert data.delivery.classes == ["background", "vessel"]
    reference = [np.where(mask == 2, 1, 0) for mask in expected(root / "instances.json")]
    assert np.array_equal(masks_of(data)["p0_0.png"], reference[0])


def test_categories_that_occur_are_labels(root: Path):
    delivery = deliver("coco", root, task_type="multilabel_classification")
    assert delivery.classes == ["cell", "vessel"]
    assert sample_fields(delivery, "label") == [
        {"cell": 1.0, "vessel": 1.0},
        {"cell": 1.0},
        {"vessel": 1.0, "cell": 1.0},
        {},
        {"cell": 1.0, "vessel": 1.0},
    ]


def test_boxes_are_filled_in_place_of_outlines(root: Path, tmp_path: Path):
    data = made("coco", root, tmp_path / "made", boxes=True, classes=["vessel"])
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[2:6, 1:4] = 1
    assert np.array_equal(masks_of(data)["p1_2.png"], mask)


def test_splits_have_files_and_folders_of_their_own(tmp_path: Path):
    content = instances()
    for split, numbers in (("train", (0, 1, 2)), ("val", (3, 4))):
        part = copy.deepcopy(content)
        part["images"] = [image for image in part["images"] if image["id"] in numbers]
        part["annotations"] = [entry for entry in part["annotations"] if entry["image_id"] in numbers]
        write_pictures(tmp_path / "own" / f"{split}2017", *(image["file_name"] for image in part["images"]))
        write_json(tmp_path / "own" / "annotations" / f"instances_{split}.json", part)
    arguments = {
        "annotations": {split: f"annotations/instances_{split}.json" for split in ("train", "val")},
        "image_path": {split: f"{split}2017" for split in ("train", "val")},
    }
    delivery = deliver("coco", tmp_path / "own", **arguments)
    assert sample_fields(delivery, "split") == ["train"] * 3 + ["val"] * 2
    assert delivery.samples[0].id == "train2017/p0_0.png"
    survey = CREATORS["coco"].planned_survey(Task(creator="coco", path=str(tmp_path / "own"), **arguments))
    assert (survey.folds, survey.has_test, survey.task_type) == (1, False, "semantic_segmentation")


def test_exports_of_roboflow_are_found_by_their_folders(tmp_path: Path):
    for folder in ("train", "valid", "test"):
        write_pictures(tmp_path / folder, *(f"p{n // 2}_{n}.png" for n in range(5)))
        write_json(tmp_path / folder / "_annotations.coco.json", instances())
    delivery = deliver("coco", tmp_path, task_type="multilabel_classification")
    assert sample_fields(delivery, "split") == ["train"] * 5 + ["val"] * 5 + ["test"] * 5
    assert delivery.samples[5].id == "valid/p0_0.png"


def test_a_layout_states_groups(root: Path):
    delivery = deliver("coco", root, layout="{group}_*.png")
    assert sample_fields(delivery, "group") == ["p0", "p0", "p1", "p1", "p2"]


def test_a_task_is_made_as_planned_and_follows_its_file(root: Path, tmp_path: Path):
    task = Task(creator="coco", path=str(root), folds=2, test_fraction=0)
    before = TaskIdentity.of("t", task)
    content = instances()
    content["annotations"][0]["segmentation"][0][0] = 2.0
    write_json(root / "instances.json", content)
    assert TaskIdentity.of("t", task).dataset != before.dataset
    content["annotations"] = [annotation(n, n, 3 + 4 * (n % 2), [[n, 1, 9, 2, 7, 8]]) for n in range(5)]
    write_json(root / "instances.json", content)
    labels = Task(creator="coco", path=str(root), task_type="classification", folds=2, test_fraction=0)
    check_plan(labels, tmp_path / "made")


def changed(place: str, index: int, **keys: Any) -> dict[str, Any]:
    content = instances()
    content[place][index] |= keys
    return content


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (changed("annotations", 1, category_id=5), r"annotation 2: there is no category with the id 5; .*3 \(cell\)"),
        (changed("annotations", 1, image_id=50), r"annotation 2: there is no image with the id 50"),
        (changed("annotations", 1, segmentation=[[1, 2, 3, 4]]), r"annotation 2: the outline has 2 points"),
        (changed("annotations", 1, segmentation=[]), r"annotation 2: .*boxes: true"),
        (changed("annotations", 1, segmentation={"size": [20, 30], "counts": [3]}), r"annotation 2: .*3 pixels.*600"),
        (changed("annotations", 1, segmentation={"size": [20, 30], "counts": None}), "annotation 2: .*'counts'"),
        (changed("annotations", 1, segmentation={"size": [20], "counts": [600]}), "annotation 2: .*'size'"),
        (changed("annotations", 1, segmentation=["x"]), "annotation 2: .*not a list of numbers"),
        (changed("annotations", 1, segmentation=[["x"] * 6]), "annotation 2: .*not a finite number"),
        (changed("annotations", 1, image_id=[1]), "annotation 2: there is no image"),
        (changed("annotations", 1, segmentation={"counts": [3]}), r"annotation 2: "),
        (changed("annotations", 1, segmentation="1 2"), r"annotation 2: it has no outline"),
        (changed("images", 1, file_name="other.png"), r"image 1: the file .*other\.png does not exist"),
        (changed("images", 1, id=0), r"images: the id 0 appears twice"),
        (changed("images", 1, file_name="p0_0.png"), r"image 0, .*instances\.json, image 1\); keep it once"),
        (changed("categories", 1, name=""), r"categories: entry 1 has no 'id' or no 'name'"),
        ({"images": [], "annotations": []}, "no list 'categories'.*COCO"),
        ([], "no list 'images'"),
    ],
)
def test_wrong_files_are_refused_while_planning(root: Path, content: Any, why: str):
    write_json(root / "instances.json", content)
    with pytest.raises(MMLError, match=rf"instances\.json.*{why}"):
        TaskIdentity.of("t", Task(creator="coco", path=str(root)))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (changed("images", 2, height=19), r"annotation 4: the image is said to have 19×30 pixels, it has 20×30"),
        (changed("annotations", 1, segmentation=[[40, 2, 50, 4, 44, 9]]), r"annotation 2: .*outside the image"),
        (changed("annotations", 3, segmentation={"size": [30, 20], "counts": [600]}), r"annotation 4: .*30×20.*20×30"),
    ],
)
def test_annotations_that_do_not_fit_their_image_are_refused(root: Path, tmp_path: Path, content: Any, why: str):
    write_json(root / "instances.json", content)
    with pytest.raises(MMLError, match=rf"instances\.json, {why}"):
        made("coco", root, tmp_path / "made")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"classes": ["vessle"]}, "no annotation .* has the class 'vessle', did you mean 'vessel'"),
        ({"annotations": {"trian": "instances.json"}}, "annotations: there is no split 'trian'.*train"),
        ({"image_path": {"train": "x"}}, "image_path: it has other splits than annotations"),
        ({"layout": "{label}_*.png"}, r"layout: .*\{label\}"),
        ({"layout": "{group}/*.png"}, r"layout: no image .* matches"),
        ({"task_type": "regression"}, "no values for a regression"),
        ({"task_type": "classification"}, r"image 0: the image 'p0_0\.png' has the classes cell, vessel"),
    ],
)
def test_wrong_options_are_refused_while_planning(root: Path, arguments: dict[str, Any], why: str):
    with pytest.raises(MMLError, match=why):
        TaskIdentity.of("t", Task(creator="coco", path=str(root), **arguments))


def test_the_folder_of_the_images_is_suggested(root: Path):
    (root / "annotations").mkdir()
    (root / "instances.json").rename(root / "annotations" / "instances.json")
    task = Task(creator="coco", path=str(root), annotations="annotations/instances.json")
    with pytest.raises(MMLError, match=r"write image_path: \."):
        TaskIdentity.of("t", task)
    assert json.loads((root / "annotations" / "instances.json").read_text())
    assert len(deliver("coco", root, annotations="annotations/instances.json", image_path=".").samples) == 5


def test_more_classes_than_masks_can_have_are_refused(root: Path):
    content = instances()
    content["categories"] = [{"id": n, "name": f"c{n}"} for n in range(300)]
    content["annotations"] = [annotation(n, 0, n, [[1, 1, 9, 2, 7, 8]]) for n in range(300)]
    write_json(root / "instances.json", content)
    with pytest.raises(MMLError, match=r"300 classes, more than the 254.*classes"):
        deliver("coco", root)


# --- unknown categories -----------------------------------------------------------------------------------------------


def test_pixels_of_unknown_categories_are_ignored(root: Path, tmp_path: Path):
    whole = masks_of(made("coco", root, tmp_path / "whole"))
    data = made("coco", root, tmp_path / "made", unknown=["Vessel"])
    assert data.delivery.classes == ["background", "cell"]
    for name, mask in masks_of(data).items():
        assert np.array_equal(mask, np.where(whole[name] == 2, 255, whole[name])), name
    assert Targets.of(data, None, "t").classes == ["background", "cell"]


def test_images_of_unknown_categories_have_no_labels(root: Path):
    delivery = deliver("coco", root, task_type="multilabel_classification", unknown=["vessel"])
    assert delivery.classes == ["cell"]
    assert sample_fields(delivery, "id", "label", "split") == [
        ("p0_0.png", None, "unlabelled"),
        ("p0_1.png", {"cell": 1.0}, None),
        ("p1_2.png", None, "unlabelled"),
        ("p1_3.png", {}, None),
        ("p2_4.png", None, "unlabelled"),
    ]


def test_unknown_categories_beside_classes_and_a_layout(root: Path):
    arguments = {"task_type": "multilabel_classification", "layout": "{group}_*.png", "unknown": ["vessel"]}
    delivery = deliver("coco", root, classes=["cell"], **arguments)
    assert sample_fields(delivery, "split", "group") == [
        ("unlabelled", "p0"),
        (None, "p0"),
        ("unlabelled", "p1"),
        (None, "p1"),
        ("unlabelled", "p2"),
    ]
    with pytest.raises(MMLError, match="unknown: 'cell' is one of classes too"):
        deliver("coco", root, classes=["cell"], unknown=["cell"])


def test_unknown_categories_are_planned_and_named_where_they_do_not_occur(root: Path, capsys: pytest.CaptureFixture):
    plain = Task(creator="coco", path=str(root), task_type="multilabel_classification")
    task = Task(creator="coco", path=str(root), task_type="multilabel_classification", unknown=["vessel"])
    assert TaskIdentity.of("t", task).has_unlabelled
    assert TaskIdentity.of("t", task).id != TaskIdentity.of("t", plain).id
    deliver("coco", root, unknown=["vessel", "blur"])
    output = capsys.readouterr()
    assert "3 of 5 images have an unknown class" in output.out + output.err
    assert "no image has 'blur'" in output.out + output.err
