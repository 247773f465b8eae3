"""Nearest neighbours of the samples of a task, and their file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mml_lib.distances.neighbour_search import find_nearest
from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_whole
from mml_lib.files.containers import reading_arrays
from mml_lib.files.formats import FORMATS


@dataclass(frozen=True)
class Neighbours:
    """Nearest neighbours of each sample among the others, the nearest first.

    Args:
        rows: indices of the neighbours (int64, N×k).
        distances: Euclidean distances (float32, N×k).
    """

    rows: np.ndarray
    distances: np.ndarray

    def write(self, path: str | Path) -> None:
        """Write an `.npz` file, whole or not at all."""
        with write_whole(path) as beside:
            np.savez(beside, **FORMATS["neighbours"].stamp, rows=self.rows, distances=self.distances)

    @classmethod
    def read(cls, path: str | Path) -> "Neighbours":
        """Read a file of `write`.

        Raises:
            MMLError: the file is damaged, or has a newer format.
        """
        with reading_arrays(path, "neighbours") as content:
            return cls(**content)


def check_features(values: np.ndarray, where: str, neighbours: int = 0) -> None:
    """Refuse unusable features, or too few samples for the neighbours.

    Args:
        values: features (N×D).
        where: task, for errors.
        neighbours: number of neighbours, k, if they are searched.

    Raises:
        MMLError: features are constant or not finite, or there are too few samples.
    """
    check_number(len(values), where, neighbours)
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise MMLError(
            f"{where}: the features of {int((~finite).sum())} samples are not finite; take another extractor"
        )
    if (values == values[0]).all():
        raise MMLError(f"{where}: all samples have the same features; take another extractor")


def check_number(samples: int, where: str, neighbours: int) -> None:
    """Refuse too few samples for a number of neighbours.

    Raises:
        MMLError: there are too few.
    """
    if samples <= neighbours:
        raise MMLError(
            f"{where}: {samples} samples have no {neighbours} neighbours; set audit.neighbours below {samples}"
        )


def scaled(values: np.ndarray) -> np.ndarray:
    """Return features (float32, N×D) with mean 0 and a mean square distance of 1 from it."""
    centred = values.astype(np.float32) - values.mean(axis=0, dtype=np.float64).astype(np.float32)
    square = np.einsum("ij,ij->", centred, centred, dtype=np.float64) / len(values)
    return centred / np.float32(np.sqrt(square) if square else 1)


def nearest_neighbours(values: np.ndarray, neighbours: int, threads: int = 1) -> Neighbours:
    """Return the exact nearest neighbours of each sample among the others.

    Args:
        values: features (float32, N×D).
        neighbours: number of neighbours, below N.
        threads: number of threads.
    """
    return Neighbours(*find_nearest(values, values, neighbours, np.arange(len(values)), threads))
