"""The creator `torchvision` on miniatures in the formats that torchvision's classes read, next to the classes."""

import gzip
import re
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip
from torchvision import datasets

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.creators.creator_registry import create
from mml_lib.tasks.creators.public_sets.torchvision_classes import CLASSES, WITH_MASKS
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.task_identity import TaskIdentity

RNG = np.random.default_rng(0)


def save(path: Path, mode: str = "RGB", size: tuple[int, int] = (12, 10), highest: int = 256) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = size if mode in "LP" else (*size, 3)
    image = Image.fromarray(RNG.integers(0, highest, shape, dtype=np.uint8))
    if mode == "P":
        image = image.convert("P")
        image.putdata(RNG.integers(0, highest, shape, dtype=np.uint8).ravel().tolist())
    image.save(path)


def made(folder: Path, **arguments) -> Dataset:
    delivery = create("torchvision", arguments, folder)
    check_delivery(delivery, "t")
    planned = TaskIdentity.of("t", Task(creator="torchvision", **arguments))
    assert planned.task_type == delivery.task_type
    if delivery.splits:
        assert ("val" in delivery.splits) == (planned.num_folds == 1)
        assert ("test" in delivery.splits) == planned.has_test
    return survey_images(delivery, "t", folder, 1, folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def test_every_class_exists_and_takes_its_arguments():
    import inspect

    for name, kind in [*CLASSES.items(), *WITH_MASKS.items()]:
        parameters = inspect.signature(getattr(datasets, name)).parameters
        takes_more = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        for arguments in (*kind.splits.values(), kind.arguments):
            assert takes_more or set(arguments) <= set(parameters), name


def test_files_of_a_class_with_a_loader_stay_where_they_are(root: Path, tmp_path: Path):
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for split, names in lists.items():
        for label in ("banded", "dotted"):
            for number in range(2):
                names.append(f"{label}/{label}_{split}{number}.png")
                save(root / "dtd/dtd/images" / names[-1])
        for partition in (1, 2):
            (root / "dtd/dtd/labels").mkdir(exist_ok=True)
            kept = names if partition == 1 else names[::-1]
            (root / f"dtd/dtd/labels/{split}{partition}.txt").write_text("\n".join(kept))
    dataset = made(tmp_path / "set", name="DTD", path=str(root), options={"partition": 2})
    samples = dataset.delivery.samples
    images = [str(root / "dtd/dtd/images" / name) for name in lists["val"][::-1]]
    assert [sample.image for sample in samples if sample.split == "val"] == images
    assert all(sample.label in Path(sample.image).name for sample in samples)
    assert dataset.delivery.classes == ["banded", "dotted"]
    assert not list((tmp_path / "set").rglob("*.png"))


def test_images_in_memory_become_an_array(root: Path, tmp_path: Path):
    folder = root / "MNIST/raw"
    folder.mkdir(parents=True)
    for prefix, count in (("train", 6), ("t10k", 4)):
        images = RNG.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        head = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in images.shape)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        labels = np.arange(count, dtype=np.uint8) % 2
        head = b"\0\0\x08\x01" + count.to_bytes(4, "big")
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    dataset = made(tmp_path / "set", name="MNIST", path=str(root))
    for split, is_train in (("train", True), ("test", False)):
        reference = datasets.MNIST(root, train=is_train)
        np.testing.assert_array_equal(np.load(tmp_path / f"set/{split}.npy"), reference.data.numpy())
        labels = [sample.label for sample in dataset.delivery.samples if sample.split == split]
        assert labels == [reference.classes[target] for target in reference.targets.tolist()]
    assert dataset.delivery.classes == ["0 - zero", "1 - one"]


def pets(root: Path) -> None:
    folder = root / "oxford-iiit-pet"
    lines = {"trainval": [], "test": []}
    for split, rows in lines.items():
        for breed, species, number in (("Abyssinian", 1, 1), ("beagle", 2, 2)):
            name = f"{breed}_{split}"
            rows.append(f"{name} {number} {species} 1")
            save(folder / f"images/{name}.jpg")
            trimap = RNG.integers(1, 4, (12, 10), dtype=np.uint8)
            (folder / "annotations/trimaps").mkdir(parents=True, exist_ok=True)
            Image.fromarray(trimap).save(folder / f"annotations/trimaps/{name}.png")
        (folder / f"annotations/{split}.txt").write_text("\n".join(rows) + "\n")


