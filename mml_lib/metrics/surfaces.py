"""Surfaces of masks: distances between the edges of true and predicted regions, in pixels.

Edges are the pixels of a region with a neighbour, above, below, left or right, outside of it; an image ends a region.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mml_lib.task_types import IGNORE

Distances = tuple[np.ndarray, np.ndarray]
"""Distances of predicted edge pixels to the true edge, and the other way round, in pixels."""


@dataclass(frozen=True)
class MaskPair:
    """Predicted and true mask of an image, uint8 H×W each; pixels whose true value is 255 are ignored."""

    predicted: np.ndarray
    target: np.ndarray

    @cached_property
    def _distances(self) -> dict[int, Distances | None]:
        return {}

    def distances(self, index: int) -> Distances | None:
        """Return the distance of each predicted edge pixel to the true edge, and the other way round.

        Ignored pixels are in no region. Arrays are empty of a region that is, infinite where only the other is empty;
        None: both are.
        """
        if index not in self._distances:
            counted = self.target != IGNORE
            regions = [(side == index) & counted for side in (self.predicted, self.target)]
            self._distances[index] = edge_distances(*regions) if any(map(np.any, regions)) else None
        return self._distances[index]

    @property
    def diagonal(self) -> float:
        """The length of the image's diagonal, in pixels."""
        return float(np.hypot(*self.target.shape))

    def surfaces(self, classes: int) -> "Surfaces":
        """Return the distances of all classes, without the masks."""
        return Surfaces({index: self.distances(index) for index in range(classes)}, self.diagonal)


@dataclass(frozen=True)
class Surfaces:
    """Distances between edges of an image's regions by class, see `MaskPair.distances`, and the image's diagonal."""

    by_class: Mapping[int, Distances | None]
    diagonal: float

    def distances(self, index: int) -> Distances | None:
        """Return the distances of a class."""
        return self.by_class[index]

    def only(self, index: int) -> "Surfaces":
        """Return the surfaces of a class, which is 1 in them."""
        return Surfaces({1: self.by_class[index]}, self.diagonal)


Edges = MaskPair | Surfaces


def single_masks(pairs: Sequence[Edges]) -> np.ndarray:
    """Return the masks of images as metrics take them: a tuple of one pair for each image, object N."""
    masks = np.empty(len(pairs), object)
    for row, pair in enumerate(pairs):
        masks[row] = (pair,)
    return masks


def edge_distances(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance of each edge pixel of a region to the other region's edge, both ways, in pixels.

    Args:
        first, second: regions, bool H×W; at least one is not empty.
    """
    from scipy.ndimage import binary_erosion, distance_transform_edt

    rows, columns = (np.flatnonzero((first | second).any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    # Beyond the box, as beyond the image, there is no region.
    edges = [region & ~binary_erosion(region) for region in (first[box], second[box])]
    distances = []
    for own, other in (edges, edges[::-1]):
        if not other.any():
            distances.append(np.full(int(own.sum()), np.inf))
        else:
            distances.append(distance_transform_edt(~other)[own])
    return distances[0], distances[1]


def hausdorff95(pair: Edges, index: int) -> float:
    """Return the larger of the 95th percentiles of both directions' distances; NaN where both regions are empty.

    Where one region is empty it is the diagonal of the image, the largest distance that there could be.
    """
    distances = pair.distances(index)
    if distances is None:
        return np.nan
    if not all(map(len, distances)):
        return pair.diagonal
    return float(max(np.percentile(side, 95) for side in distances))


def surface_dice(pair: Edges, index: int, tolerance: float) -> float:
    """Return the share of edge pixels of both regions within a tolerance of the other's edge (Nikolov et al. 2021).

    NaN where both regions are empty, 0 where one is.
    """
    distances = pair.distances(index)
    if distances is None:
        return np.nan
    within = np.concatenate(distances) <= tolerance
    return float(within.mean())
