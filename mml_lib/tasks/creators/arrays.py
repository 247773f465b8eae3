"""Data sets that come as arrays: MedMNIST's `.npz` files and files in the format of MNIST.

The arrays are kept as plain `.npy` files; a sample's image is a row of one.
"""

import gzip
import hashlib
import math
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from mml_lib.errors import MMLError, nearest
from mml_lib.files.atomic import write_whole
from mml_lib.pipelines.digests import digest
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.creators.medmnist import MEDMNIST, REFERENCE, URL, MedSet
from mml_lib.tasks.creators.own_data import existing, only_file, sampled_digests
from mml_lib.tasks.dataset import About, Delivery, Label, Sample

FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
IDX = r"^[^.].*idx[13]-ubyte(\.gz)?$"  # no hidden files, which macOS adds
IDX_SPLITS = {"train": ("train",), "test": ("t10k", "test")}


@contextmanager
def _damage_named(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, struct.error, zipfile.BadZipFile) as error:
        raise MMLError(f"the file {file} is damaged or of another format ({error}); fetch it again") from error


# --- MedMNIST ---------------------------------------------------------------------------------------------------


def _survey_medmnist(
    path: str = ".", name: str | None = None, task_type: str | None = None, downloaded: bool = False
) -> Survey:
    file = Path(path) if downloaded else only_file(path, ".npz", "medmnist")
    set_name = _medmnist_name(file, name)
    kind = _medmnist_kind(set_name, task_type)
    fingerprint = None if downloaded else digest([kind, set_name, file.stat().st_size, _ends(file)])
    classes = MEDMNIST[set_name].classes if not TASK_TYPES[kind].has_values else ()
    return Survey.of_splits({"train", "val", "test"}, fingerprint=fingerprint, task_type=kind, classes=classes)


def _ends(file: Path) -> str:
    """Return a digest of the first and the last 64 KB of a file; the directory of a zip file is at its end."""
    with open(file, "rb") as stream:
        head = stream.read(65536)
        stream.seek(max(0, file.stat().st_size - 65536))
        return hashlib.sha256(head + stream.read()).hexdigest()


def _medmnist_name(file: Path, name: str | None) -> str:
    set_name = (name or file.stem.split("_")[0]).lower()
    if set_name not in MEDMNIST:
        hint = nearest(set_name, MEDMNIST)
        raise MMLError(f"creator medmnist: '{set_name}' is not one of the 2D sets{hint}; name the set by the key name")
    return set_name


def _medmnist_kind(name: str, task_type: str | None) -> str:
    med_set = MEDMNIST[name]
    if task_type in (None, med_set.task_type) or (TASK_TYPES[task_type].has_values and med_set.ordinal):
        return task_type or med_set.task_type
    raise MMLError(f"creator medmnist: {name} is a {med_set.task_type}, not a {task_type}")


@register_creator("medmnist", survey=_survey_medmnist)
def medmnist(folder: Path, path: str = ".", name: str | None = None, task_type: str | None = None) -> Delivery:
    """A 2D set of MedMNIST v2 (Yang et al. 2023) of any size, with its official splits.

    Args:
        folder: folder for the arrays.
        path: the `.npz` file, or a folder with a single one.
        name: name of the set, unless the file is named after it (`bloodmnist.npz`, `bloodmnist_128.npz`).
        task_type: `regression` turns the grades of retinamnist into numbers.
    """
    file = only_file(path, ".npz", "medmnist")
    set_name = _medmnist_name(file, name)
    med_set, kind = MEDMNIST[set_name], _medmnist_kind(set_name, task_type)
    samples = []
    with _damage_named(file), zipfile.ZipFile(file) as archive:
        for split in ("train", "val", "test"):
            labels = _npz_labels(archive, f"{split}_labels", file)
            count = _npz_images(archive, f"{split}_images", folder / f"{split}.npy", file)
            if count != len(labels):
                raise MMLError(f"{file}: {split} has {count} images and {len(labels)} labels; fetch it again")
            samples += [
                Sample(f"{split}/{row}", f"{split}.npy#{row}", _label(med_set, kind, values, file), split)
                for row, values in enumerate(labels.tolist())
            ]
    metadata = About({"image": med_set.modality}, ["medical", *med_set.keywords], med_set.license, REFERENCE, URL, "v2")
    return Delivery(samples, list(med_set.classes) if not TASK_TYPES[kind].has_values else [], kind, metadata)


