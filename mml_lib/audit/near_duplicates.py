"""Near duplicates: pairs of images that are nearly the same, by perceptual hash or by features.

Hashes find copies that were scaled, compressed, flipped or turned. Thumbnails of such pairs are compared pixel by
pixel, as unlike images may share a hash. Features find crops and other colours, too: pairs that are much nearer than
neighbours usually are.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from mml_lib.audit.neighbours import Neighbours
from mml_lib.audit.perceptual_hashes import VIEWS, similar_hashes, view, view_hashes

MOST_PAIRS = 200_000
"""Pairs by hash that are kept: images of which more are alike are too uniform for hashes."""

LEAST_CORRELATION = 0.98
"""Of the thumbnails of a pair with similar hashes."""

LEAST_SPREAD = 2.0
"""Least standard deviation of a thumbnail's pixels, of 255: blanker ones have no pattern to compare."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of near duplicates, P of them, each pair once.

    Args:
        first, second: numbers of the samples, P.
        view: number in `VIEWS` of the view of the second that shows the first, P.
        bits: bits of the hashes that differ, P; -1 where hashes are not similar.
        correlation: of the thumbnails, P.
        distance: of the scaled features, P; NaN where features are not near.
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
        thumbnails: grey, uint8 N×32×32.
        neighbours: of the scaled features.
        hash_bits: most bits of the hashes that differ.
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
    """Thumbnails, and their pixels about the mean with length 1.

    Args:
        thumbnails: uint8, N×32×32.
    """

    def __init__(self, thumbnails: np.ndarray):
        self.thumbnails = thumbnails
        flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
        flat -= flat.mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(flat, axis=1)
        self.has_pattern = lengths / np.sqrt(flat.shape[1]) >= LEAST_SPREAD
        self.unit = flat / np.maximum(lengths, 1e-6)[:, None]

    def correlations(self, first: np.ndarray, second: np.ndarray, number: int) -> np.ndarray:
        """Return the correlation of each pair, the second seen in a view."""
        side = self.thumbnails.shape[1]
        turned = view(self.unit[second].reshape(-1, side, side), number).reshape(len(second), -1)
        return np.einsum("np,np->n", self.unit[first], turned)

    def correlation(self, first: int, second: int) -> float:
        return float(self.unit[first] @ self.unit[second])


def _by_hash(patterns: _Patterns, most_bits: int, threads: int) -> Iterator[tuple[int, int, int, int, float]]:
    """Yield first, second, view, bits and correlation of pairs with similar hashes, unturned views first."""
    rows = np.flatnonzero(patterns.has_pattern)
    hashes = view_hashes(patterns.thumbnails[rows])

    def search(number: int) -> list[tuple[np.ndarray, ...]]:
        kept: list[tuple[np.ndarray, ...]] = []
        total = 0
        for left, right, bits in similar_hashes(hashes[0], hashes[number], most_bits):
            first, second = rows[left], rows[right]
            correlation = patterns.correlations(first, second, number)
            alike = correlation >= LEAST_CORRELATION
            kept.append((first[alike], second[alike], bits[alike], correlation[alike]))
            total += int(alike.sum())
            if total > MOST_PAIRS:
                break
        return kept

    with ThreadPoolExecutor(threads) as pool:
        for number, blocks in enumerate(pool.map(search, range(len(VIEWS)))):
            for block in blocks:
                for first, second, bits, correlation in zip(*(part.tolist() for part in block), strict=True):
                    yield first, second, number, bits, correlation


def _by_features(neighbours: Neighbours, feature_distance: float) -> Iterator[tuple[int, int, float]]:
    """Yield first, second and distance of pairs whose features are much nearer than neighbours usually are."""
    limit = feature_distance * float(np.median(neighbours.distances[:, -1]))
    for row, place in np.argwhere(neighbours.distances <= limit).tolist():
        other = int(neighbours.rows[row, place])
        yield min(row, other), max(row, other), float(neighbours.distances[row, place])
