"""Nearest neighbours, against scikit-learn's search in double precision."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from mml_lib.audit.neighbours import Neighbours, check_features, nearest_neighbours, scaled
from mml_lib.distances import neighbour_search
from mml_lib.errors import MMLError
from mml_lib.files.formats import FORMATS


@pytest.mark.parametrize(("count", "threads"), [(300, 1), (3000, 2)])
def test_neighbours_are_exact(count: int, threads: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(neighbour_search, "BLOCK", 2**18)  # several blocks
    values = np.random.default_rng(0).normal(size=(count, 8)).astype(np.float32)
    values[5] = values[17]  # a copy
    distances, rows = NearestNeighbors(n_neighbors=4).fit(values.astype(float)).kneighbors()
    nearest = nearest_neighbours(values, 4, threads)
    np.testing.assert_allclose(nearest.distances, distances, atol=1e-6)
    assert (nearest.rows == rows).mean() > 0.999, "equal in single precision"


def test_distances_of_copies_are_zero_far_from_the_origin():
    values = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32) + 1000
    values[1] = values[0]
    assert nearest_neighbours(values, 1).distances[:2].max() == 0


def test_many_copies_are_neighbours_of_each_other():
    values = np.random.default_rng(0).normal(size=(4000, 4)).astype(np.float32)
    values[:1000] = 1
    nearest = nearest_neighbours(values, 5)
    assert (nearest.distances[:1000] == 0).all()
    assert (nearest.rows[:1000] < 1000).all()
    assert all(row not in nearest.rows[row] for row in range(1000))


def test_scaled_features_are_about_the_mean():
    features = scaled(np.array([[1.0, 5.0], [5.0, 5.0], [3.0, 5.0], [3.0, 5.0]]))
    np.testing.assert_allclose(features, np.sqrt(2) * np.array([[-1, 0], [1, 0], [0, 0], [0, 0]]), rtol=1e-6)


def test_file_holds_neighbours(tmp_path):
    nearest = nearest_neighbours(np.random.default_rng(0).normal(size=(20, 3)), 2)
    nearest.write(tmp_path / "n.npz")
    read = Neighbours.read(tmp_path / "n.npz")
    assert np.array_equal(read.rows, nearest.rows)
    assert np.array_equal(read.distances, nearest.distances)
    np.savez(tmp_path / "n.npz", **FORMATS["neighbours"].stamp, rows=nearest.rows)
    with pytest.raises(MMLError, match=r"is damaged .*distances"):
        Neighbours.read(tmp_path / "n.npz")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (np.zeros((3, 2)), "3 samples .*audit.neighbours below 3"),
        (np.full((9, 2), 7.0), "same features.*extractor"),
        (np.where(np.arange(18).reshape(9, 2) == 3, np.nan, 1.0), "1 samples are not finite"),
    ],
)
def test_features_without_neighbours_are_refused(values: np.ndarray, line: str):
    with pytest.raises(MMLError, match=f"lesions: .*{line}"):
        check_features(values, "lesions", 4)
