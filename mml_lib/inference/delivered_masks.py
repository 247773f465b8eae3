"""Delivered masks: predictions of pixels at the size that images were delivered in, not at that of packed images.

Scores of classes are enlarged, bilinearly, before the best class of a pixel is chosen; they come in rows, from the top
of an image, and no image of them is ever there as a whole.
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
"""Delivered rows whose scores are computed at once."""


@dataclass(frozen=True)
class DeliveredMasks:
    """The masks of a data set as they were delivered.

    Args:
        dataset: the images.
        transforms: that made the packed images, all of this library.
        lookup: class of each mask value (256), 255 for what is ignored; None where there are no masks.
    """

    dataset: Dataset
    transforms: Sequence[Mapping[str, Any]]
    lookup: np.ndarray | None

    @classmethod
    def of_task(cls, struct: TaskStruct, preprocessing: Preprocessing) -> "DeliveredMasks | None":
        """Return the delivered masks of a task; None where the user's own transforms may have moved pixels anywhere."""
        transforms = resolve(preprocessing)
        if not is_restorable(transforms):
            return None
        lookup = struct.lookup if TASK_TYPES[struct.task_type].has_masks else None
        return cls(Dataset.read(struct.paths["dataset"]), transforms, lookup)

    def target(self, row: int) -> np.ndarray:
        """Return the classes of an image's pixels, uint8 H×W; all are ignored where it has no mask.

        Raises:
            MMLError: the mask is missing or damaged.
        """
        (height, width), file = self.dataset.sizes[row], self.dataset.mask_path(row)
        if file is None or self.lookup is None:
            return np.full((height, width), IGNORE, np.uint8)
        return self.lookup[decode_mask(file, (height, width), self.dataset.mask_colors)].astype(np.uint8)

    def predicted(self, bands: Iterator[torch.Tensor], row: int, packed: tuple[int, int]) -> np.ndarray:
        """Return the best class of each of an image's pixels, uint8 H×W.

        Args:
            bands: scores of the packed image, classes×rows×width, from its top on.
            row: of the image in the data set.
            packed: height and width of the packed image.

        Returns:
            What a crop has cut away, of which the network says nothing, is background (0).
        """
        return enlarged_mask(bands, self.transforms, self.dataset.sizes[row], packed)


def enlarged_mask(
    bands: Iterator[torch.Tensor],
    transforms: Sequence[Mapping[str, Any]],
    size: tuple[int, int],
    packed: tuple[int, int],
) -> np.ndarray:
    """Return the best class of each pixel of a delivered image, uint8 H×W.

    Args:
        bands: scores of the packed image, classes×rows×width, from its top on.
        transforms: that made the packed image, all of this library.
        size: height and width of the delivered image.
        packed: height and width of the packed image.

    Returns:
        What a crop has cut away, of which the network says nothing, is background (0).
    """
    rows, columns = places_after(transforms, size)
    mask = np.full((len(rows), len(columns)), BACKGROUND, np.uint8)
    inside = [(axis >= -0.5) & (axis < side - 0.5) for axis, side in zip((rows, columns), packed, strict=True)]
    across = _Neighbours.of(columns[inside[1]], packed[1])
    down = _Neighbours.of(rows[inside[0]], packed[0])
    parts = [part.argmax(0).to(torch.uint8).cpu().numpy() for part in _enlarged(bands, down, across)]
    mask[np.ix_(*inside)] = np.concatenate(parts)
    return mask


@dataclass(frozen=True)
class _Neighbours:
    """For places along an axis, the pixels on both sides, and how near the second one is, in 0..1."""

    first: np.ndarray
    second: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, places: np.ndarray, side: int) -> "_Neighbours":
        bounded = places.clip(0, side - 1)
        first = np.floor(bounded).astype(np.int64)
        return cls(first, np.minimum(first + 1, side - 1), (bounded - first).astype(np.float32))

    def between(self, pixels: torch.Tensor, axis: int, start: int = 0, chosen: slice = slice(None)) -> torch.Tensor:
        """Return values between pixels along an axis, which begin with the number `start`."""
        first, second = (torch.from_numpy(side[chosen] - start).to(pixels.device) for side in (self.first, self.second))
        share = torch.from_numpy(self.share[chosen]).to(pixels.device)
        share = share.view([-1 if place == axis else 1 for place in range(pixels.ndim)])
        return torch.lerp(pixels.index_select(axis, first), pixels.index_select(axis, second), share)


def _enlarged(bands: Iterator[torch.Tensor], down: _Neighbours, across: _Neighbours) -> Iterator[torch.Tensor]:
    """Yield the scores of delivered rows, classes×rows×W, as soon as the packed rows around them are there."""
    rows, start, next_row = None, 0, 0
    for band in bands:
        rows = band if rows is None else torch.cat([rows, band], dim=1)
        ready = int(np.searchsorted(down.second, start + rows.shape[1]))
        while next_row < ready:
            chosen = slice(next_row, min(next_row + ROWS, ready))
            yield across.between(down.between(rows, 1, start, chosen), 2)
            next_row = chosen.stop
        start, rows = start + rows.shape[1] - 1, rows[:, -1:]
