"""Tasks: splits and folds, descriptions, structs."""

from pathlib import Path

import numpy as np
import pytest

from mml_lib.config.schema import Task
from mml_lib.errors import MMLError
from mml_lib.tasks.creators import CREATORS
from mml_lib.tasks.dataset import Dataset, Delivery, Sample
from mml_lib.tasks.description import TaskDescription, read_header
from mml_lib.tasks.identity import TaskIdentity
from mml_lib.tasks.splitting import assign
from mml_lib.tasks.struct import TaskStruct


def samples(count: int, classes: str = "ab", **columns: list) -> list[Sample]:
    rows = [{key: values[n] for key, values in columns.items()} for n in range(count)]
    return [Sample(str(n), f"{n}.png", classes[n % len(classes)], **row) for n, row in enumerate(rows)]


def test_folds_and_test_split_are_stratified_and_deterministic():
    rows = samples(200, "aaab")
    first = assign(rows, "t", folds=5, test_fraction=0.2, seed=1)
    assert first == assign(rows, "t", folds=5, test_fraction=0.2, seed=1)
    assert first != assign(rows, "t", folds=5, test_fraction=0.2, seed=2)
    assert first.split.count("test") == 40
    for fold in range(5):
        labels = [row.label for row, number in zip(rows, first.fold, strict=True) if number == fold]
        assert (len(labels), labels.count("b")) == (32, 8)


def test_groups_never_cross_folds_or_splits():
    rows = samples(120, group=[f"patient{n // 4}" for n in range(120)])
    assignment = assign(rows, "t", folds=4, test_fraction=0.2, seed=0)
    homes = {}
    for row, split, fold in zip(rows, assignment.split, assignment.fold, strict=True):
        assert homes.setdefault(row.group, (split, fold)) == (split, fold)
    assert 16 <= assignment.split.count("test") <= 32


def test_given_folds_and_splits_are_kept():
    folds = [n % 3 for n in range(12)]
    assert assign(samples(12, fold=folds), "t", 5, 0.2, 0).fold == folds
    split = ["train"] * 6 + ["val"] * 4 + ["test"] * 2
    assignment = assign(samples(12, split=split), "t", 5, 0.2, 0)
    assert assignment.fold == [-1] * 6 + [0] * 4 + [-1] * 2
    assert (assignment.num_folds, assignment.split.count("train")) == (1, 10)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([*samples(11), Sample("z", "z.png", "rare")], "the class 'rare' has 1 image"),
        (samples(4, split=["train", "train", None, "test"]), "sample '2' has no split"),
        (samples(12, fold=[n % 2 * 2 for n in range(12)]), r"the folds are \[0, 2\]"),
        (samples(4, split=["test"] * 4), "no training sample"),
        (samples(12, fold=[n % 3 for n in range(12)], group=["p"] * 12), "group 'p' crosses folds or splits"),
        (samples(12, group=[f"g{n % 2}" for n in range(12)]), "2 groups cannot fill"),
    ],
)
def test_splits_that_cannot_be_are_refused(rows: list[Sample], why: str):
    with pytest.raises(MMLError, match=why):
        assign(rows, "t", folds=3, test_fraction=0.2, seed=0)


@pytest.fixture
def struct(tmp_path: Path) -> TaskStruct:
    rows = samples(20, fold=[n % 4 for n in range(20)])
    dataset = Dataset("DSET_x", Delivery(rows, ["a", "b"]), [(10 + n, 30) for n in range(20)], tmp_path)
    assignment = assign(rows, "t", 4, 0, 0)
    TaskDescription.of({"name": "t", "id": "0" * 8}, dataset, assignment).write(tmp_path / "t.json")
    pixels = np.random.default_rng(0).random((20, 5, 5, 3))
    np.save(tmp_path / "moments.npy", np.stack([pixels.mean((1, 2)), (pixels**2).mean((1, 2))], 1))
    np.save(tmp_path / "pixels.npy", pixels)
    return TaskStruct("t", {"description": tmp_path / "t.json", "moments": tmp_path / "moments.npy"})


def test_struct_tells_what_the_description_says(struct: TaskStruct):
    assert (struct.task_type, struct.num_classes, struct.num_folds) == ("classification", 2, 4)
    assert struct.idx_to_class == {0: "a", 1: "b"}
    assert struct.class_occ == {"a": 10, "b": 10}
    assert struct.sizes == {"min_height": 10, "max_height": 29, "min_width": 30, "max_width": 30}
    assert struct.modalities == {"image": "unknown"}
    pixels = np.load(struct.paths["description"].parent / "pixels.npy")
    assert np.allclose(struct.means, pixels.mean((0, 1, 2)))
    assert np.allclose(struct.stds, pixels.std((0, 1, 2)))


def test_struct_selects_train_and_val_by_fold(struct: TaskStruct):
    assert struct.select("val", 1).tolist() == [1, 5, 9, 13, 17]
    assert len(struct.select("train", 1)) == 15
    with pytest.raises(MMLError, match="has no samples in 'test'"):
        struct.select("test")


def test_header_is_read_without_the_samples(struct: TaskStruct):
    path = struct.paths["description"]
    first, _ = path.read_text().split("\n", 1)
    path.write_text(first + "\nno JSON from here on")
    assert read_header(path)["num_classes"] == 2
    with pytest.raises(MMLError, match="is damaged"):
        TaskDescription.read(path)


def test_data_set_survives_its_manifest(tmp_path: Path):
    delivery = CREATORS["fake"].function(tmp_path, num_samples=6, num_classes=2, size=8)
    Dataset("DSET_fake", delivery, [(8, 8)] * 6, tmp_path).write(tmp_path / "dataset.json")
    read = Dataset.read(tmp_path / "dataset.json")
    assert (read.delivery, read.sizes) == (delivery, [(8, 8)] * 6)
    assert read.image_path(5).is_file()


def test_newer_format_is_refused(tmp_path: Path):
    (tmp_path / "dataset.json").write_text('{"format": 99}')
    with pytest.raises(MMLError, match="format 99, newer than"):
        Dataset.read(tmp_path / "dataset.json")


def test_digits_come_with_their_class_names(tmp_path: Path):
    delivery = CREATORS["digits"].function(tmp_path)
    assert len(delivery.samples) == 1797
    assert delivery.classes[:3] == ["zero", "one", "two"]
    assert (tmp_path / delivery.samples[0].image).is_file()


def test_csv_with_byte_order_mark_is_read(tmp_path: Path):
    for name in "xy":
        (tmp_path / f"{name}.png").write_bytes(b"any")
    (tmp_path / "t.csv").write_text("image,label\nx.png,dog\ny.png,cat\n", encoding="utf-8-sig")
    delivery = CREATORS["csv"].function(tmp_path, path=str(tmp_path / "t.csv"))
    assert (delivery.classes, [sample.label for sample in delivery.samples]) == (["cat", "dog"], ["dog", "cat"])


def test_task_identity_depends_on_arguments_and_splitting():
    ids = {
        TaskIdentity.of("t", Task(creator="fake", **arguments)).id
        for arguments in ({}, {"num_samples": 9}, {"folds": 3}, {"test_fraction": 0.1}, {"seed": 4})
    }
    assert len(ids) == 5
    assert TaskIdentity.of("t", Task(creator="digits")).dataset == "DSET_digits"
    assert TaskIdentity.of("t", Task(creator="fake", size=9)).dataset.startswith("DSET_fake-")
