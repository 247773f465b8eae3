"""Layouts of folders, filters of classes and files, and folders named `validation` or `valid`."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.tasks.creators.creator_registry import CREATORS, create
from mml_lib.tasks.creators.folders.path_layout import NamePattern, PathLayout
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.image_folders import images_of, sample_fields
from tests.support.messages import mentions
from tests.support.plans import check_plan, deliver


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr("mml_lib.tasks.creators.folders.image_folder.print_line", lines.append)
    return lines


def survey(root: Path, **arguments: Any):
    return CREATORS["image_folder"].planned_survey(Task(creator="image_folder", path=str(root), **arguments))


# --- layout -----------------------------------------------------------------------------------------------------


def test_parts_of_a_path_are_properties_of_the_image(tmp_path: Path):
    root = images_of(tmp_path, "train/a/p1_1.png", "valid/b/p2_1.png", "test_set/a/p3_x.png", "unlabelled/a/p4_1.png")
    samples = create("image_folder", {"path": str(root), "layout": "{split}/{label}/{group}_*.png"}, root).samples
    assert sorted((sample.id, sample.split, sample.label, sample.group) for sample in samples) == [
        ("test_set/a/p3_x.png", "test", "a", "p3"),
        ("train/a/p1_1.png", "train", "a", "p1"),
        ("unlabelled/a/p4_1.png", "unlabelled", None, "p4"),
        ("valid/b/p2_1.png", "val", "b", "p2"),
    ]


def test_parts_may_stand_in_any_order_and_folds_are_numbered_in_natural_order(tmp_path: Path):
    root = images_of(tmp_path, "fold10/x-a.png", "fold9/y-b.png", "fold9/z-a.png")
    delivery = deliver("image_folder", root, layout="fold{fold}/*-{label}.png")
    assert sample_fields(delivery, "id", "label", "fold") == [
        ("fold9/y-b.png", "b", 0),
        ("fold9/z-a.png", "a", 0),
        ("fold10/x-a.png", "a", 1),
    ]
    assert survey(root, layout="fold{fold}/*-{label}.png").folds == 2


def test_masks_are_found_by_the_path_of_the_image(tmp_path: Path):
    images = images_of(tmp_path / "img", "train/p1_1.png", "val/p2_1.png", "unlabelled/p3_1.png")
    masks = images_of(tmp_path / "mask", "train/p1_1.png", "val/p2_1.png")
    delivery = deliver("image_folder", images, masks=str(masks), layout="{split}/{group}_*.png")
    assert sample_fields(delivery, "split", "group", "mask") == [
        ("train", "p1", str(masks / "train/p1_1.png")),
        ("unlabelled", "p3", None),
        ("val", "p2", str(masks / "val/p2_1.png")),
    ]


@pytest.mark.parametrize(
    ("task_type", "labels"),
    [("multilabel_classification", [{"1": 1.0}, {"1": 1.0, "2": 1.0}]), ("regression", None)],
)
def test_labels_are_those_of_the_task_type(tmp_path: Path, task_type: str, labels: list[Any] | None):
    root = images_of(tmp_path, "1_x.png", "1+2_y.png")
    arguments = {"layout": "{label}_*.png", "task_type": task_type, "separator": "+"}
    if labels is None:
        with pytest.raises(MMLError, match=r"1\+2_y.png: '1\+2' is not a number"):
            deliver("image_folder", root, **arguments)
    else:
        assert sorted(sample_fields(deliver("image_folder", root, **arguments), "label"), key=len) == labels


def test_unlabelled_images_may_have_groups(tmp_path: Path):
    root = images_of(tmp_path, "p1/1.png", "p2/2.png")
    delivery = deliver("image_folder", root, layout="{group}/*", task_type="no_task")
    assert sample_fields(delivery, "split", "group") == [("unlabelled", "p1"), ("unlabelled", "p2")]


def test_images_that_do_not_match_are_counted_and_named(tmp_path: Path, printed: list[str]):
    root = images_of(tmp_path, "a/1_ct.png", "b/2_ct.png", "a/1_mr.png", "overview.png")
    assert len(deliver("image_folder", root, layout="{label}/*_ct.png").samples) == 2
    assert len(printed) == 1
    assert mentions(printed[0], "2 of 4 images", "{label}/*_ct.png", "a/1_mr.png", "overview.png")


def test_layout_makes_the_task_that_was_planned(tmp_path: Path):
    names = [f"{label}/p{patient}_{number}.png" for label in "ab" for patient in range(8) for number in range(2)]
    root = images_of(tmp_path, *names)
    check_plan(Task(creator="image_folder", path=str(root), layout="{label}/{group}_*.png"), tmp_path / "made")


@pytest.mark.parametrize("layout", ["{group}_{label}.png", "{group}_*.png"])
def test_path_that_can_be_read_in_several_ways_is_refused(layout: str):
    with pytest.raises(MMLError, match=r"'p_1_left.png' matches .* its group is 'p' or 'p_1'"):
        PathLayout.of(layout).read(["q_left.png", "p_1_left.png"])


def test_texts_of_stars_need_not_be_unique():
    assert PathLayout.of("{group}-*_*.png").read(["p1-a_b_c.png"]) == {"p1-a_b_c.png": {"group": "p1"}}
    assert PathLayout.of("{group}_*_*.png").read(["p1_a_b.png"]) == {"p1_a_b.png": {"group": "p1"}}


def test_signs_of_regular_expressions_stand_for_themselves():
    assert list(PathLayout.of("{label}.(1)+/*").read(["a.(1)+/x", "a.1/x", "axx1/y"])) == ["a.(1)+/x"]


def test_a_part_stays_within_its_level():
    assert list(PathLayout.of("{label}/*.png").read(["a/1.png", "a/b/1.png", "/1.png", "1.png"])) == ["a/1.png"]


@pytest.mark.parametrize(
    ("layout", "error"),
    [
        ("{class}/*.png", r"has \{class\}, which is not a field.*label"),
        ("{lable}/*.png", r"did you mean 'label'"),
        ("{label}/{label}.png", r"has \{label\} twice"),
        ("{label}{group}.png", r"nothing separates \{label\} from \{group\}"),
        ("{label}/**/*.png", r"nothing separates \* from \*"),
        ("{label/*.png", "is not a template of paths"),
        ("*/*.png", "is not a template of paths"),
        ("", "is not a template of paths"),
        ("/{label}/*.png", "relative to 'path'"),
        ("{label}/", "relative to 'path'"),
        ("{split}/{group}_*.png", r"no \{label\}, which a classification needs"),
    ],
)
@pytest.mark.parametrize("downloaded", [False, True])
def test_layout_that_is_none_is_refused_while_planning(tmp_path: Path, layout: str, error: str, downloaded: bool):
    files: dict[str, Any] = {"path": str(images_of(tmp_path, "a/1.png", "b/2.png"))}
    if downloaded:
        files = {"path": ".", "downloads": [{"url": "https://example.org/a.zip", "trust": "first_use"}]}
    with pytest.raises(MMLError, match=rf"^tasks\.t: layout: .*{error}"):
        TaskIdentity.of("t", Task(creator="image_folder", layout=layout, **files))


@pytest.mark.parametrize(
    ("layout", "arguments", "error"),
    [
        ("{label}/*.jpg", {}, r"no image in .* matches the layout '.*'; the first image is 'extra/a/2.png'"),
        ("{split}/a/{label}.png", {}, "'extra' of the image 'extra/a/2.png' is not a split"),
        ("{split}/*/{label}.png", {"masks": "."}, "a semantic_segmentation has no label"),
        ("{split}/*/*", {"task_type": "no_task"}, "a no_task has no split"),
    ],
)
def test_layout_that_does_not_fit_the_images_is_refused(
    tmp_path: Path, layout: str, arguments: dict[str, str], error: str
):
    root = images_of(tmp_path, "train/a/1.png", "extra/a/2.png")
    with pytest.raises(MMLError, match=error):
        survey(root, layout=layout, **arguments)


def test_layout_decides_the_identity_of_the_data_set(tmp_path: Path):
    root = images_of(tmp_path, "a/1_x.png", "b/2_y.png")
    prints = [survey(root, **more).fingerprint for more in ({}, {"layout": "{label}/*"}, {"layout": "*/{label}_*.png"})]
    assert len(set(prints)) == 3
    images_of(root, "a/3.png")
    assert survey(root, layout="{label}/*").fingerprint != prints[1]


# --- classes and exclude ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [{}, {"layout": "{label}/*"}])
def test_classes_that_are_not_named_are_left_out(tmp_path: Path, layout: dict[str, str]):
    root = images_of(tmp_path, "a/1.png", "b/2.png", "c/3.png")
    assert sample_fields(deliver("image_folder", root, classes=["c", "a"], **layout), "label") == ["a", "c"]
    before = survey(root, classes=["c", "a"], **layout).fingerprint
    images_of(root, "b/4.png")
    assert survey(root, classes=["a", "c"], **layout).fingerprint == before
    with pytest.raises(MMLError, match="has no class 'd'; known: a, b, c"):
        survey(root, classes=["a", "d"], **layout)


@pytest.mark.parametrize(
    ("exclude", "ids"),
    [
        ("*_thumb.png", ["a/1.png", "b/deep/2.png", "b/thumbs/3.png"]),
        (["*_thumb.png", "thumbs"], ["a/1.png", "b/deep/2.png"]),
        (["*_thumb.png", "thumbs/"], ["a/1.png", "b/deep/2.png"]),
        (["b/*/2.png", "a/1_*"], ["a/1.png", "b/thumbs/3.png"]),
    ],
)
def test_excluded_files_and_folders_are_passed_over(tmp_path: Path, exclude: str | list[str], ids: list[str]):
    root = images_of(tmp_path, "a/1.png", "a/1_thumb.png", "b/deep/2.png", "b/thumbs/3.png")
    assert sample_fields(deliver("image_folder", root, exclude=exclude), "id") == ids
    before = survey(root, exclude=exclude).fingerprint
    images_of(root, "a/1_thumb.png", "a/1_2_thumb.png")
    assert survey(root, exclude=exclude).fingerprint == before


def test_excluded_folder_may_lie_among_splits(tmp_path: Path):
    root = images_of(tmp_path, "train/a/1.png", "test/b/2.png", "extra/3.png")
    with pytest.raises(MMLError, match="'extra' lies among folders of splits"):
        survey(root)
    assert survey(root, exclude="extra").has_test


def test_excluded_masks_are_passed_over(tmp_path: Path):
    images, masks = images_of(tmp_path / "img", "1.png"), images_of(tmp_path / "mask", "1.png", "1.bmp")
    assert sample_fields(deliver("image_folder", images, masks=str(masks), exclude="*.bmp"), "id") == ["1.png"]


def test_excluded_and_kept_files_are_counted(tmp_path: Path, warnings: list[str], printed: list[str]):
    root = images_of(tmp_path, "a/1.png", "a/x_thumb.png", "b/2.png", "b/y_thumb.png", "c/3.png")
    deliver("image_folder", root, exclude=["*_thumb.png", "*.jpg"], classes=["a", "b"])
    assert mentions(printed[0], "'*_thumb.png'", "2 files")
    assert mentions(printed[1], "classes", "2 images")
    assert mentions(warnings[0], "'*.jpg'", "matches no file")


def test_pattern_stands_for_itself_but_for_stars():
    assert NamePattern("[1]?.png").matches("a/[1]?.png")
    assert not NamePattern("[1]?.png").matches("a/1x.png")
    assert not NamePattern("a/*.png").matches("b/a/1.png")
    assert not NamePattern("a/*.png").matches("a/b/1.png")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"classes": []}, "classes: the list is empty"),
        ({"classes": ["a"], "task_type": "regression"}, "classes: only a classification has them"),
        ({"exclude": ""}, "exclude: a pattern is empty"),
        ({"exclude": ["*.png"]}, "the class folder .*a holds no image"),
    ],
)
def test_filter_that_does_not_fit_is_refused(tmp_path: Path, arguments: dict[str, Any], error: str):
    with pytest.raises(MMLError, match=error):
        deliver("image_folder", images_of(tmp_path, "a/1.png", "b/2.png"), **arguments)


# --- folders of splits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["validation", "valid"])
def test_validation_and_valid_are_val(tmp_path: Path, name: str, warnings: list[str]):
    root = images_of(tmp_path, "train/a/1.png", f"{name}/b/2.png", "test/a/3.png")
    assert sample_fields(deliver("image_folder", root), "split", "label") == [
        ("train", "a"),
        ("val", "b"),
        ("test", "a"),
    ]
    assert (survey(root).folds, survey(root).has_test, warnings) == (1, True, [])


def test_two_folders_of_one_split_are_refused(tmp_path: Path):
    root = images_of(tmp_path, "train/a/1.png", "valid/b/2.png", "val/b/3.png")
    with pytest.raises(MMLError, match="'val' and 'valid' are both the split val"):
        survey(root)


def test_classes_named_valid_and_invalid_are_classes(tmp_path: Path):
    assert deliver("image_folder", images_of(tmp_path, "valid/1.png", "invalid/2.png")).classes == ["invalid", "valid"]


def test_validation_folder_that_is_mostly_not_read_is_named(tmp_path: Path, warnings: list[str]):
    root = images_of(tmp_path, "train/a/1.png", "train/b/2.png", "validation/a/3.png", "validation/b/4.png")
    for number in range(2):
        (root / f"validation/a/{number}.mha").write_bytes(b"volume")
    deliver("image_folder", root)
    assert mentions(warnings[1], "validation/a (2 of 3)")
