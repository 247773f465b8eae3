"""Mistakes in data that a step refuses, each with its line."""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.support.bad_studies import SHA256
from tests.support.workplaces import Workplace


def image(path: Path, value: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(path)
    return path


def folders(place: Workplace, per_class: int = 6) -> Path:
    for number, label in enumerate("ab"):
        for index in range(per_class):
            image(place.folder / f"images/{label}/{index}.png", 20 * index + number)
    return place.folder / "images"


def one_image_class(place: Workplace) -> dict[str, Any]:
    folders(place)
    image(place.folder / "images/rare/0.png", 9)
    return {"creator": "image_folder", "path": "images", "folds": 2}


def truncated(place: Workplace) -> dict[str, Any]:
    folders(place)
    large = place.folder / "images/a/broken.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(large)
    large.write_bytes(large.read_bytes()[:4000])
    return {"creator": "image_folder", "path": "images", "folds": 2}


def unreadable(place: Workplace) -> dict[str, Any]:
    folders(place)
    (place.folder / "images/b/text.png").write_text("no image")
    return {"creator": "image_folder", "path": "images", "folds": 2}


def copied_between_splits(place: Workplace) -> dict[str, Any]:
    for split in ("train", "test"):
        for label in "ab":
            for index in range(6):
                image(place.folder / f"images/{split}/{label}/{index}.png", index if label == "a" else index + 50)
    return {"creator": "image_folder", "path": "images", "folds": 2}


def table(place: Workplace, *rows: str, head: str = "image,label,split") -> dict[str, Any]:
    for label in "ab":
        for index in range(6):
            image(place.folder / f"images/{label}/{index}.png", index)
    lines = [f"images/{label}/{index}.png,{label},train" for label in "ab" for index in range(4)]
    lines += [f"images/{label}/5.png,{label},test" for label in "ab"]
    (place.folder / "table.csv").write_text("\n".join([head, *lines, *rows]))
    return {"creator": "csv", "path": "table.csv", "folds": 2}


def label_without_class(place: Workplace) -> dict[str, Any]:
    (place.folder / "wrong.py").write_text(
        "from mml_lib.tasks.creators import register_creator\n"
        "from mml_lib.tasks.dataset import Delivery, Sample\n"
        "@register_creator('wrong')\n"
        "def wrong(folder):\n"
        "    return Delivery([Sample('7', 'x.png', 'zebra')], ['cat', 'dog'])\n"
    )
    return {"creator": "wrong"}


def masked(place: Workplace, values: np.ndarray, **more: Any) -> dict[str, Any]:
    for index in range(8):
        image(place.folder / f"images/{index}.png", index)
        file = place.folder / f"masks/{index}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(values).save(file)
    return {"creator": "image_folder", "path": "images", "masks": "masks", "folds": 2, **more}


def two_conventions(place: Workplace) -> dict[str, Any]:
    task = masked(place, mask(), idx_to_class={0: "none", 1: "lesion"})
    for index in range(1, 8, 2):
        Image.fromarray(mask() * 255).save(place.folder / f"masks/{index}.png")
    return task


def mask(size: int = 8, *others: int) -> np.ndarray:
    values = np.zeros((size, size), np.uint8)
    values[0, : 1 + len(others)] = [1, *others]
    return values


def values_table(place: Workplace, *values: str, head: str = "image,value") -> dict[str, Any]:
    for index in range(len(values)):
        image(place.folder / f"images/{index}.png", index)
    rows = [f"images/{index}.png,{value}" for index, value in enumerate(values)]
    (place.folder / "table.csv").write_text("\n".join([head, *rows]))
    return {"creator": "csv", "path": "table.csv", "folds": 2}


def medmnist(place: Workplace, name: str, labels: int, **arrays: np.ndarray) -> dict[str, Any]:
    for split in ("train", "val", "test"):
        arrays.setdefault(f"{split}_images", np.zeros((8, 28, 28), np.uint8))
        arrays[f"{split}_labels"] = np.zeros((labels, 14 if name == "chestmnist" else 1), np.uint8)
    np.savez(place.folder / f"{name}.npz", **arrays)
    return {"creator": "medmnist", "path": f"{name}.npz"}


def no_medmnist(place: Workplace) -> dict[str, Any]:
    np.savez(place.folder / "breastmnist.npz", images=np.zeros((8, 28, 28), np.uint8))
    return {"creator": "medmnist", "path": "breastmnist.npz"}


def download(place: Workplace, sha256: str = SHA256, name: str = "images.zip") -> dict[str, Any]:
    file = place.folder / name
    file.write_bytes(b"no archive")
    return {"creator": "image_folder", "downloads": [{"url": file.as_uri(), "sha256": sha256}]}


def escaping_archive(place: Workplace) -> dict[str, Any]:
    file = place.folder / "images.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/0.png", b"x")
        archive.writestr("../../evil.png", b"x")
    task = {"url": file.as_uri(), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    return {"creator": "image_folder", "downloads": [task]}


STEPS: dict[str, tuple[Callable[[Workplace], dict[str, Any]], str]] = {
    "class folder with one image": (
        one_image_class,
        "class 'rare' has 1 image, 2 folds .*at least 3",
    ),
    "truncated image": (truncated, r"images/a/broken\.png is truncated or damaged"),
    "unreadable image": (unreadable, r"images/b/text\.png is in no format that can be read"),
    "image in two splits": (
        copied_between_splits,
        "12 images are in train and test, .*{folder}/images/train/a/0.png = {folder}/images/test/a/0.png, ",
    ),
    "duplicate sample": (
        lambda place: table(place, "images/a/0.png,a,train"),
        "sample 'images/a/0.png' is listed twice",
    ),
    "sample in two splits": (
        lambda place: table(place, "images/a/0.png,a,test"),
        r"sample 'images/a/0\.png' is in train and in test",
    ),
    "unknown split": (lambda place: table(place, "images/a/4.png,a,trian"), "is in split 'trian'; splits: train, val"),
    "mask of another size": (
        lambda place: masked(place, mask(9), idx_to_class={0: "none", 1: "lesion"}),
        r"{folder}/masks/0\.png has 9×9.*{folder}/images/0\.png 8×8",
    ),
    "mask value without a class": (
        lambda place: masked(place, mask(8, 7), idx_to_class={0: "none", 1: "lesion"}),
        r"{folder}/masks/0\.png.*value 7,.*class \(0: none, 1: lesion\)",
    ),
    "mask values without names": (
        lambda place: masked(place, mask(8, 2)),
        r"say what the mask values \[0, 1, 2\] mean",
    ),
    "masks of two conventions": (
        two_conventions,
        r"4 masks of 8 hold.*but 0 and 255 \({folder}/masks/1\.png, {folder}/masks/3\.png,",
    ),
    "masks in colour": (
        lambda place: masked(place, np.dstack([mask(8) * 255, mask(8), mask(8)])),
        r"masks/0\.png.*name.*{{background: \[0, 0, 0\], class1: \[255, 1, 1\]}}",
    ),
    "black masks": (
        lambda place: masked(place, mask() * 0, idx_to_class={0: "none", 1: "lesion"}),
        r"all 8 masks are 'none'.*{folder}/masks/0\.png",
    ),
    "soft label above one": (
        lambda place: values_table(place, "a|b", "a:1.5", "b", "a", "b", "a", head="image,labels"),
        r"sample 'images/1\.png' .*'a' .*1\.5; it must lie in 0\.\.1",
    ),
    "label counts that disagree": (
        lambda place: medmnist(place, "breastmnist", labels=7),
        r"breastmnist\.npz: .*8 images and 7 labels",
    ),
    "npz without the expected arrays": (no_medmnist, r"breastmnist\.npz: .*array 'train_labels'"),
    "checksum that does not match": (download, "has the SHA-256 "),
    "archive that is none": (
        lambda place: download(place, hashlib.sha256(b"no archive").hexdigest()),
        "images.zip is damaged or cut off",
    ),
    "archive that leads outside": (escaping_archive, r"its member '\.\./\.\./evil\.png' would lie outside"),
    "label that is not a class": (label_without_class, "sample '7'.*label 'zebra'"),
}

IN_A_RUN = (
    "class folder with one image",
    "truncated image",
    "image in two splits",
    "black masks",
    "checksum that does not match",
    "archive that is none",
    "archive that leads outside",
    "label that is not a class",
)
"""Mistakes of which a run of Snakemake is made: at least one of each rule, and those that need downloads or plugins."""
