"""MedMNIST's files and files in the format of MNIST, made as they are distributed."""

import gzip
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.images.decoding import decode
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.creators.arrays import FASHION
from mml_lib.tasks.creators.creator_registry import CREATORS
from mml_lib.tasks.creators.medmnist import MEDMNIST
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.plans import check_plan, deliver

# --- MedMNIST ---------------------------------------------------------------------------------------------------

SETS = {  # channels, classes, how labels are stored
    "pathmnist": (3, 9, "u1"),
    "chestmnist": (1, 14, "i8"),
    "dermamnist": (3, 7, "u1"),
    "octmnist": (1, 4, "i8"),
    "pneumoniamnist": (1, 2, "u1"),
    "retinamnist": (3, 5, "u1"),
    "breastmnist": (1, 2, "u1"),
    "bloodmnist": (3, 8, "i8"),
    "tissuemnist": (1, 8, "u1"),
    "organamnist": (1, 11, "u1"),
    "organcmnist": (1, 11, "u1"),
    "organsmnist": (1, 11, "u1"),
}
COUNTS = {"train": 22, "val": 6, "test": 4}


def arrays(name: str, size: int = 28) -> dict[str, np.ndarray]:
    channels, classes, dtype = SETS[name]
    rng = np.random.default_rng(0)
    made = {}
    for split, count in COUNTS.items():
        shape = (count, size, size) if channels == 1 else (count, size, size, 3)
        made[f"{split}_images"] = rng.integers(0, 256, shape, dtype=np.uint8)
        labels = np.eye(count, classes) if name == "chestmnist" else np.arange(count)[:, None] % classes
        made[f"{split}_labels"] = labels.astype(dtype)
    return made


def npz(file: Path, made: Mapping[str, Any], compressed: bool = True) -> Path:
    (np.savez_compressed if compressed else np.savez)(file, **made)
    return file


def test_there_are_twelve_sets():
    assert set(MEDMNIST) == set(SETS)


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_read_with_its_official_splits(tmp_path: Path, name: str):
    made = arrays(name)
    file = npz(tmp_path / f"{name}.npz", made)
    delivery = deliver("medmnist", file, tmp_path / "data")
    dataset = survey_images(delivery, name, tmp_path / "data", 1)
    assert set(dataset.sizes) == {(28, 28)}
    assert len(delivery.classes) == SETS[name][1] == len(set(delivery.classes))
    kind = "multilabel_classification" if name == "chestmnist" else "classification"
    assert delivery.task_type == kind == CREATORS["medmnist"].survey(str(file)).task_type
    by_split = {split: [s for s in delivery.samples if s.split == split] for split in COUNTS}
    assert {split: len(samples) for split, samples in by_split.items()} == COUNTS
    for split, samples in by_split.items():
        for sample, values in zip(samples, made[f"{split}_labels"], strict=True):
            if name == "chestmnist":
                assert sample.label == {delivery.classes[k]: 1.0 for k in np.flatnonzero(values)}
            else:
                assert sample.label == delivery.classes[values[0]]
    image, _ = decode(dataset.image_path(25))
    stored = made["val_images"][3]
    assert np.array_equal(image, stored if stored.ndim == 3 else np.stack([stored] * 3, axis=2))


def test_classes_are_spelled_and_ordered_as_in_the_package():
    classes = {name: dataset.classes for name, dataset in MEDMNIST.items()}
    assert classes["breastmnist"] == ("malignant", "normal, benign")
    assert classes["pneumoniamnist"] == ("normal", "pneumonia")
    assert classes["octmnist"] == ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal")
    assert classes["bloodmnist"][3] == "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)"
    assert classes["chestmnist"][::13] == ("atelectasis", "hernia")
    assert classes["pathmnist"][5:7] == ("smooth muscle", "normal colon mucosa")
    assert classes["dermamnist"][4:6] == ("melanoma", "melanocytic nevi")
    assert classes["organamnist"] == classes["organcmnist"] == classes["organsmnist"]
    assert (classes["organamnist"][0], classes["organamnist"][10]) == ("bladder", "spleen")
    licenses = {name: dataset.license for name, dataset in MEDMNIST.items() if dataset.license != "CC BY 4.0"}
    assert licenses == {"dermamnist": "CC BY-NC 4.0"}


