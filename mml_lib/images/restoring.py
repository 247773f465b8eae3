"""Restoring of masks of packed images to the original size of the images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mml_lib.images.mask_files import decode_mask
from mml_lib.images.transforms import RESIZING, size_after
from mml_lib.metrics.surfaces import MaskPair
from mml_lib.predictions.predictions import MaskPredictions
from mml_lib.task_types import IGNORE
from mml_lib.tasks.dataset import Dataset

BACKGROUND = 0


def restore(mask: np.ndarray, transforms: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> np.ndarray:
    """Return a mask at the size of its image before the transforms, H×W (uint8), by nearest neighbour.

    Pixels that a crop removed, for which the network has no prediction, are background (0).

    Args:
        mask: mask of the packed image, h×w (uint8).
        transforms: result of `mml_lib.images.transforms.resolve`, all of this library.
        size: height and width of the delivered image.
    """
    rows, columns = (np.floor(axis + 0.5).astype(int) for axis in places_after(transforms, size))
    inside = [(axis >= 0) & (axis < length) for axis, length in zip((rows, columns), mask.shape, strict=True)]
    restored = np.full(size, BACKGROUND, np.uint8)
    restored[np.ix_(*inside)] = mask[np.ix_(rows[inside[0]], columns[inside[1]])]
    return restored


def places_after(transforms: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> list[np.ndarray]:
    """Return the places of the centres of rows, H, and of columns, W, after the transforms (float64).

    Args:
        transforms: result of `mml_lib.images.transforms.resolve`, all of this library.
        size: height and width of the delivered image.

    Returns:
        Places of rows and of columns in the packed image, whose first row and column have the place 0.
    """
    places = [np.arange(length, dtype=np.float64) for length in size]
    sides = size
    for spec in transforms:
        new_sides = size_after([spec], sides)
        places, sides = _moved(spec, places, sides, new_sides), new_sides
    return places


def _moved(
    spec: Mapping[str, Any], places: list[np.ndarray], sides: tuple[int, int], new_sides: tuple[int, int]
) -> list[np.ndarray]:
    """Return the places of the centres of rows and columns after one transform."""
    if spec["name"] in RESIZING:
        return [(axis + 0.5) * new / old - 0.5 for axis, new, old in zip(places, new_sides, sides, strict=True)]
    if spec["name"] in ("center_crop", "pad_to_square"):
        return [
            axis - max(0, (old - new) // 2) + max(0, new - old) // 2
            for axis, new, old in zip(places, new_sides, sides, strict=True)
        ]
    return places  # transforms of colours


def at_original_size(
    predictions: MaskPredictions,
    row_of: Mapping[str, int],
    dataset: Dataset,
    lookup: np.ndarray,
    transforms: Sequence[Mapping[str, Any]],
) -> MaskPredictions:
    """Return predicted masks at the original sizes of their images, with the delivered masks as targets.

    Args:
        predictions: masks of packed images.
        row_of: row of each image in the data set, by id.
        dataset, lookup, transforms: see `original_masks`.

    Raises:
        MMLError: a mask is missing or damaged.
    """
    rows = [row_of[id_] for id_ in predictions.ids.tolist()]
    pairs = list(original_masks(predictions.images(), rows, dataset, lookup, transforms))
    masks, targets = [pair.predicted for pair in pairs], [pair.target for pair in pairs]
    restored = MaskPredictions.of(masks, targets, predictions.ids, predictions.classes)
    return replace(restored, weights=predictions.weights)


def original_masks(
    masks: Iterator[tuple[np.ndarray, np.ndarray]],
    rows: Sequence[int],
    dataset: Dataset,
    lookup: np.ndarray,
    transforms: Sequence[Mapping[str, Any]],
) -> Iterator[MaskPair]:
    """Yield the predicted mask of each image at its original size, and the delivered mask.

    Args:
        masks: predicted and true masks of packed images.
        rows: rows of the images in the data set.
        dataset: the data set.
        lookup: class of each mask value, 256 numbers, 255 for ignored values.
        transforms: transforms of the packed images.

    Raises:
        MMLError: a mask is missing or damaged.
    """
    for row, (predicted, _) in zip(rows, masks, strict=True):
        (height, width), file = dataset.sizes[row], dataset.mask_path(row)
        size = height, width
        restored = restore(predicted, transforms, size)
        target = np.full(size, IGNORE) if file is None else lookup[decode_mask(file, size, dataset.mask_colors)]
        yield MaskPair(restored, target.astype(np.uint8))