def _label(med_set: MedSet, kind: str, values: Sequence[int], file: Path) -> Label:
    classes = med_set.classes
    if TASK_TYPES[kind].is_multilabel:
        if len(values) != len(classes):
            raise MMLError(f"{file}: there are {len(values)} labels a sample, not {len(classes)}")
        if not set(values) <= {0, 1}:
            raise MMLError(f"{file}: the labels of a sample are {values}, not 0 and 1 only")
        return {label: 1.0 for label, value in zip(classes, values, strict=True) if value}
    if len(values) != 1 or not 0 <= values[0] < len(classes):
        raise MMLError(f"{file}: a label is {values}, not a number from 0 to {len(classes) - 1}")
    return float(values[0]) if TASK_TYPES[kind].has_values else classes[values[0]]


def _npz_member(archive: zipfile.ZipFile, name: str, file: Path) -> IO[bytes]:
    if f"{name}.npy" not in archive.namelist():
        arrays = ", ".join(member.removesuffix(".npy") for member in archive.namelist()) or "none"
        raise MMLError(f"{file}: there is no array '{name}', so it is no file of MedMNIST; arrays: {arrays}")
    return archive.open(f"{name}.npy")


def _npz_labels(archive: zipfile.ZipFile, name: str, file: Path) -> np.ndarray:
    """Return labels, N×labels."""
    with _npz_member(archive, name, file) as stream:
        labels = np.lib.format.read_array(stream, allow_pickle=False)
    if labels.ndim not in (1, 2) or labels.dtype.kind not in "iu":
        raise MMLError(f"{file}: the array '{name}' is {labels.dtype} {labels.shape}, not whole numbers N×labels")
    return labels.reshape(len(labels), -1)


def _npz_images(archive: zipfile.ZipFile, name: str, target: Path, file: Path) -> int:
    """Unpack an array of images N×H×W or N×H×W×3 as it is; return N."""
    with write_whole(target) as beside:
        with _npz_member(archive, name, file) as stream, open(beside, "wb") as out:
            shutil.copyfileobj(stream, out, 1 << 20)
        images = np.load(beside, mmap_mode="r")
        if images.dtype != np.uint8:
            raise MMLError(f"{file}: the array '{name}' has values of type {images.dtype}, not bytes (uint8)")
        if images.ndim not in (3, 4) or images.shape[3:] not in ((), (3,)):
            raise MMLError(f"{file}: the array '{name}' has the shape {images.shape}, not N×H×W or N×H×W×3")
    return len(images)


# --- MNIST's own format -----------------------------------------------------------------------------------------


def _idx_files(path: str, subset: str | None) -> dict[str, tuple[Path, Path]]:
    """Return images and labels of each split.

    Raises:
        MMLError: there are no files, or several sets and `subset` chooses none of them.
    """
    root = existing(path, "folder", "idx")
    names = sorted(file.name for file in root.iterdir() if re.search(IDX, file.name) and file.is_file())
    prefixes = sorted({match[1] for name in names if (match := re.match(r"(.*?)-?(?:train|t10k|test)-", name))})
    matching = [prefix for prefix in prefixes if subset is None or subset in (prefix, prefix.split("-")[-1])]
    if len(matching) != 1:
        sets = ", ".join(repr(prefix) for prefix in prefixes) or "none"
        hint = f"the sets {sets}; choose one by subset" if prefixes else "none"
        raise MMLError(f"creator idx: {root} should hold files like train-images-idx3-ubyte.gz; there are {hint}")
    pairs = {}
    for split, words in IDX_SPLITS.items():
        images, labels = (_idx_file(root, names, matching[0], words, kind) for kind in ("images", "labels"))
        if images and labels:
            pairs[split] = (images, labels)
        elif single := images or labels:
            raise MMLError(f"creator idx: {root} has {single.name} but not images and labels of {split}")
    if "train" not in pairs:
        raise MMLError(f"creator idx: {root} has no train-images-idx3-ubyte and train-labels-idx1-ubyte (or .gz)")
    return pairs


def _idx_file(root: Path, names: Sequence[str], prefix: str, words: Sequence[str], kind: str) -> Path | None:
    lead = f"{prefix}-" if prefix else ""
    pattern = rf"{re.escape(lead)}({'|'.join(words)})-{kind}[-.]idx[13]-ubyte(\.gz)?"
    return next((root / name for name in names if re.fullmatch(pattern, name)), None)


def _survey_idx(path: str = ".", subset: str | None = None, classes: Any = None, downloaded: bool = False) -> Survey:
    if downloaded:
        return Survey.of_splits({"train", "test"})
    files = _idx_files(path, subset)
    flat = [file for pair in files.values() for file in pair]
    flat += [mapping] if classes is None and (mapping := _mapping_file(files["train"][0])) else []
    fingerprint = digest([[f.name for f in flat], [f.stat().st_size for f in flat], sampled_digests(flat), classes])
    return Survey.of_splits(set(files) if "test" in files else set(), fingerprint=fingerprint)