@pytest.mark.parametrize("size", [64, 128, 224])
@pytest.mark.parametrize("compressed", [True, False])
def test_larger_versions_are_read(tmp_path: Path, size: int, compressed: bool):
    npz(tmp_path / f"bloodmnist_{size}.npz", arrays("bloodmnist", size), compressed)
    delivery = deliver("medmnist", tmp_path, tmp_path / "data")  # the folder of the only file
    assert set(survey_images(delivery, "d", tmp_path / "data", 1).sizes) == {(size, size)}
    assert (delivery.about.license, delivery.about.modalities) == ("CC BY 4.0", {"image": "microscopy"})


def test_grades_are_classes_or_numbers(tmp_path: Path):
    file = npz(tmp_path / "retinamnist.npz", arrays("retinamnist"))
    graded = deliver("medmnist", file, tmp_path / "data")
    assert (graded.classes, graded.samples[7].label) == (["0", "1", "2", "3", "4"], "2")
    numbers = deliver("medmnist", file, tmp_path / "data", task_type="regression")
    assert (numbers.task_type, numbers.classes, numbers.samples[7].label) == ("regression", [], 2.0)


def test_a_set_under_another_name_is_named(tmp_path: Path):
    file = npz(tmp_path / "download.npz", arrays("breastmnist"))
    with pytest.raises(MMLError, match=r"'download'.*2D sets; known: .*name the set"):
        deliver("medmnist", file, tmp_path / "data")
    assert deliver("medmnist", file, tmp_path / "data", name="BreastMNIST").classes[0] == "malignant"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"test_labels": None}, "array 'test_labels',.*MedMNIST; arrays: train_images"),
        ({"train_labels": np.zeros((21, 1), "u1")}, "train has 22 images and 21 labels"),
        ({"train_labels": np.full((22, 1), 2, "u1")}, r"a label is \[2\], not a number from 0 to 1"),
        ({"train_labels": np.zeros((22, 14), "u1")}, "a label is "),
        ({"train_labels": np.full((22, 1), 0.5)}, "'train_labels' is float64"),
        ({"train_labels": np.full((22, 1), "a", object)}, "Object arrays cannot be loaded"),
        ({"train_images": np.full((22, 28, 28), None)}, "Python objects in dtype"),
        ({"train_images": np.zeros((22, 28, 28), "f4")}, "'train_images'.*float32"),
        ({"train_images": np.zeros((22, 28, 28, 28), "u1")}, r"'train_images' .*\(22, 28, 28, 28\)"),
        ({"train_images": np.zeros((22, 784), "u1")}, r"'train_images' has the shape \(22, 784\)"),
    ],
)
def test_a_file_with_other_arrays_is_refused(tmp_path: Path, changed: dict[str, np.ndarray | None], why: str):
    made = arrays("breastmnist") | changed
    file = npz(tmp_path / "breastmnist.npz", {name: values for name, values in made.items() if values is not None})
    with pytest.raises(MMLError, match=why):
        deliver("medmnist", file, tmp_path / "data")


