"""Distances of Fisher information, and distances combined."""

import numpy as np
import pytest
from scipy.spatial.distance import cosine

from mml_lib.distances import MEASURES, TaskData
from mml_lib.errors import MMLError


def compare(source: TaskData, target: TaskData, **options) -> float:
    return MEASURES["fed"].compare(source, target, MEASURES["fed"].read_options(options))


def fishers() -> list[TaskData]:
    rng = np.random.default_rng(0)
    return [TaskData(name, fisher=rng.exponential(1e-4, 50)) for name in "ab"]


def test_fed_is_the_cosine_of_the_vectors_divided_by_their_sum():
    source, target = fishers()
    total = source.fisher + target.fisher
    assert compare(source, target) == pytest.approx(cosine(source.fisher / total, target.fisher / total))


def test_fed_euclidean_and_jensen_shannon_follow_their_definitions():
    source, target = fishers()
    f, g = source.fisher, target.fisher
    expected = np.sqrt(((f / np.sqrt((f**2).sum()) - g / np.sqrt((g**2).sum())) ** 2).sum())
    assert compare(source, target, distance="euclidean") == pytest.approx(expected)
    p, q = f / f.sum(), g / g.sum()
    middle = (p + q) / 2
    divergence = ((p * np.log2(p / middle)).sum() + (q * np.log2(q / middle)).sum()) / 2
    assert compare(source, target, distance="jensen_shannon") == pytest.approx(np.sqrt(divergence))


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "jensen_shannon"])
def test_fed_is_symmetric_and_0_for_the_same_task_and_bears_parameters_without_information(distance: str):
    source, target = fishers()
    source.fisher[:5] = 0
    target.fisher[:3] = 0
    assert compare(source, target, distance=distance) == pytest.approx(compare(target, source, distance=distance))
    assert compare(source, target, distance=distance) > 0
    assert compare(source, source, distance=distance) == pytest.approx(0, abs=1e-7)


def combine(matrices: dict[str, np.ndarray], **weights: float) -> np.ndarray:
    measure = MEASURES["ensemble"]
    assert measure.combines
    return measure.function(matrices, measure.read_options({"weights": weights}))


def test_ensemble_is_the_weighted_sum_of_z_scores_over_pairs():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 4, 4))
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    z = [
        {pair: (m[pair] - np.mean([m[p] for p in pairs])) / np.std([m[p] for p in pairs]) for pair in pairs}
        for m in (first, second)
    ]
    combined = combine({"mmd": first, "fid": 1000 * second + 7}, mmd=1, fid=0.5)
    for pair in pairs:
        assert combined[pair] == pytest.approx(z[0][pair] + 0.5 * z[1][pair])
    assert np.isnan(combined.diagonal()).all()


def test_ensemble_leaves_undefined_pairs_out_of_all_measures():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 4, 4))
    second[0, 1] = np.nan
    combined = combine({"mmd": first, "semantic": second}, mmd=1, semantic=1)
    assert np.isnan(combined[0, 1])
    assert np.isfinite(combined[1, 0])
    off = ~np.eye(4, dtype=bool)
    off[0, 1] = False
    assert combined[off].mean() == pytest.approx(0, abs=1e-12)


def test_ensemble_bears_a_measure_with_one_distance_for_all_pairs_and_none_that_is_defined():
    first = np.random.default_rng(0).normal(size=(3, 3))
    off = ~np.eye(3, dtype=bool)
    alone = combine({"mmd": first}, mmd=1)
    assert combine({"mmd": first, "semantic": np.full((3, 3), 0.1)}, mmd=1, semantic=5)[off] == pytest.approx(
        alone[off]
    )
    assert np.isnan(combine({"semantic": np.full((3, 3), np.nan)}, semantic=1)).all()


def test_ensemble_of_a_measure_without_distances_is_refused():
    with pytest.raises(MMLError, match="'mdm', did you mean 'mmd'"):
        combine({"mmd": np.zeros((2, 2))}, mdm=1)
