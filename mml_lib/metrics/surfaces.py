"""Surfaces of masks: distances between the edges of true and predicted regions, in pixels.

Edges are the pixels of a region with a neighbour (above, below, left or right) outside of it or of the image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mml_lib.task_types import IGNORE

Distances = tuple[np.ndarray, np.ndarray]
"""Distances of predicted edge pixels to the true edge, and of true edge pixels to the predicted edge, in pixels."""


@dataclass(frozen=True)
class MaskPair:
    """Predicted and true mask of an image (uint8, H×W each). Pixels with the true value 255 are ignored."""

    predicted: np.ndarray
    target: np.ndarray

    @cached_property
    def _distances(self) -> dict[int, Distances | None]:
        return {}

    def distances(self, index: int) -> Distances | None:
        """Return the distances of predicted edge pixels to the true edge, and of true ones to the predicted edge.

        Ignored pixels belong to no region. The array of an empty region is empty, and distances to an empty region are
        infinite. The result is None if both regions are empty.
        """
        if index not in self._distances:
            is_counted = self.target != IGNORE
            regions = [(side == index) & is_counted for side in (self.predicted, self.target)]
            self._distances[index] = edge_distances(*regions) if any(map(np.any, regions)) else None
        return self._distances[index]

    @property
    def diagonal(self) -> float:
        """Length of the image's diagonal in pixels."""
        return float(np.hypot(*self.target.shape))

    def surfaces(self, classes: int) -> "Surfaces":
        """Return the distances of all classes, without the masks."""
        return Surfaces({index: self.distances(index) for index in range(classes)}, self.diagonal)


@dataclass(frozen=True)
class Surfaces:
    """Distances between edges of an image's regions by class, and the image's diagonal in pixels.

    `MaskPair.distances` describes the distances.
    """

    by_class: Mapping[int, Distances | None]
    diagonal: float

    def distances(self, index: int) -> Distances | None:
        """Return the distances of a class."""
        return self.by_class[index]

    def only(self, index: int) -> "Surfaces":
        """Return the surfaces of one class, as class 1."""
        return Surfaces({1: self.by_class[index]}, self.diagonal)


Edges = MaskPair | Surfaces


def single_masks(pairs: Sequence[Edges]) -> np.ndarray:
    """Return the masks of images for metrics: a tuple of one pair for each image (object, N)."""
    masks = np.empty(len(pairs), object)
    for row, pair in enumerate(pairs):
        masks[row] = (pair,)
    return masks


def edge_distances(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance of each edge pixel of one region to the other region's edge, in both directions, in pixels.

    Args:
        first, second: regions (bool, H×W), at least one of them not empty.
    """
    from scipy.ndimage import binary_erosion, distance_transform_edt

    rows, columns = (np.flatnonzero((first | second).any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    # Regions end at the edges of the box, as they do at those of the image.
    edges = [region & ~binary_erosion(region) for region in (first[box], second[box])]
    distances = []
    for own, other in (edges, edges[::-1]):
        if not other.any():
            distances.append(np.full(int(own.sum()), np.inf))
        else:
            distances.append(distance_transform_edt(~other)[own])
    return distances[0], distances[1]


def hausdorff95(pair: Edges, index: int) -> float:
    """Return the larger of the 95th percentiles of both directions' distances, in pixels.

    It is NaN if both regions are empty, and the diagonal of the image, the largest possible distance, if one is.
    """
    distances = pair.distances(index)
    if distances is None:
        return np.nan
    if not all(map(len, distances)):
        return pair.diagonal
    return float(max(np.percentile(side, 95) for side in distances))


def surface_dice(pair: Edges, index: int, tolerance: float) -> float:
    """Return the share of edge pixels of both regions within a tolerance of the other's edge (Nikolov et al. 2021).

    It is NaN if both regions are empty, and 0 if one is.
    """
    distances = pair.distances(index)
    if distances is None:
        return np.nan
    within = np.concatenate(distances) <= tolerance
    return float(within.mean())
