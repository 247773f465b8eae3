"""New images: a user's files, arrays or pictures, each with an id."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.files.archives import is_archive
from mml_lib.images.colours import to_picture
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.image_files import errors_named
from mml_lib.images.orientation import load_upright
from mml_lib.images.readers import Picture, read_samples
from mml_lib.images.readers.frames import read_contents
from mml_lib.images.readers.reader_registry import check_samples
from mml_lib.tasks.channel_files import ChannelFiles
from mml_lib.tasks.creators.folders.walking import ImageTree

MODES = ("1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV")
"""Modes of Pillow with 8 bits a channel, or less."""


@dataclass(frozen=True)
class NewImage:
    """An image that is no sample of a task.

    Args:
        id: its name in tables.
        content: path, paths by channel, array (H×W or H×W×C) or picture of Pillow.
        label: path in tables; None: the path of its content.
    """

    id: str
    content: Path | str | ChannelFiles | np.ndarray | Image.Image
    label: str | None = None

    @property
    def file(self) -> str:
        """Its file; empty for an image in memory."""
        if self.label is not None:
            return self.label
        return "" if isinstance(self.content, np.ndarray | Image.Image) else str(self.content)

    def __str__(self) -> str:
        return self.file or self.id

    def read(self, **options: Any) -> DeepImage | Picture:
        """Return the upright image.

        Args:
            options: parameters of readers, such as `draft`.

        Raises:
            MMLError: the file is missing or damaged, or the array is not an image.
        """
        content = self.content
        if isinstance(content, Path | str | ChannelFiles):
            return read_samples(content, **options)
        if isinstance(content, np.ndarray):
            values = check_samples(content, "array", self.id)
            if values.dtype == np.uint8 and (values.ndim == 2 or values.shape[2] == 3):
                return Picture(Image.fromarray(np.ascontiguousarray(values)))
            return DeepImage(values)
        with errors_named(self.id):
            if content.mode not in MODES:
                return DeepImage(check_samples(np.asarray(load_upright(content)), "Pillow", self.id))
            return Picture(*to_picture(load_upright(content)))


Images: TypeAlias = str | Path | np.ndarray | Image.Image | Mapping[str, Any] | Iterable[Any]


def new_images(images: Images) -> list[NewImage]:
    """Return a user's images with their ids.

    Args:
        images: a folder, a table (`.csv` with a column `image`), a file, an array, a picture, several of the last
            three, or a mapping of ids to them. An array of four dimensions holds several images.

    Raises:
        MMLError: a file does not exist, or contains no image.
    """
    if isinstance(images, Mapping):
        return [image for name, content in images.items() for image in _of_one(content, str(name))]
    if isinstance(images, str | Path):
        return files_of(Path(images))
    is_one = images.ndim < 4 if isinstance(images, np.ndarray) else isinstance(images, Image.Image)
    if is_one or not isinstance(images, Iterable):
        return _of_one(images, 0)
    listed = [image for number, content in enumerate(images) for image in _of_one(content, number)]
    if not listed:
        raise MMLError("images: the list is empty; give one image or more")
    return listed


def files_of(path: Path) -> list[NewImage]:
    """Return the images of a folder, a table or an image file; of files with several images (volumes) all.

    Raises:
        MMLError: the path does not exist, or has no images.
    """
    if path.is_dir():
        names = [Path(entry.path) for entry in ImageTree(path).images(path)]
        if not names:
            raise MMLError(f"images: the folder {path} has no image files; give a folder with images")
        return [image for file in names for image in _frames(file, file.relative_to(path).as_posix())]
    if path.suffix.lower() in (".csv", ".tsv"):
        from mml_lib.deployment.image_tables import images_of_table

        return [image for row in images_of_table(path) for image in _frames(row.content, row.id)]
    if path.is_file() and is_archive(path):
        raise MMLError(f"images: {path} is an archive; unpack it and give the folder, or use the mode apply")
    return _frames(path, path.name)


def _frames(file: Any, name: str) -> list[NewImage]:
    """Return the images of a file."""
    if isinstance(file, ChannelFiles) or (not Path(file).exists() and re.search(r"#\d+$", str(file))):
        return [NewImage(name, file)]
    try:
        count = read_contents(file).frames
    except MMLError:  # reading the image raises it again
        count = 1
    return [NewImage(name, file)] if count == 1 else [NewImage(f"{name}#{k}", f"{file}#{k}") for k in range(count)]


def _of_one(content: Any, name: str | int) -> list[NewImage]:
    """Return the images of one content, by its name; the names of files in a list are their paths."""
    if isinstance(content, str | Path):
        return _frames(Path(content), str(content) if isinstance(name, int) else name)
    if isinstance(content, np.ndarray | Image.Image | ChannelFiles):
        return [NewImage(str(name), content)]
    raise MMLError(f"images: {type(content).__name__} is not an image; give paths, arrays or pictures of Pillow")


def repeated_ids(images: Sequence[NewImage]) -> list[str]:
    """Return the ids that several images have."""
    seen: set[str] = set()
    return sorted({image.id for image in images if image.id in seen or seen.add(image.id)})  # type: ignore[func-returns-value]
