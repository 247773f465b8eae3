"""Near duplicates: pairs of images that are nearly the same, by perceptual hash or by features.

Hashes find copies that were scaled, compressed, flipped or rotated. Because different images may have the same hash,
thumbnails of such pairs are compared pixel by pixel. Features also find crops and changed colours: pairs that are much
nearer than usual neighbours.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from mml_lib.audit.neighbours import Neighbours
from mml_lib.audit.perceptual_hashes import VIEWS, similar_hashes, view, view_hashes

MOST_PAIRS = 200_000
"""Largest number of pairs by hash. Images with more similar pairs are too uniform for hashes."""

LEAST_CORRELATION = 0.98
"""Smallest correlation of the thumbnails of a pair with similar hashes."""

LEAST_SPREAD = 2.0
"""Smallest standard deviation of a thumbnail's pixels (0..255). Others have no pattern to compare."""


@dataclass(frozen=True)
class Pairs:
    """P pairs of near duplicates, each pair once.

    Args:
        first, second: indices of the samples (P).
        view: index in `VIEWS` of the view of the second image that shows the first (P).
        bits: number of different bits of the hashes (P); -1 if hashes are not similar.
        correlation: correlation of the thumbnails (P).
        distance: distance of the scaled features (P); NaN if features are not near.
    """

    first: np.ndarray
    second: np.ndarray
    view: np.ndarray
    bits: np.ndarray
    correlation: np.ndarray
    distance: np.ndarray


def find_near_duplicates(
    thumbnails: np.ndarray,
    neighbours: Neighbours,
    hash_bits: int = 4,
    feature_distance: float = 0.2,
    threads: int = 1,
) -> Pairs:
    """Return the near duplicates among samples.

    Args:
        thumbnails: grey thumbnails (uint8, N×32×32).
        neighbours: nearest neighbours by scaled features.
        hash_bits: largest number of different bits of the hashes.
        feature_distance: largest distance of a pair, as a share of the median distance to the last neighbour.
        threads: number of threads.
    """
    patterns = _Patterns(thumbnails)
    matches: dict[tuple[int, int], tuple[int, int, float, float]] = {}
    for first, second, number, bits, correlation in _by_hash(patterns, hash_bits, threads):
        matches.setdefault((first, second), (number, bits, correlation, np.nan))
    for first, second, distance in _by_features(neighbours, feature_distance):
        number, bits, correlation, _ = matches.get((first, second)) or (0, -1, patterns.correlation(first, second), 0.0)
        matches[first, second] = (number, bits, correlation, distance)
    rows = sorted(matches)
    pairs = np.array(rows, int).reshape(-1, 2)
    columns = np.array([matches[row] for row in rows], np.float32).reshape(-1, 4)
    return Pairs(pairs[:, 0], pairs[:, 1], *columns[:, :2].astype(int).T, *columns[:, 2:].T)


class _Patterns:
    """Thumbnails, and their pixels normalised to mean 0 and length 1.

    Args:
        thumbnails: grey thumbnails (uint8, N×32×32).
    """

    def __init__(self, thumbnails: np.ndarray):
        self.thumbnails = thumbnails
        flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
        flat -= flat.mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(flat, axis=1)
        self.has_pattern = lengths / np.sqrt(flat.shape[1]) >= LEAST_SPREAD
        self.unit = flat / np.maximum(lengths, 1e-6)[:, None]

    def correlations(self, first: np.ndarray, second: np.ndarray, number: int) -> np.ndarray:
        """Return the correlation of each pair, with the second image in a view."""
        side = self.thumbnails.shape[1]
        transformed = view(self.unit[second].reshape(-1, side, side), number).reshape(len(second), -1)
        return np.einsum("np,np->n", self.unit[first], transformed)

    def correlation(self, first: int, second: int) -> float:
        """Return the correlation of a pair in the unchanged view."""
        return float(self.unit[first] @ self.unit[second])


def _by_hash(patterns: _Patterns, most_bits: int, threads: int) -> Iterator[tuple[int, int, int, int, float]]:
    """Yield first, second, view, bits and correlation of pairs with similar hashes, unchanged views first."""
    rows = np.flatnonzero(patterns.has_pattern)
    hashes = view_hashes(patterns.thumbnails[rows])

    def search(number: int) -> list[tuple[np.ndarray, ...]]:
        blocks: list[tuple[np.ndarray, ...]] = []
        total = 0
        for left, right, bits in similar_hashes(hashes[0], hashes[number], most_bits):
            first, second = rows[left], rows[right]
            correlation = patterns.correlations(first, second, number)
            is_similar = correlation >= LEAST_CORRELATION
            blocks.append((first[is_similar], second[is_similar], bits[is_similar], correlation[is_similar]))
            total += int(is_similar.sum())
            if total > MOST_PAIRS:
                break
        return blocks

    with ThreadPoolExecutor(threads) as pool:
        for number, blocks in enumerate(pool.map(search, range(len(VIEWS)))):
            for block in blocks:
                for first, second, bits, correlation in zip(*(part.tolist() for part in block), strict=True):
                    yield first, second, number, bits, correlation


def _by_features(neighbours: Neighbours, feature_distance: float) -> Iterator[tuple[int, int, float]]:
    """Yield first, second and distance of pairs whose features are much nearer than usual neighbours."""
    limit = feature_distance * float(np.median(neighbours.distances[:, -1]))
    for row, place in np.argwhere(neighbours.distances <= limit).tolist():
        other = int(neighbours.rows[row, place])
        yield min(row, other), max(row, other), float(neighbours.distances[row, place])
