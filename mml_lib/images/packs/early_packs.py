"""Early packs: the images of a new data set are packed while they are surveyed, so that each is decoded once.

Only the survey of all images shows the conversion of a data set. Early packs expect the conversion of the first image.
They are given up if it turns out otherwise, or if an image has more than 8 bits or would be packed from a smaller draft
of its JPEG. The step that packs the data set then decodes its images, with the same result.
"""

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mml_lib.config.image_options import Images
from mml_lib.files.atomic import remove_leftovers, write_whole_folder
from mml_lib.images.conversion.choosing import ImageChannels, expected_conversion
from mml_lib.images.decoding import transform_picture
from mml_lib.images.deep_images import DeepImage
from mml_lib.images.packing import Packer
from mml_lib.images.readers import Picture
from mml_lib.images.transforms import check_colours, is_restorable, packed_size
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.dataset import Dataset

ORIGIN = "origin.txt"
"""File in an early pack with a digest of the images that it was made of."""


class EarlyPacks:
    """Packs of a data set that is being surveyed. Several threads add its images.

    Args:
        packs: transforms by the folder of the early pack; functions of the user's own are left to the packing step.
        images: what the study states.
    """

    def __init__(self, packs: Mapping[str, Sequence[Mapping[str, Any]]], images: Images):
        self.images = images
        self.transforms = {
            folder: transforms
            for folder, transforms in packs.items()
            if packed_size(transforms) is not None and is_restorable(transforms)
        }
        self._expected: Dataset | None = None
        self._packers: dict[str, Packer] = {}
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._has_begun = self._is_given_up = False
        self._added = 0
        for folder in packs:
            remove_leftovers(folder)
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, dataset: Dataset, row: int, channels: ImageChannels, image: DeepImage | Picture) -> None:
        """Pack an image.

        Args:
            dataset: the data set before its survey.
            row: of the image.
            channels: of the image.
            image: as `read_samples` returns it.
        """
        with self._lock:
            if not self._has_begun:
                self._has_begun = True
                self._begin(dataset, channels)
        if self._is_given_up:
            return
        try:
            if not self._pack(row, image):
                self._is_given_up = True
        except Exception:  # the packing step meets it again, and reports it
            self._is_given_up = True

    def _begin(self, dataset: Dataset, channels: ImageChannels) -> None:
        conversion = expected_conversion(channels, self.images)
        has_masks = TASK_TYPES[dataset.delivery.task_type].has_masks
        self._is_given_up = conversion is None or has_masks or not self.transforms
        if conversion is None or self._is_given_up:
            return
        self._expected = replace(dataset, conversion=conversion)
        try:
            for folder, transforms in self.transforms.items():
                check_colours(transforms, conversion.pixels)
                beside = self._stack.enter_context(write_whole_folder(folder))
                count = len(dataset.delivery.samples)
                self._packers[folder] = Packer(self._expected, transforms, beside, count, self._stack)
        except Exception:  # likewise
            self._is_given_up = True

    def _pack(self, row: int, image: DeepImage | Picture) -> bool:
        """Pack an image; return False if the packing step may make other pixels of it."""
        expected = self._expected
        if expected is None or not isinstance(image, Picture):
            return False
        for packer in self._packers.values():
            pixels = transform_picture(
                image, expected.image_path(row), packer.transforms, expected.conversion, packer.findings
            )
            if pixels is None:
                return False
            packer.write(row, row, pixels, None)
        with self._lock:
            self._added += 1
        return True

    def finish(self, dataset: Dataset) -> None:
        """Keep the early packs if they have all images of a surveyed data set, in its conversion."""
        expected = self._expected
        is_whole = not self._is_given_up and self._added == len(dataset.sizes)
        if expected is None or not is_whole or dataset.conversion != expected.conversion:
            self.give_up()
            return
        for packer in self._packers.values():
            packer.findings.write(packer.folder)
            (packer.folder / ORIGIN).write_text(_origin(dataset))
        self._stack.close()

    def give_up(self) -> None:
        """Remove the early packs, unless they are finished."""
        with suppress(_GivenUp), self._stack:
            raise _GivenUp
        for folder in self._packers:
            with suppress(OSError):  # there are other packs of the data set
                Path(folder).parent.rmdir()

    def __enter__(self) -> "EarlyPacks":
        return self

    def __exit__(self, *_: object) -> None:
        self.give_up()


class _GivenUp(Exception):
    """The folders of early packs are not to be kept."""


def take_early_pack(early: str, dataset: Dataset, folder: str) -> bool:
    """Rename an early pack to the only shard of a data set.

    Args:
        early: folder of the early pack.
        dataset: the surveyed data set.
        folder: of the shard.

    Returns:
        False if there is no early pack, or if it was made of other images; it is removed then.
    """
    try:
        is_own = Path(early, ORIGIN).read_text() == _origin(dataset)
    except OSError:
        is_own = False
    if not is_own:
        shutil.rmtree(early, ignore_errors=True)
        return False
    Path(early, ORIGIN).unlink()
    with suppress(FileNotFoundError):
        os.rmdir(folder)
    os.rename(early, folder)
    return True


def _origin(dataset: Dataset) -> str:
    """Return a digest of the files, pixels and conversion of a data set."""
    names = [str(sample.image) for sample in dataset.delivery.samples]
    content = json.dumps([names, dataset.digests, dataset.conversion.to_json()])
    return hashlib.sha256(content.encode()).hexdigest()