@register_creator("idx", survey=_survey_idx)
def idx(
    folder: Path, path: str = ".", subset: str | None = None, classes: list[str | int] | str | None = None
) -> Delivery:
    """MNIST, Fashion-MNIST, EMNIST and other data in their file format, compressed or not.

    Args:
        folder: folder for the arrays.
        path: the folder of the files.
        subset: name of the set, where the folder has several (`letters` for emnist-letters-train-images-idx3-ubyte.gz).
        classes: names by label; `fashion` stands for those of Fashion-MNIST; unset: the numbers, or the characters in
            EMNIST's mapping file.

    Source: LeCun et al. 1998; Xiao et al. 2017; Cohen et al. 2017 (whose images lie on their side; they are turned).
    """
    files = _idx_files(path, subset)
    samples, arrays = [], {}
    for split, (images_file, labels_file) in files.items():
        images, labels = _read_idx(images_file, 3), _read_idx(labels_file, 1)
        if len(images) != len(labels):
            raise MMLError(
                f"{images_file} has {len(images)} images, {labels_file} {len(labels)} labels; fetch them again"
            )
        images = images.transpose(0, 2, 1) if "emnist" in images_file.name else images
        with write_whole(folder / f"{split}.npy") as beside, open(beside, "wb") as out:
            np.save(out, np.ascontiguousarray(images))
        arrays[split] = labels
    names = _idx_names(_mapping_file(files["train"][0]), classes, arrays)
    for split, labels in arrays.items():
        sample_split = split if "test" in files else None
        samples += [
            Sample(f"{split}/{row}", f"{split}.npy#{row}", names[label], sample_split)
            for row, label in enumerate(labels.tolist())
        ]
    return Delivery(samples, list(names.values()), about=_idx_about(files["train"][0], classes))


def _idx_about(images: Path, classes: Sequence[str | int] | str | None) -> About:
    """Return the description of a well-known data set; others only share its format."""
    if classes == "fashion":
        return About({"image": "photography"}, ["clothes", "grey"], "MIT", "H. Xiao et al.: Fashion-MNIST. 2017")
    if "emnist" in images.name:
        return About({"image": "handwriting"}, ["characters", "grey"], reference="G. Cohen et al.: EMNIST. 2017")
    return About(keywords=["grey"])


def _read_idx(file: Path, dimensions: int) -> np.ndarray:
    """Return the array of an idx file of bytes."""
    with _damage_named(file), (gzip.open if file.suffix == ".gz" else open)(file, "rb") as stream:
        zero, kind, rank = struct.unpack(">HBB", stream.read(4))
        if (zero, kind, rank) != (0, 8, dimensions):
            raise ValueError(f"its first bytes are not those of bytes in {dimensions} dimensions")
        shape = struct.unpack(f">{dimensions}I", stream.read(4 * dimensions))
        values = stream.read()
        if len(values) != math.prod(shape):
            raise ValueError(f"it has {len(values)} values, not {'×'.join(map(str, shape))}")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _mapping_file(images: Path) -> Path | None:
    """Return EMNIST's file of labels and their characters, None where there is none."""
    mapping = images.with_name(re.sub(r"-train-.*", "-mapping.txt", images.name))
    return mapping if mapping != images and mapping.is_file() else None


def _idx_names(
    mapping: Path | None, classes: list[str | int] | str | None, labels: Mapping[str, np.ndarray]
) -> dict[int, str]:
    """Return the class of each label."""
    present = np.unique(np.concatenate([*labels.values()])).tolist()
    highest = max(present, default=-1)
    if classes is not None:
        listed = FASHION if classes == "fashion" else classes
        if isinstance(listed, str) or len(listed) <= highest:
            raise MMLError(f"creator idx: classes must be 'fashion' or a list of at least {highest + 1} names")
        return dict(enumerate(map(str, listed)))
    if mapping is None:
        return {label: str(label) for label in present}
    with _damage_named(mapping):
        # A line has a label and the codes of its characters: for letters the capital, then the small one.
        lines = [line.split() for line in mapping.read_text().splitlines() if line.strip()]
        names = {int(label): chr(int(code)) for label, code, *_ in lines}
    if missing := [label for label in present if label not in names]:
        raise MMLError(f"{mapping} says nothing of the label {missing[0]}, which {mapping.parent} has; fetch it again")
    return names
