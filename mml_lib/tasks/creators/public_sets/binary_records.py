"""The creators `cifar` and `stl10`: images as plain bytes."""

from pathlib import Path
from typing import TYPE_CHECKING

from mml_lib.errors import MMLError
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.creators.own_data import existing
from mml_lib.tasks.creators.public_sets.array_delivery import Arrays, damage_named, deliver_arrays, survey_files
from mml_lib.tasks.dataset import Delivery

if TYPE_CHECKING:
    import numpy as np

CIFAR_10 = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]}
CIFAR_100 = {"train": ["train.bin"], "test": ["test.bin"]}
CIFAR_SIDE, STL10_SIDE = 32, 96
"""Height and width of the images in pixels."""


def _lines(file: Path) -> list[str]:
    with damage_named(file):
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


# --- CIFAR ------------------------------------------------------------------------------------------------------------


def _cifar_files(labels: str | None) -> tuple[dict[str, list[str]], str]:
    """Return the files of each split, and that of the class names.

    Raises:
        MMLError: labels that do not exist.
    """
    if labels is None:
        return CIFAR_10, "batches.meta.txt"
    if labels not in ("fine", "coarse"):
        raise MMLError(f"creator cifar: labels: '{labels}' is neither fine nor coarse, the two levels of CIFAR-100")
    return CIFAR_100, f"{labels}_label_names.txt"


def _survey_cifar(path: str, labels: str | None = None, downloaded: bool = False) -> Survey:
    files, names = _cifar_files(labels)
    every = [names, *files["train"], *files["test"]]
    return survey_files(path, "cifar", every, {"train", "test"}, downloaded)


@register_creator("cifar", survey=_survey_cifar)
def cifar(folder: Path, path: str, labels: str | None = None) -> Delivery:
    """CIFAR-10 or CIFAR-100 in their binary version, 32×32 pixels.

    Args:
        folder: where the arrays go.
        path: the folder `cifar-10-batches-bin` or `cifar-100-binary`.
        labels: of CIFAR-100 `fine` (100 classes) or `coarse` (20); unset: CIFAR-10.

    Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009.
    """
    import numpy as np

    root = existing(path, "folder", "cifar")
    files, names = _cifar_files(labels)
    leading = 1 if labels is None else 2  # bytes of labels before each image; of CIFAR-100 the coarse one is first
    arrays: dict[str, Arrays] = {}
    for split, parts in files.items():
        rows = np.concatenate([_records(root / name, leading + 3 * CIFAR_SIDE**2) for name in parts])
        planes = rows[:, leading:].reshape(-1, 3, CIFAR_SIDE, CIFAR_SIDE)
        column = 1 if labels == "fine" else 0
        arrays[split] = (planes.transpose(0, 2, 3, 1), rows[:, column].tolist())
    return deliver_arrays(folder, arrays, _lines(existing(str(root / names), "file", "cifar")), root)


def _records(file: Path, size: int) -> "np.ndarray":
    """Return records of equal size, N×size in uint8.

    Raises:
        MMLError: the file does not exist, or does not consist of such records.
    """
    import numpy as np

    content = np.fromfile(existing(str(file), "file", "binary records"), dtype=np.uint8)
    if not content.size or content.size % size:
        raise MMLError(f"{file} has {content.size} bytes, no multiple of {size}; fetch it again")
    return content.reshape(-1, size)


# --- STL-10 -----------------------------------------------------------------------------------------------------------


def _survey_stl10(path: str, unlabelled: bool = False, downloaded: bool = False) -> Survey:
    names = ["class_names.txt", *(f"{split}_{part}.bin" for split in ("train", "test") for part in "Xy")]
    splits = {"train", "test"} | ({"unlabelled"} if unlabelled else set())
    return survey_files(path, "stl10", [*names, *["unlabeled_X.bin"] * unlabelled], splits, downloaded)


@register_creator("stl10", survey=_survey_stl10)
def stl10(folder: Path, path: str, unlabelled: bool = False) -> Delivery:
    """STL-10 in its binary version, 96×96 pixels.

    Args:
        folder: where the arrays go.
        path: the folder `stl10_binary`.
        unlabelled: use the 100,000 unlabelled images too.

    Source: A. Coates, A. Ng, H. Lee, An Analysis of Single-Layer Networks in Unsupervised Feature Learning, 2011.
    """
    root = existing(path, "folder", "stl10")
    arrays: dict[str, Arrays] = {
        split: (_stl10_images(root / f"{split}_X.bin"), [label - 1 for label in _stl10_labels(root, split)])
        for split in ("train", "test")
    }
    if unlabelled:
        arrays["unlabelled"] = (_stl10_images(root / "unlabeled_X.bin"), None)
    return deliver_arrays(folder, arrays, _lines(existing(str(root / "class_names.txt"), "file", "stl10")), root)


def _stl10_images(file: Path) -> "np.ndarray":
    planes = _records(file, 3 * STL10_SIDE**2).reshape(-1, 3, STL10_SIDE, STL10_SIDE)
    return planes.transpose(0, 3, 2, 1)  # each plane is stored column by column


def _stl10_labels(root: Path, split: str) -> list[int]:
    return _records(root / f"{split}_y.bin", 1)[:, 0].tolist()
