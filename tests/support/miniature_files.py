"""Small files of images and archives, from which miniatures of public data sets are put together."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from mml_lib.config.task_options import Task

Files = dict[str, bytes]
"""Content of each file by its path in an archive, or by the name of a download."""

random = np.random.default_rng(0)
SPLITS = ("train", "val", "test")


def picture(suffix: str = ".jpg", size: int = 8) -> bytes:
    """Return an image file of random pixels."""
    pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, Image.registered_extensions()[suffix.lower()])
    return content.getvalue()


def class_folders(folder: str, classes: Iterable[str], count: int = 6, suffix: str = ".jpg") -> Files:
    """Return images in a folder for each class."""
    return {f"{folder}{name}/{name}_{row}{suffix}": picture(suffix) for name in classes for row in range(count)}


def split_folders(folder: str, splits: Iterable[str], classes: Iterable[str], suffix: str = ".jpg") -> Files:
    """Return images in a folder for each class, below one for each split."""
    return {
        path: content
        for split in splits
        for path, content in class_folders(f"{folder}{split}/", classes, 2, suffix).items()
    }


def zipped(files: Files) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, body in files.items():
            archive.writestr(path, body)
    return content.getvalue()


def tarred(files: Files, compression: str = "gz") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=f"w:{compression}") as archive:
        for path, body in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return content.getvalue()


def saved(write: Callable[[io.BytesIO], object]) -> bytes:
    content = io.BytesIO()
    write(content)
    return content.getvalue()


def pixels(*shape: int) -> np.ndarray:
    return random.integers(0, 256, shape, dtype=np.uint8)


def name_of(task: Task, place: int) -> str:
    """Return the file name of a download."""
    return urlsplit(task.downloads[place].url).path.rsplit("/", 1)[-1]