def test_labels_and_masks_of_pets(root: Path, tmp_path: Path):
    pets(root)
    dataset = made(tmp_path / "labels", name="OxfordIIITPet", path=str(root))
    reference = datasets.OxfordIIITPet(root, split="test")
    tests = [row for row, sample in enumerate(dataset.delivery.samples) if sample.split == "test"]
    for row, (image, target) in zip(tests, reference, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(dataset.image_path(row))), np.asarray(image))
        assert dataset.delivery.samples[row].label == reference.classes[target]

    dataset = made(tmp_path / "masks", name="OxfordIIITPet", path=str(root), task_type="semantic_segmentation")
    assert dataset.delivery.classes == ["background", "pet"]
    _, trimap = datasets.OxfordIIITPet(root, split="test", target_types="segmentation")[0]
    row = next(row for row, sample in enumerate(dataset.delivery.samples) if sample.split == "test")
    expected = np.select([np.asarray(trimap) == 2, np.asarray(trimap) == 1], [0, 1], 255)
    np.testing.assert_array_equal(np.asarray(Image.open(dataset.mask_path(row))), expected)


def test_masks_of_voc(root: Path, tmp_path: Path):
    folder = root / "VOCdevkit/VOC2012"
    (folder / "ImageSets/Segmentation").mkdir(parents=True)
    for split in ("train", "val"):
        (folder / f"ImageSets/Segmentation/{split}.txt").write_text(f"{split}1\n{split}2\n")
        for number in (1, 2):
            save(folder / f"JPEGImages/{split}{number}.jpg")
            save(folder / f"SegmentationClass/{split}{number}.png", "P", highest=21)
    dataset = made(tmp_path / "set", name="VOCSegmentation", path=str(root))
    for split, rows in (("train", (0, 1)), ("val", (2, 3))):
        for row, (image, mask) in zip(rows, datasets.VOCSegmentation(root, image_set=split), strict=True):
            np.testing.assert_array_equal(np.asarray(Image.open(dataset.image_path(row))), np.asarray(image))
            np.testing.assert_array_equal(np.asarray(Image.open(dataset.mask_path(row))), np.asarray(mask))
    assert len(dataset.delivery.classes) == 21


def test_a_class_without_splits(root: Path, tmp_path: Path):
    for label in ("Forest", "River"):
        save(root / f"eurosat/2750/{label}/{label}_1.jpg")
    dataset = made(tmp_path / "set", name="EuroSAT", path=str(root))
    assert {(sample.label, sample.split) for sample in dataset.delivery.samples} == {("Forest", None), ("River", None)}


def test_the_place_of_a_public_data_set_does_not_matter(root: Path, tmp_path: Path):
    (tmp_path / "other").mkdir()
    names = {
        TaskIdentity.of("t", Task(creator="torchvision", name="DTD", path=str(path), options=options)).dataset
        for path, options in [(root, {}), (tmp_path / "other", {}), (root, {"partition": 2})]
    }
    assert len(names) == 2


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"name": "Flower102"}, "'Flower102' is not a data-set class that it reads, did you mean 'Flowers102'"),
        ({"name": "DTD", "task_type": "regression"}, "DTD is a classification, not a regression"),
        ({"name": "DTD"}, "name the folder of the files by path, or set download: true"),
        ({"name": "DTD", "path": "nowhere"}, "nowhere does not exist"),
    ],
)
def test_mistakes_are_refused_while_planning(arguments: dict, line: str):
    with pytest.raises(MMLError, match=re.escape(line)):
        TaskIdentity.of("t", Task(creator="torchvision", **arguments))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"name": "DTD"}, r"DTD cannot be read from .*put its files there, or set download: true"),
        ({"name": "DTD", "options": {"partitions": 2}}, "options: DTD refuses them .*partitions"),
        ({"name": "DTD", "download": True}, "no net.*; fetch it on a machine with access to the net"),
    ],
)
def test_missing_files_and_options_are_one_line(root: Path, tmp_path: Path, arguments, line, monkeypatch):
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no net")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    with pytest.raises(MMLError, match=line):
        create("torchvision", {"path": str(root), **arguments}, tmp_path / "set")


def test_a_damaged_file_is_one_line(root: Path, tmp_path: Path):
    folder = root / "MNIST/raw"
    folder.mkdir(parents=True)
    for prefix in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (folder / f"{prefix}-{kind}-ubyte").write_bytes(gzip.compress(b"x"))
    with pytest.raises(MMLError, match="MNIST"):
        create("torchvision", {"name": "MNIST", "path": str(root)}, tmp_path / "set")
