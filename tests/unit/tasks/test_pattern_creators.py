"""The creators `path_pattern` and `file_lists`, and those of small arrays: own data and mistakes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.tasks.creators.creator_registry import CREATORS, create
from mml_lib.tasks.dataset import Delivery
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.image_folders import images_of
from tests.support.plans import check_plan

PATTERN = r"(?P<label>[a-z]+)/(?P<group>p\d+)_(?P<fold>\w+)\.png"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images_of(
        tmp_path, *(f"{name}.png" for name in ("a/p1_first", "a/p2_second", "b/p1_first", "b/p3_tenth", "b/other"))
    )
    (tmp_path / "train.txt").write_text("# name class\na/p1_first,one\n\nb/p1_first,two words\n")
    return tmp_path


def survey(creator: str, **arguments: Any):
    return CREATORS[creator].planned_survey(Task(creator=creator, **arguments))


def made(creator: str, tmp_path: Path, **arguments: Any) -> Delivery:
    return create(creator, arguments, tmp_path / "made")


def test_groups_of_the_expression_are_properties_of_the_image(folder: Path):
    samples = made("path_pattern", folder, path=str(folder), pattern=PATTERN).samples
    assert [(sample.id, sample.label, sample.group, sample.fold) for sample in samples] == [
        ("a/p1_first.png", "a", "p1", 0),
        ("a/p2_second.png", "a", "p2", 1),
        ("b/p1_first.png", "b", "p1", 0),
        ("b/p3_tenth.png", "b", "p3", 2),
    ]


def test_a_survey_tells_folds_and_changed_files(folder: Path):
    arguments = {"path": str(folder), "pattern": PATTERN}
    before = survey("path_pattern", **arguments)
    assert (before.folds, before.classes, before.has_test) == (3, ("a", "b"), False)
    images_of(folder, "a/p9_first.png")
    assert survey("path_pattern", **arguments).fingerprint != before.fingerprint


def test_lines_of_lists_are_samples(folder: Path):
    arguments = {
        "path": str(folder),
        "lists": {"train": "train.txt"},
        "line": r"(?P<name>[^,]+),(?P<label>.+)",
        "image": "{name}.png",
    }
    delivery = made("file_lists", folder, **arguments)
    assert [(sample.id, sample.label, sample.split) for sample in delivery.samples] == [
        ("a/p1_first.png", "one", "train"),
        ("b/p1_first.png", "two words", "train"),
    ]
    assert survey("file_lists", **arguments).classes == ("one", "two words")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"pattern": "(?P<label>a"}, "pattern: .* is not a regular expression"),
        ({"pattern": r"(?P<label>c)/.*"}, r"no image in .* matches .*; the first image is 'a/p1_first.png'"),
        ({"pattern": r"a/.*"}, "'a/p1_first.png' has no label; write"),
        ({"pattern": {"training": PATTERN}}, "pattern: there is no split 'training'"),
        ({"pattern": PATTERN, "group": "{patient}"}, r"group: .* has no group \(\?P<patient>…\)"),
    ],
)
def test_a_mistake_in_a_pattern_is_refused(folder: Path, arguments: dict[str, Any], error: str):
    with pytest.raises(MMLError, match=f"^creator path_pattern: {error}"):
        made("path_pattern", folder, path=str(folder), **arguments)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"line": r"(?P<name>\d+),(?P<label>.+)"}, r"train.txt, line 2: 'a/p1_first,one' does not match"),
        ({"image": "{name}.jpg"}, r"train.txt, line 2: the file .*p1_first.jpg does not exist"),
        ({"image": "{file}.jpg"}, r"image: .* has no group \(\?P<file>…\)"),
        ({"line": r"(?P<name>[^,]+),.+"}, "neither the label nor the mask is stated"),
        ({"lists": {"train": "trains.txt"}}, "the path .*trains.txt does not exist"),
    ],
)
def test_a_mistake_in_lists_is_refused(folder: Path, changes: dict[str, Any], error: str):
    arguments = {"lists": {"train": "train.txt"}, "line": r"(?P<name>[^,]+),(?P<label>.+)", "image": "{name}.png"}
    with pytest.raises(MMLError, match=f"^creator file_lists: .*{error}"):
        made("file_lists", folder, path=str(folder), **arguments | changes)


@pytest.mark.parametrize(
    ("creator", "name", "arguments"),
    [
        ("svhn", "train_32x32.mat", {}),
        ("usps", "usps.bz2", {}),
        ("semeion", "semeion.data", {}),
        ("npz_arrays", "a.npz", {"files": {"train": "a.npz"}}),
        ("cifar", "data_batch_1.bin", {}),
        ("stl10", "train_X.bin", {}),
        ("flowers102", "imagelabels.mat", {}),
        ("patch_camelyon", "camelyonpatch_level_2_split_train_y.h5.gz", {}),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, creator: str, name: str, arguments: dict[str, Any]):
    for other in ("setid.mat", "camelyonpatch_level_2_split_train_x.h5.gz", name):
        (tmp_path / other).write_bytes(b"not what it should be")
    with pytest.raises(MMLError, match=rf"{name}.* fetch it again"):
        made(creator, tmp_path, path=str(tmp_path), **arguments)


def test_labels_that_are_no_classes_are_refused(tmp_path: Path):
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 4, 4), np.uint8), labels=np.array([0, 1, 2]))
    with pytest.raises(MMLError, match="a label of train is 2, not from 0 to 1"):
        made("npz_arrays", tmp_path, path=str(tmp_path), files={"train": "a.npz"}, classes=["no", "yes"])
    with pytest.raises(MMLError, match="creator cifar: labels: 'all' is neither fine nor coarse"):
        made("cifar", tmp_path, path=str(tmp_path), labels="all")


def test_stl10_brings_its_unlabelled_images_where_they_are_wanted(tmp_path: Path):
    (tmp_path / "class_names.txt").write_text("airplane\nbird\n")
    for split, labels in (("train", [1, 2]), ("test", [2, 1]), ("unlabeled", [0])):
        (tmp_path / f"{split}_X.bin").write_bytes(np.full(len(labels) * 3 * 96 * 96, 7, np.uint8).tobytes())
        (tmp_path / f"{split}_y.bin").write_bytes(bytes(labels))
    splits = made("stl10", tmp_path, path=str(tmp_path), unlabelled=True).splits
    assert splits == {"train", "test", "unlabelled"}
    assert survey("stl10", path=str(tmp_path), unlabelled=True).has_unlabelled
    assert not survey("stl10", path=str(tmp_path)).has_unlabelled


# --- unknown classes --------------------------------------------------------------------------------------------------


def test_images_of_unknown_classes_are_unlabelled(folder: Path):
    arguments = {"path": str(folder), "pattern": PATTERN, "unknown": ["B"]}
    delivery = made("path_pattern", folder, **arguments)
    assert [(sample.id, sample.label, sample.split, sample.fold) for sample in delivery.samples] == [
        ("a/p1_first.png", "a", None, 0),
        ("a/p2_second.png", "a", None, 1),
        ("b/p1_first.png", None, "unlabelled", None),
        ("b/p3_tenth.png", None, "unlabelled", None),
    ]
    planned = survey("path_pattern", **arguments)
    assert (planned.has_unlabelled, planned.classes, planned.folds) == (True, ("a",), 2)
    assert delivery.classes == ["a"]
    assert survey("path_pattern", path=str(folder), pattern=PATTERN).fingerprint != planned.fingerprint


def test_lines_of_unknown_classes_are_unlabelled(folder: Path, capsys: pytest.CaptureFixture):
    lines = {"lists": {"train": "train.txt"}, "line": r"(?P<name>[^,]+),(?P<label>.+)", "image": "{name}.png"}
    delivery = made("file_lists", folder, path=str(folder), unknown=["one", "three"], **lines)
    assert [(sample.label, sample.split) for sample in delivery.samples] == [
        (None, "unlabelled"),
        ("two words", "train"),
    ]
    output = capsys.readouterr()
    assert "1 of 2 images have an unknown class" in output.out + output.err
    assert "no image has 'three'" in output.out + output.err


def test_labels_of_arrays_may_be_unknown(tmp_path: Path):
    images, labels = np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2), np.array([0, 1, -1, 1, 255])
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    arguments = {"path": str(tmp_path), "files": {"train": "a.npz"}, "classes": ["no", "yes"]}
    delivery = made("npz_arrays", tmp_path, **arguments, unknown=[-1, 255])
    assert [(sample.id, sample.label, sample.split) for sample in delivery.samples] == [
        ("train/0", "no", "train"),
        ("train/1", "yes", "train"),
        ("train/2", None, "unlabelled"),
        ("train/3", "yes", "train"),
        ("train/4", None, "unlabelled"),
    ]
    plain, planned = survey("npz_arrays", **arguments), survey("npz_arrays", **arguments, unknown=[-1, 255])
    assert (plain.has_unlabelled, planned.has_unlabelled) == (False, True)
    assert plain.fingerprint != planned.fingerprint
    assert not survey("npz_arrays", **arguments, unknown=[7]).has_unlabelled
    with pytest.raises(MMLError, match="unknown: 1 is the label of the class 'yes'"):
        survey("npz_arrays", **arguments, unknown=[1])


def test_splits_of_arrays_are_planned_by_their_known_labels(tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 255, (24, 4, 4), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(24) % 3 - 1.0)
    np.savez(tmp_path / "b.npz", images=images[:6] // 2, labels=np.full(6, -1))
    files = {"train": "a.npz", "test": "b.npz"}
    task = {"creator": "npz_arrays", "path": str(tmp_path), "classes": ["u", "v"], "unknown": [-1], "folds": 2}
    check_plan(Task(**task, files={"train": "a.npz"}), tmp_path / "one")
    check_plan(Task(**task, files=files), tmp_path / "two")
    assert not survey("npz_arrays", path=str(tmp_path), files=files, classes=["u", "v"], unknown=[-1]).has_test


@pytest.mark.parametrize("label", [np.nan, np.inf, 0.5])
def test_labels_of_arrays_that_are_no_whole_numbers_are_refused(tmp_path: Path, label: float):
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 4, 4), np.uint8), labels=np.array([1, label]))
    for unknown in (None, [-1]):
        with pytest.raises(MMLError, match=r"a.npz: labels are not whole numbers; write -1 .* unknown: \[-1\]"):
            made("npz_arrays", tmp_path, path=str(tmp_path), files={"train": "a.npz"}, unknown=unknown)


def test_tasks_with_unknown_classes_turn_out_as_planned(tmp_path: Path):
    names = [f"{label}/{number}" for label in "abx" for number in range(8)]
    images_of(tmp_path / "own", *(f"{name}.png" for name in names))
    (tmp_path / "own/train.txt").write_text("\n".join(f"{name},{name[0]}" for name in names))
    common = {"path": str(tmp_path / "own"), "unknown": ["x"], "folds": 2}
    lines = {"lists": {"train": "train.txt"}, "line": r"(?P<name>[^,]+),(?P<label>.+)", "image": "{name}.png"}
    check_plan(Task(creator="path_pattern", pattern=r"(?P<label>[a-z])/\d+\.png", **common), tmp_path)
    check_plan(Task(creator="file_lists", **lines, **common), tmp_path)


def test_creators_whose_targets_are_all_known_take_no_unknown_ones():
    with pytest.raises(MMLError, match="the creator 'digits' takes no 'unknown'; the creators coco, csv, file"):
        TaskIdentity.of("t", Task(creator="digits", unknown=[7]))
