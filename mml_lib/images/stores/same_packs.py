"""Same packs: equal packed images of several data sets share their space on disk.

Files are compared byte by byte and replaced by hard links to one file. Packs are never changed after they are written,
and each of them can be removed.
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
"""Size of the smallest file that is shared, in bytes."""


def other_packs(folder: str | Path, root: str | Path) -> list[Path]:
    """Return packs of other data sets with the same preprocessing, in the order of their names.

    Args:
        folder: folder of the pack.
        root: folder with a folder of packs for each data set.
    """
    folder = Path(folder)
    paths = Path(root).glob(f"*/{glob.escape(folder.name)}")
    return sorted(path for path in paths if path.is_dir() and path.parent.name != folder.parent.name)


def same_images(dataset: Dataset, packs: Iterable[Path], manifests: str) -> Path | None:
    """Return a pack that already has the images of a data set; None without one.

    Args:
        dataset: data set without masks, because masks affect the decoding of images.
        packs: packs of other data sets with the same preprocessing.
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
        except (OSError, ValueError, MMLError):  # it has been removed, or is damaged
            continue
    return None


def _shows_the_same(other: Dataset, dataset: Dataset) -> bool:
    """Return True if two data sets have the same images in the same formats and the same conversion."""
    return (other.digests, other.values, other.conversion) == (dataset.digests, None, dataset.conversion) and _formats(
        other
    ) == _formats(dataset)


def _formats(dataset: Dataset) -> list[list[str]]:
    """Return the suffix of each image, because copies in other formats may be decoded differently."""
    return [[part.lower() for part in Path(str(sample.image)).suffixes[-1:]] for sample in dataset.delivery.samples]


def share(files: Iterable[Path], packs: Sequence[Path]) -> list[Path]:
    """Replace files of a new pack by links to equal files of other packs.

    Args:
        files: files of the new pack.
        packs: folders of other packs.

    Returns:
        Packs that share files with the new one.
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
    except OSError:  # it has been removed, or belongs to another user
        return False
    finally:
        filecmp.clear_cache()


def _link(other: Path, path: Path) -> bool:
    """Replace a file by a hard link to another file, and return False if the file system refuses."""
    link = path.with_name(f".{path.name}.link")
    try:
        os.link(other, link)
    except OSError:
        return False
    os.replace(link, path)
    return True
