"""The creator `patch_camelyon`: patches of lymph nodes in compressed HDF5 files."""

import gzip
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_whole
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.creators.own_data import existing
from mml_lib.tasks.creators.public_sets.array_delivery import damage_named, survey_files
from mml_lib.tasks.dataset import Delivery, Sample

if TYPE_CHECKING:
    import h5py

SPLITS = {"train": "train", "val": "valid", "test": "test"}
"""Word of each split in the names of its files."""

CLASSES = ("no metastatic tissue", "metastatic tissue")
CHUNK = 4096
"""Images copied at once, about 110 MB."""


def _names() -> list[str]:
    return [f"camelyonpatch_level_2_split_{word}_{part}.h5.gz" for word in SPLITS.values() for part in "xy"]


def _survey_pcam(path: str = ".", downloaded: bool = False) -> Survey:
    return survey_files(path, "patch_camelyon", _names(), set(SPLITS), downloaded)


@register_creator("patch_camelyon", survey=_survey_pcam)
def patch_camelyon(folder: Path, path: str = ".") -> Delivery:
    """PatchCamelyon: histopathological patches of 96×96 pixels, with or without metastatic tissue.

    Args:
        folder: where the arrays go.
        path: the folder of the six files `camelyonpatch_level_2_split_*.h5.gz`.

    Source: B. S. Veeling et al., Rotation Equivariant CNNs for Digital Pathology, MICCAI 2018.

    Raises:
        MMLError: the package h5py is not installed, or a file is damaged.
    """
    try:
        import h5py  # noqa: F401  (an optional package)
    except ImportError as error:
        raise MMLError("creator patch_camelyon: the package h5py is not installed: pip install 'mml[hdf5]'") from error
    root, samples = existing(path, "folder", "patch_camelyon"), []
    for split, word in SPLITS.items():
        images, labels = (
            existing(str(root / f"camelyonpatch_level_2_split_{word}_{part}.h5.gz"), "file", "patch_camelyon")
            for part in "xy"
        )
        classes = _read_labels(labels, folder)
        count = _copy_images(images, folder / f"{split}.npy")
        if count != len(classes):
            raise MMLError(f"{images} has {count} images, {labels} {len(classes)} labels; fetch them again")
        samples += [
            Sample(f"{split}/{row}", f"{split}.npy#{row}", CLASSES[label], split) for row, label in enumerate(classes)
        ]
    return Delivery(samples, list(CLASSES))


def _opened(file: Path, beside: Path) -> "h5py.File":
    """Return the HDF5 file in a compressed file; it is decompressed to a temporary file, for HDF5 seeks."""
    import h5py

    handle, name = tempfile.mkstemp(suffix=".h5", dir=beside)
    try:
        with gzip.open(file) as compressed, open(handle, "wb") as plain:
            shutil.copyfileobj(compressed, plain, 1 << 20)
        return h5py.File(name, "r")
    finally:
        os.unlink(name)  # the open file stays readable


def _read_labels(file: Path, folder: Path) -> list[int]:
    with damage_named(file), _opened(file, folder) as content:
        labels = content["y"][:].reshape(-1).tolist()
    if not set(labels) <= {0, 1}:
        raise MMLError(f"{file}: the labels are {sorted(set(labels))[:5]}, not 0 and 1 only; fetch it again")
    return labels


def _copy_images(file: Path, target: Path) -> int:
    """Write the images of a file as an array N×96×96×3; return N."""
    import numpy as np

    with write_whole(target) as beside, damage_named(file), _opened(file, target.parent) as content:
        images = content["x"]
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise ValueError(f"images are {images.dtype} {images.shape}, not uint8 N×H×W×3")
        array = np.lib.format.open_memmap(beside, mode="w+", dtype=np.uint8, shape=images.shape)
        for start in range(0, len(images), CHUNK):
            array[start : start + CHUNK] = images[start : start + CHUNK]
        array.flush()
        return len(images)
