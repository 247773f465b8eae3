"""Intrinsic dimension: cubes and spheres of known dimension in a larger space."""

import numpy as np
import pytest

from mml_lib.audit.dimension.intrinsic_dimension import Dimension, estimate_dimension, of_distances
from mml_lib.errors import MMLError


def embedded(values: np.ndarray, space: int = 40) -> np.ndarray:
    """Return values in a larger space, turned at random."""
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(space, space)))[0]
    return values @ turn[: values.shape[1]]


def sphere(dimension: int, count: int) -> np.ndarray:
    normal = np.random.default_rng(0).normal(size=(count, dimension + 1))
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


@pytest.mark.parametrize("dimension", [1, 2, 5])
@pytest.mark.parametrize("kind", ["sphere", "cube"])
def test_estimates_are_near_the_dimension(kind: str, dimension: int):
    count = 4000
    cube = np.random.default_rng(0).random((count, dimension))
    values = embedded(sphere(dimension, count) if kind == "sphere" else cube)
    estimates = estimate_dimension(values, neighbours=10, subset=2000)
    # Edges of cubes lower the estimates: 4 % to 10 % with 2,000 samples of a cube of 5 dimensions.
    tolerance = 0.05 if kind == "sphere" else 0.12
    assert estimates == pytest.approx(Dimension(*[dimension] * 3), rel=tolerance)


def test_maximum_likelihood_is_that_of_the_formulas():
    distances = np.sort(np.random.default_rng(0).random((50, 6)), axis=1)
    inverses = [[np.log(row[-1] / near) for near in row[:-1]] for row in distances]
    estimates = of_distances(distances)
    assert estimates.levina_bickel == pytest.approx(np.mean([4 / sum(row) for row in inverses]))
    assert estimates.mackay_ghahramani == pytest.approx(1 / np.mean(inverses))


def test_subsets_are_averaged():
    values = np.random.default_rng(0).random((600, 2))
    order = np.random.default_rng(3).permutation(600)
    halves = [estimate_dimension(values[order[part]], 5, 300) for part in (slice(0, 300), slice(300, None))]
    assert estimate_dimension(values, 5, 300, seed=3) == pytest.approx(np.mean(halves, axis=0))


def test_copies_change_little():
    values = np.random.default_rng(0).random((500, 3))
    alone = estimate_dimension(values, 5, 1000)
    copied = estimate_dimension(np.concatenate([values, values[:20]]), 5, 1000)
    assert copied == pytest.approx(alone, rel=0.1)


@pytest.mark.parametrize(
    ("values", "line"),
    [(np.zeros((20, 2)), "lower dimension.neighbours"), (np.ones((40, 2)), "all samples are equal")],
)
def test_samples_without_a_dimension_are_refused(values: np.ndarray, line: str):
    with pytest.raises(MMLError, match=f"lesions: .*{line}"):
        estimate_dimension(values, 25, 1000, where="lesions")
