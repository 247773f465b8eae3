"""Same packs: packed images of several data sets with the same content take the room of one on the disk.

Files are compared byte by byte, and then have one content under several names (hard links). None of them is changed
after it was written, and any of them can be removed.
"""

import filecmp
import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mml_lib.errors import MMLError
from mml_lib.tasks.dataset import Dataset

SMALLEST = 2**12
"""Bytes of the smallest file that is shared."""


def other_packs(folder: str | Path, root: str | Path) -> list[Path]:
    """Return packs of other data sets with the same preprocessing, in the order of their names.

    Args:
        folder: of the pack itself.
        root: folder with a folder of packs for each data set.
    """
    folder = Path(folder)
    paths = Path(root).glob(f"*/{glob.escape(folder.name)}")
    return sorted(path for path in paths if path.is_dir() and path.parent.name != folder.parent.name)


def same_images(dataset: Dataset, packs: Iterable[Path], manifests: str) -> Path | None:
    """Return a pack that has the images of a data set already; None where there is none.

    Args:
        dataset: a data set without masks, which decide how its images are decoded.
        packs: of other data sets with the same preprocessing.
        manifests: path of the manifest of a data set `{dataset}`.
    """
    if dataset.values is not None or dataset.digests is None or dataset.conversion.uses_own_window:
        return None
    for path in packs:
        manifest = manifests.format(dataset=path.parent.name)
        try:
            if len(np.load(path / "moments.npy", mmap_mode="r")) != len(dataset.sizes):
                continue
            if (path / "images.npy").exists() and _shows_the_same(Dataset.read(manifest), dataset):
                return path
        except (OSError, ValueError, MMLError):  # it is removed meanwhile, or damaged
            continue
    return None


def _shows_the_same(other: Dataset, dataset: Dataset) -> bool:
    """Return True if two data sets have the same images in the same formats, and convert them alike."""
    return (other.digests, other.values, other.conversion) == (dataset.digests, None, dataset.conversion) and _formats(
        other
    ) == _formats(dataset)


def _formats(dataset: Dataset) -> list[list[str]]:
    """Return the suffixes of each image: copies in other formats may be decoded in another way."""
    return [[part.lower() for part in Path(str(sample.image)).suffixes[-1:]] for sample in dataset.delivery.samples]


def share(files: Iterable[Path], packs: Sequence[Path]) -> list[Path]:
    """Replace files of a pack that is being written by links to the same files of other packs.

    Args:
        files: of the pack.
        packs: folders of other packs.

    Returns:
        The packs that files are shared with.
    """
    shared = []
    for path in files:
        if path.stat().st_size < SMALLEST:
            continue
        for other in packs:
            if _are_same(path, other / path.name) and _link(other / path.name, path):
                shared.append(other)
                break
    return list(dict.fromkeys(shared))


def _are_same(path: Path, other: Path) -> bool:
    """Return True if two files have the same bytes."""
    try:
        if other.stat().st_size != path.stat().st_size:
            return False
        return os.path.samefile(path, other) or filecmp.cmp(path, other, shallow=False)
    except OSError:  # it was removed meanwhile, or is of another user
        return False
    finally:
        filecmp.clear_cache()


def _link(other: Path, path: Path) -> bool:
    """Put a link to another file in the place of a file; return False where the file system refuses."""
    beside = path.with_name(f".{path.name}.link")
    try:
        os.link(other, beside)
    except OSError:
        return False
    os.replace(beside, path)
    return True
