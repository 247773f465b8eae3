"""Tables of distances between tasks, and their pictures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from mml_lib.distances import MEASURES
from mml_lib.distances.pair_distances import (
    PairDistance,
    combined_table,
    distance_table,
    nearest_sources,
    pairs_text,
    read_distances,
    read_pairs,
)
from mml_lib.errors import MMLError
from mml_lib.files.checksums import seal
from mml_lib.reports.distances.distance_figures import draw_distances, scaled_places, spread_out, symmetric_distances

TASKS = ["a", "b", "c"]


def test_a_symmetric_measure_fills_both_directions_and_the_diagonal():
    pairs = [PairDistance("mmd", "a", "b", 0.5), PairDistance("mmd", "a", "c", None)]
    table = distance_table(pairs, MEASURES["mmd"], TASKS)
    assert table.loc["b", "a"] == table.loc["a", "b"] == 0.5
    assert np.isnan(table.loc["c", "a"])
    assert np.isnan(table.loc["b", "c"])
    assert (np.diag(table) == 0).all()


def test_an_asymmetric_measure_has_sources_as_rows():
    table = distance_table([PairDistance("knn", "a", "b", 0.25)], MEASURES["knn"], TASKS)
    assert table.loc["a", "b"] == 0.25
    assert np.isnan(table.loc["b", "a"])
    assert np.isnan(np.diag(table)).all()


def test_a_table_of_pairs_reads_back(tmp_path: Path):
    pairs = [PairDistance("mmd", "a", "b", 0.1 + 0.2), PairDistance("mmd", "a", "c", None)]
    (tmp_path / "pairs.csv").write_text(pairs_text(pairs))
    assert read_pairs(tmp_path / "pairs.csv", "mmd") == pairs
    (tmp_path / "pairs.csv").write_text("source,target\na,b\n")
    with pytest.raises(MMLError, match="damaged"):
        read_pairs(tmp_path / "pairs.csv", "mmd")


def test_measures_are_combined_over_the_pairs_of_a_pivot():
    first = pd.DataFrame({"c": {"a": 1.0, "b": 3.0, "c": 0.0}})
    second = pd.DataFrame({"c": {"a": 10.0, "b": 20.0, "c": 0.0}})
    options = MEASURES["ensemble"].read_options({"weights": {"mmd": 1, "fid": 2}})
    table = combined_table({"mmd": first, "fid": second}, MEASURES["ensemble"], options, TASKS)
    assert nearest_sources(table, "c") == {"a": -3.0, "b": 3.0}


def test_distances_are_read_with_empty_cells_as_undefined(tmp_path: Path):
    path = tmp_path / "mmd.csv"
    path.write_text("source,1,b\n1,,0.5\nb,0.25,\n")
    table = read_distances(path)
    assert table.loc["1", "b"] == 0.5
    assert table.isna().to_numpy().tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize("text", ["source,a\nb,near\n", "source,a,b\na,0.5\n", ""])
def test_files_that_are_no_table_are_refused(text: str, tmp_path: Path):
    path = tmp_path / "mmd.csv"
    path.write_text(text)
    with pytest.raises(MMLError, match=r"mmd.csv is not a table of distances"):
        read_distances(path)


def test_table_that_was_changed_by_hand_is_refused(tmp_path: Path):
    path = tmp_path / "mmd.csv"
    path.write_text("source,a\nb,0.5\n")
    seal(path)
    path.write_text("source,a\nb,0.25\n")
    with pytest.raises(MMLError, match=r"mmd.csv .*SHA-256"):
        read_distances(path)


def test_classical_scaling_keeps_the_distances_of_points_in_a_plane():
    points = np.random.default_rng(0).normal(size=(6, 2))
    distances = cdist(points, points)
    places = scaled_places(distances)
    assert cdist(places, places) == pytest.approx(distances)


def test_names_beside_a_map_are_apart_and_in_order():
    wanted = np.array([0.5, 0.51, 0.5, 0.99, 1.0, 0.0])
    spread = spread_out(wanted, 0.1)
    assert (np.diff(np.sort(spread)) > 0.1 - 1e-9).all()
    assert (spread >= 0).all()
    assert (spread <= 1 + 1e-9).all()
    assert np.argsort(spread, kind="stable").tolist() == np.argsort(wanted, kind="stable").tolist()
    assert spread_out(np.full(3, 0.5), 0.1).tolist() == pytest.approx([0.4, 0.5, 0.6])
    assert spread_out(np.zeros(30), 0.1).max() == pytest.approx(1), "too many names are as far apart as they can be"


def test_negative_distances_are_shifted_and_undefined_ones_have_no_groups():
    table = pd.DataFrame([[0, -0.2, 0.4], [-0.1, 0, 0.3], [0.2, 0.3, 0]], TASKS, TASKS)
    symmetric = symmetric_distances(table)
    assert symmetric is not None
    assert symmetric[0].tolist() == pytest.approx([0, 0, 0.45])
    table.loc["a", "b"] = np.nan
    assert symmetric_distances(table) is None


@pytest.mark.parametrize(("pivot", "figures"), [(None, {"distances.svg", "map.svg"}), ("b", {"nearest_sources.svg"})])
def test_figures_name_all_tasks(pivot: str | None, figures: set[str], tmp_path: Path):
    points = np.random.default_rng(0).normal(size=(3, 2))
    table = pd.DataFrame(cdist(points, points), TASKS, TASKS)
    draw_distances(table, "mmd", pivot, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == figures
    for path in tmp_path.iterdir():
        text = path.read_text()
        assert all(f">{task}<" in text for task in TASKS if task != pivot)
