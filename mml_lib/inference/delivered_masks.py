"""Delivered masks: predictions of pixels at the original size of images, instead of the packed size.

Scores of classes are resized bilinearly before the best class of each pixel is chosen. They are processed in rows from
the top of an image, so that the scores of a whole image never need memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mml_lib.config.task_options import Preprocessing
from mml_lib.images.mask_files import decode_mask
from mml_lib.images.restoring import BACKGROUND, places_after
from mml_lib.images.transforms import is_restorable, resolve
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.struct import TaskStruct

ROWS = 64
"""Number of delivered rows in one computation."""


@dataclass(frozen=True)
class DeliveredMasks:
    """Masks of a data set at the original size.

    Args:
        dataset: the data set.
        transforms: transforms of the packed images, all of this library.
        lookup: class of each mask value, 256 numbers, 255 for ignored values; None without masks.
    """

    dataset: Dataset
    transforms: Sequence[Mapping[str, Any]]
    lookup: np.ndarray | None

    @classmethod
    def of_task(cls, struct: TaskStruct, preprocessing: Preprocessing) -> "DeliveredMasks | None":
        """Return the delivered masks of a task; None if the preprocessing contains the user's own transforms."""
        transforms = resolve(preprocessing)
        if not is_restorable(transforms):
            return None
        lookup = struct.lookup if TASK_TYPES[struct.task_type].has_masks else None
        return cls(Dataset.read(struct.paths["dataset"]), transforms, lookup)

    def target(self, row: int) -> np.ndarray:
        """Return the classes of an image's pixels, H×W (uint8); all ignored without a mask.

        Raises:
            MMLError: the mask is missing or damaged.
        """
        (height, width), file = self.dataset.sizes[row], self.dataset.mask_path(row)
        if file is None or self.lookup is None:
            return np.full((height, width), IGNORE, np.uint8)
        return self.lookup[decode_mask(file, (height, width), self.dataset.mask_colors)].astype(np.uint8)

    def predicted(self, bands: Iterator[torch.Tensor], row: int, packed: tuple[int, int]) -> np.ndarray:
        """Return the best class of each pixel of an image, H×W (uint8). Pixels that a crop removed are background (0).

        Args:
            bands: scores of the packed image from top to bottom, classes×rows×width each.
            row: row of the image in the data set.
            packed: height and width of the packed image.
        """
        return enlarged_mask(bands, self.transforms, self.dataset.sizes[row], packed)


def enlarged_mask(
    bands: Iterator[torch.Tensor],
    transforms: Sequence[Mapping[str, Any]],
    size: tuple[int, int],
    packed: tuple[int, int],
) -> np.ndarray:
    """Return the best class of each pixel of a delivered image, H×W (uint8).

    Pixels that a crop removed, for which the network has no prediction, are background (0).

    Args:
        bands: scores of the packed image from top to bottom, classes×rows×width each.
        transforms: transforms of the packed image, all of this library.
        size: height and width of the delivered image.
        packed: height and width of the packed image.
    """
    rows, columns = places_after(transforms, size)
    mask = np.full((len(rows), len(columns)), BACKGROUND, np.uint8)
    inside = [(axis >= -0.5) & (axis < side - 0.5) for axis, side in zip((rows, columns), packed, strict=True)]
    horizontal = _Neighbours.of(columns[inside[1]], packed[1])
    vertical = _Neighbours.of(rows[inside[0]], packed[0])
    parts = [part.argmax(0).to(torch.uint8).cpu().numpy() for part in _resized(bands, vertical, horizontal)]
    mask[np.ix_(*inside)] = np.concatenate(parts)
    return mask


@dataclass(frozen=True)
class _Neighbours:
    """Weights of a linear interpolation along an axis.

    Args:
        first, second: indices of the two neighbouring pixels of each place.
        share: weight of the second pixel, in 0..1.
    """

    first: np.ndarray
    second: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, places: np.ndarray, side: int) -> "_Neighbours":
        bounded = places.clip(0, side - 1)
        first = np.floor(bounded).astype(np.int64)
        return cls(first, np.minimum(first + 1, side - 1), (bounded - first).astype(np.float32))

    def interpolate(self, pixels: torch.Tensor, axis: int, start: int = 0, places: slice = slice(None)) -> torch.Tensor:
        """Return interpolated values at places along an axis, whose first pixel has the index `start`."""
        first, second = (torch.from_numpy(side[places] - start).to(pixels.device) for side in (self.first, self.second))
        share = torch.from_numpy(self.share[places]).to(pixels.device)
        share = share.view([-1 if place == axis else 1 for place in range(pixels.ndim)])
        return torch.lerp(pixels.index_select(axis, first), pixels.index_select(axis, second), share)


def _resized(bands: Iterator[torch.Tensor], vertical: _Neighbours, horizontal: _Neighbours) -> Iterator[torch.Tensor]:
    """Yield the scores of delivered rows, classes×rows×W, as soon as the packed rows around them are available."""
    rows, start, next_row = None, 0, 0
    for band in bands:
        rows = band if rows is None else torch.cat([rows, band], dim=1)
        ready = int(np.searchsorted(vertical.second, start + rows.shape[1]))
        while next_row < ready:
            places = slice(next_row, min(next_row + ROWS, ready))
            yield horizontal.interpolate(vertical.interpolate(rows, 1, start, places), 2)
            next_row = places.stop
        start, rows = start + rows.shape[1] - 1, rows[:, -1:]