def test_multi_labels_are_zero_or_one(tmp_path: Path):
    file = npz(tmp_path / "chestmnist.npz", arrays("chestmnist") | {"val_labels": np.full((6, 14), 2)})
    with pytest.raises(MMLError, match="not 0 and 1 only"):
        deliver("medmnist", file, tmp_path / "data")
    file = npz(tmp_path / "chestmnist.npz", arrays("chestmnist") | {"val_labels": np.ones((6, 13), int)})
    with pytest.raises(MMLError, match="there are 13 labels a sample, not 14"):
        deliver("medmnist", file, tmp_path / "data")


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_file_leaves_no_array_half_written(tmp_path: Path, damage: str):
    file = npz(tmp_path / "breastmnist.npz", arrays("breastmnist"))
    content = bytearray(file.read_bytes())
    content[1000] ^= 0xFF
    broken = {"cut": content[: len(content) // 2], "flipped": content, "empty": b"", "text": b"<html>404</html>"}
    file.write_bytes(broken[damage])
    with pytest.raises(MMLError, match=r"breastmnist.npz.*; fetch it again"):
        deliver("medmnist", file, tmp_path / "data")
    assert not list((tmp_path / "data").rglob("*"))


def test_a_type_that_the_set_does_not_have_is_refused_when_planning(tmp_path: Path):
    file = npz(tmp_path / "bloodmnist.npz", arrays("bloodmnist"))
    with pytest.raises(MMLError, match="bloodmnist is a classification, not a regression"):
        TaskIdentity.of("t", Task(creator="medmnist", path=str(file), task_type="regression"))


# --- MNIST's own format -----------------------------------------------------------------------------------------


def write_idx(file: Path, values: np.ndarray, cut: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    content = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype("u1").tobytes()
    content = content[: len(content) - cut]
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)


def mnist(
    root: Path, prefix: str = "", suffix: str = ".gz", dash: str = "-", first: int = 0, classes: int = 10
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    made = {}
    for word, count in (("train", 60), ("test" if "emnist" in prefix else "t10k", 20)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(root / f"{prefix}{word}-images{dash}idx3-ubyte{suffix}", images)
        write_idx(root / f"{prefix}{word}-labels{dash}idx1-ubyte{suffix}", np.arange(count) % classes + first)
        made["train" if word == "train" else "test"] = images
    return made


@pytest.mark.parametrize(("suffix", "dash"), [(".gz", "-"), ("", "-"), ("", "."), (".gz", ".")])
def test_mnist_is_read_compressed_or_not_under_both_spellings(tmp_path: Path, suffix: str, dash: str):
    made = mnist(tmp_path, suffix=suffix, dash=dash)
    (tmp_path / "._train-images-idx3-ubyte").touch()
    if dash == ".":
        (tmp_path / "t10k-images-idx3-ubyte").mkdir()
    delivery = deliver("idx", tmp_path, tmp_path / "data")
    assert delivery.classes == list("0123456789")
    assert [(s.split, s.label) for s in delivery.samples[59:62]] == [("train", "9"), ("test", "0"), ("test", "1")]
    image, _ = decode(survey_images(delivery, "d", tmp_path / "data", 1).image_path(61))
    assert np.array_equal(image[..., 0], made["test"][1])


@pytest.mark.parametrize(
    ("classes", "names"),
    [("fashion", list(FASHION)), ([*"abcdefghij"], [*"abcdefghij"]), (list(range(1, 12)), [*map(str, range(1, 12))])],
)
def test_classes_may_be_named(tmp_path: Path, classes: list[Any] | str, names: list[str]):
    mnist(tmp_path)
    delivery = deliver("idx", tmp_path, tmp_path / "data", classes=classes)
    assert (delivery.classes, delivery.samples[9].label) == (names, names[9])
    assert FASHION[:2] == ("T-shirt/top", "Trouser")
    assert FASHION[9] == "Ankle boot"


def test_emnist_is_turned_upright_and_has_the_characters_of_its_mapping(tmp_path: Path):
    made = mnist(tmp_path, "emnist-letters-", first=1, classes=26)
    mnist(tmp_path, "emnist-balanced-", classes=47)
    letters = "\n".join(f"{label} {64 + label} {96 + label}" for label in range(1, 27))
    (tmp_path / "emnist-letters-mapping.txt").write_text(letters + "\n")
    with pytest.raises(MMLError, match="sets 'emnist-balanced', 'emnist-letters'; choose one by subset"):
        deliver("idx", tmp_path, tmp_path / "data")
    delivery = deliver("idx", tmp_path, tmp_path / "data", subset="letters")
    assert "".join(delivery.classes) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert [sample.label for sample in delivery.samples[24:27]] == ["Y", "Z", "A"]
    assert np.array_equal(np.load(tmp_path / "data/test.npy"), made["test"].transpose(0, 2, 1))
    (tmp_path / "emnist-letters-mapping.txt").write_text(letters.rsplit("\n", 1)[0])
    with pytest.raises(MMLError, match=r"emnist-letters-mapping.txt.*label 26"):
        deliver("idx", tmp_path, tmp_path / "data", subset="letters")
    (tmp_path / "emnist-letters-mapping.txt").write_text("1\n")
    with pytest.raises(MMLError, match=r"emnist-letters-mapping.txt is damaged"):
        deliver("idx", tmp_path, tmp_path / "data", subset="letters")


def test_mnist_beside_another_set_is_the_one_without_a_name(tmp_path: Path):
    mnist(tmp_path)
    mnist(tmp_path, "emnist-digits-")
    assert len(deliver("idx", tmp_path, tmp_path / "data", subset="").samples) == 80


@pytest.mark.parametrize(
    ("file", "change", "why"),
    [
        ("train-images-idx3-ubyte", "cut", "train-images-idx3-ubyte.*46239 values, not 59×28×28"),
        ("train-images-idx3-ubyte", b"", "train-images-idx3-ubyte is damaged"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x01\0\0\0\x01\x01", "not those of bytes in 3 dimensions"),
        ("train-images-idx3-ubyte", b"\0\0\x0d\x03", "not those of bytes in 3 dimensions"),
        ("train-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\x01\x01", "has 60 images, .* 1 labels"),
        ("train-labels-idx1-ubyte", None, "has .*train-images-idx3-ubyte.* but not images and labels of train"),
        ("train-*", None, "has no train-images-idx3-ubyte"),
        ("t*", None, "train-images-idx3-ubyte.gz; there are none"),
        ("t10k-labels-idx1-ubyte", None, "but not images and labels of test"),
    ],
)
def test_damaged_and_missing_files_are_told(tmp_path: Path, file: str, change: bytes | str | None, why: str):
    mnist(tmp_path, suffix="")
    for path in tmp_path.glob(file):
        if change is None:
            path.unlink()
        elif change == "cut":
            write_idx(path, np.zeros((59, 28, 28)), cut=17)
        else:
            path.write_bytes(change)
    with pytest.raises(MMLError, match=why):
        deliver("idx", tmp_path, tmp_path / "data")


def test_a_cut_gz_file_is_told(tmp_path: Path):
    mnist(tmp_path)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(MMLError, match=r"train-images-idx3-ubyte.gz is damaged"):
        deliver("idx", tmp_path, tmp_path / "data")


@pytest.mark.parametrize("classes", ["unknown", ["a", "b"]])
def test_classes_that_do_not_fit_are_refused(tmp_path: Path, classes: list[str] | str):
    mnist(tmp_path)
    with pytest.raises(MMLError, match=r"'fashion'.*least 10 names"):
        deliver("idx", tmp_path, tmp_path / "data", classes=classes)


# --- what is planned with ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "task_type"),
    [("pathmnist", None), ("chestmnist", None), ("retinamnist", None), ("retinamnist", "regression")],
)
def test_a_set_of_medmnist_gives_what_was_planned(tmp_path: Path, name: str, task_type: str | None):
    file = npz(tmp_path / f"{name}.npz", arrays(name))
    check_plan(Task(creator="medmnist", path=str(file), task_type=task_type), tmp_path / "data")


@pytest.mark.parametrize("missing", ["t10k-*", "nothing"])
def test_idx_files_give_what_was_planned(tmp_path: Path, missing: str):
    mnist(tmp_path)
    for file in tmp_path.glob(missing):
        file.unlink()
    check_plan(Task(creator="idx", path=str(tmp_path), folds=3), tmp_path / "data")


@pytest.mark.parametrize("creator", ["medmnist", "idx"])
def test_files_that_moved_are_the_same_and_files_that_changed_are_not(tmp_path: Path, creator: str):
    def digest_of(folder: Path) -> str | None:
        return CREATORS[creator].survey(str(folder / "octmnist.npz" if creator == "medmnist" else folder)).fingerprint

    (tmp_path / "a").mkdir()
    npz(tmp_path / "a/octmnist.npz", arrays("octmnist"), compressed=False)
    mnist(tmp_path / "a", "emnist-letters-", first=1)
    (tmp_path / "a/emnist-letters-mapping.txt").write_text("1 65 97")
    first = digest_of(tmp_path / "a")
    assert digest_of(Path(shutil.copytree(tmp_path / "a", tmp_path / "b"))) == first
    changed = arrays("octmnist") | {"test_labels": np.zeros((4, 1), "i8")}
    npz(tmp_path / "a/octmnist.npz", changed, compressed=False)  # of the same size
    (tmp_path / "a/emnist-letters-mapping.txt").write_text("1 66 97")
    assert digest_of(tmp_path / "a") != first


@pytest.mark.parametrize(
    ("arguments", "planned"),
    [
        ({"creator": "medmnist", "name": "chestmnist"}, ("multilabel_classification", 1, True, False)),
        ({"creator": "medmnist", "path": "deep/retinamnist.npz"}, ("classification", 1, True, False)),
        ({"creator": "idx"}, ("classification", 5, True, False)),
        ({"creator": "idx", "splits": ["train"], "test_fraction": 0}, ("classification", 5, False, False)),
    ],
)
def test_downloads_are_planned_with_before_they_are_there(arguments: dict[str, Any], planned: tuple):
    identity = TaskIdentity.of(
        "t", Task(downloads=[{"url": "https://x.org/a", "sha256": "0a1b" * 15 + "cdef"}], **arguments)
    )
    assert (identity.task_type, identity.num_folds, identity.has_test, identity.has_unlabelled) == planned
