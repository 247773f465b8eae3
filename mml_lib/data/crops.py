"""Crops: random parts of training images, as a function of seed and epoch.

Pixels of a crop beyond its image are black, and ignored in its mask.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from mml_lib.config.training_options import Patches
from mml_lib.data.sampling import BatchSampler
from mml_lib.errors import MMLError
from mml_lib.task_types import IGNORE

if TYPE_CHECKING:
    from mml_lib.data.datamodule import TaskImages

PLACES = 256
"""Largest number of labelled pixels of a class in an image that crops may contain, at equal intervals among all."""

CROPS = 1
"""Number of the random stream of crops, which differs from that of the order of samples."""


@dataclass(frozen=True)
class CropDraws:
    """Positions and random numbers in 0..1 that determine the crops of a batch, B each.

    Args:
        positions: positions of the images among the samples of their part.
        rows, columns: place of the crop in its image.
        foreground: compared with the share of crops around a labelled pixel.
        pixels: choice of the labelled pixel.
    """

    positions: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    foreground: np.ndarray
    pixels: np.ndarray


class CropSampler(BatchSampler):
    """Yields the draws of each batch of an epoch.

    They depend only on seed and epoch, so an interrupted training continues with the same crops.
    """

    def __iter__(self) -> Iterator[CropDraws]:  # type: ignore[override]  # its elements are those of its data set
        stream = [self.seed, self.epoch, self.rounds, CROPS]
        draws = np.random.default_rng(stream).random((self.num_samples, len(fields(CropDraws)) - 1))
        size, start = self.sampling.batch_size, 0
        for positions in super().__iter__():
            batch = draws[start : start + size][self.rank :: self.world_size]
            start += size
            yield CropDraws(positions, *batch[: len(positions)].T)


@dataclass(frozen=True)
class LabelledPixels:
    """Places of labelled pixels (foreground classes) of N masks.

    Args:
        places: rows and columns of M pixels, M×2, image by image.
        ends: cumulative number of places up to and including each image, N.
    """

    places: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, images: "TaskImages") -> "LabelledPixels":
        """Return the labelled pixels of all masks, each of which is read once."""
        assert images.lookup is not None, "tasks without masks have no labelled pixels"
        places = [_spread(images.lookup[images.mask(position)]) for position in range(len(images))]
        ends = np.cumsum([len(part) for part in places])
        return cls(np.concatenate(places), ends)

    def pick(self, position: int, share: float) -> tuple[int, int] | None:
        """Return the place of an image that a number in 0..1 selects; None if the image has no labelled pixel."""
        start = int(self.ends[position - 1]) if position else 0
        count = int(self.ends[position]) - start
        if not count:
            return None
        row, column = self.places[start + int(share * count)].tolist()
        return row, column


def _spread(classes: np.ndarray) -> np.ndarray:
    """Return up to `PLACES` pixels of each foreground class of a mask, at equal intervals, M×2."""
    labelled = np.flatnonzero((classes > 0) & (classes != IGNORE))
    values, parts = classes.ravel()[labelled], [np.zeros(0, np.int64)]
    for number in np.unique(values):
        pixels = labelled[values == number]
        parts.append(pixels[np.linspace(0, len(pixels) - 1, min(len(pixels), PLACES)).round().astype(int)])
    return np.stack(np.divmod(np.concatenate(parts), classes.shape[1]), axis=1).astype(np.int32)


class Crops(Dataset[dict[str, torch.Tensor]]):
    """Random crops of the images of a part, read a batch at a time.

    Args:
        images: images that crops are cut from.
        patches: size and kind of the crops.

    Raises:
        MMLError: all images are smaller than a crop.
    """

    def __init__(self, images: "TaskImages", patches: Patches):
        largest = images.sizes.max(axis=0)
        if (largest < patches.sides).all():
            raise MMLError(
                f"patches.size: crops of {patches.sides[0]}×{patches.sides[1]} pixels are larger than every image, the "
                f"largest of which has {largest[0]}×{largest[1]}; lower it, or leave out patches"
            )
        self.images = images
        self.patches = patches
        share = patches.share_of_foreground(images.segmentation)
        self.share = share
        self.labelled = LabelledPixels.of(images) if share else None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, draws: CropDraws) -> dict[str, torch.Tensor]:
        """Return `image` (B×C×h×w in channels-last memory) and `target` of crops, with the dtypes of whole images."""
        images, (height, width) = self.images, self.patches.sides
        positions = draws.positions // self.patches.per_image
        crops = images.room(len(positions), height, width).zero_()
        masks = np.full((len(positions), height, width), IGNORE, np.int64) if images.segmentation else None
        for place, position in enumerate(positions.tolist()):
            top, left = self._corner(draws, place, position)
            cut(images.image(position), top, left, crops[place].numpy())
            if masks is not None and images.lookup is not None:
                cut_mask(images.mask(position), top, left, images.lookup, masks[place])
        target = masks if masks is not None else images.targets[positions]
        weights = images.weights_of(positions)
        return {"image": crops.permute(0, 3, 1, 2), "target": torch.from_numpy(target), **weights}

    def _corner(self, draws: CropDraws, place: int, position: int) -> tuple[int, int]:
        """Return the upper left corner of a crop in its image, negative if the image is smaller."""
        sides, shares = self.images.sizes[position].tolist(), (draws.rows[place], draws.columns[place])
        pixel = None
        if self.labelled is not None and draws.foreground[place] < self.share:
            pixel = self.labelled.pick(position, draws.pixels[place])
        corner = []
        for axis, (side, length, share) in enumerate(zip(sides, self.patches.sides, shares, strict=True)):
            low, high = 0, side - length
            if pixel is not None:
                low, high = max(low, pixel[axis] - length + 1), min(high, pixel[axis])
            corner.append(low + int(share * (high - low + 1)) if side >= length else -((length - side) // 2))
        return corner[0], corner[1]


def cut(image: np.ndarray, top: int, left: int, crop: np.ndarray) -> None:
    """Copy the part of an image that a crop shows. Pixels of the crop beyond the image remain unchanged.

    Args:
        image: image, H×W×….
        top, left: upper left corner of the crop in the image; may be negative.
        crop: crop, h×w×…, which is written to.
    """
    (source, target) = _overlap(image.shape[:2], (top, left), crop.shape[:2])
    crop[target] = image[source]


def cut_mask(mask: np.ndarray, top: int, left: int, lookup: np.ndarray, crop: np.ndarray) -> None:
    """Copy the classes of the part of a mask that a crop shows, as `cut`. `lookup` maps values to classes."""
    (source, target) = _overlap(mask.shape[:2], (top, left), crop.shape[:2])
    crop[target] = lookup[mask[source]]


def _overlap(
    sides: tuple[int, ...], corner: tuple[int, int], lengths: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the slices of an image and of its crop that contain the same pixels."""
    source, target = [], []
    for side, start, length in zip(sides, corner, lengths, strict=True):
        low, high = max(0, start), min(side, start + length)
        source.append(slice(low, high))
        target.append(slice(low - start, high - start))
    return tuple(source), tuple(target)
