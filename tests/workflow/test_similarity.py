"""Mode similarity: distances of three tasks, and of a fourth that joins them."""

import json
from pathlib import Path

import numpy as np
import pytest

from mml_lib.distances import MEASURES, TaskData
from mml_lib.distances.pair_distances import read_distances
from mml_lib.features.feature_files import Features
from tests.support.workplaces import TINY, Workplace

FAKE = {"creator": "fake", "num_samples": 24, "folds": 2, "size": 24}
STUDY = {
    **TINY,
    "mode": "similarity",
    "tasks": {
        "a": FAKE | {"keywords": ["x", "y"]},
        "b": FAKE | {"seed": 1, "keywords": ["x"]},
        "c": FAKE | {"seed": 2},
    },
    "features": {"arch": "test_resnet", "pretrained": False},
    "similarity": {"distance": ["emd", "knn", "leep"], "options": {"knn": {"k": 3}}},
}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    workplace = Workplace(tmp_path_factory.mktemp("similarity"))
    workplace.write(STUDY)
    workplace.run()
    return workplace


def features(workplace: Workplace, task: str, label: str) -> np.ndarray:
    (path,) = workplace.files(f"results/tiny/FEATURES/{task}/{label}*.npz")
    stored = Features.load(path)
    return stored.values[stored.of_split("train")]


def test_tables_have_the_distances_of_the_stored_features(workplace: Workplace):
    (path,) = workplace.files("results/tiny/DISTANCES/emd.csv")
    table = read_distances(path)
    own = {task: TaskData(task, features=features(workplace, task, "test_resnet")) for task in "abc"}
    assert table.loc["a", "b"] == pytest.approx(MEASURES["emd"].compare(own["a"], own["b"]))
    assert (table.to_numpy() == table.to_numpy().T).all()
    (path,) = workplace.files("results/tiny/DISTANCES/knn.csv")
    errors = read_distances(path).to_numpy()
    assert np.isnan(np.diag(errors)).all()
    assert ((errors[~np.eye(3, dtype=bool)] >= 0) & (errors[~np.eye(3, dtype=bool)] <= 1)).all()
    (path,) = workplace.files("results/tiny/DISTANCES/leep.csv")
    assert (read_distances(path).to_numpy()[~np.eye(3, dtype=bool)] > 0).all()  # less a log probability


def test_pictures_and_the_return_value_show_them(workplace: Workplace):
    figures = {path.name for path in workplace.files("results/tiny/DISTANCES/emd-plots/*.svg")}
    assert figures == {"distances.svg", "map.svg"}
    (path,) = workplace.files("results/tiny/RESULTS/similarity.json")
    result = json.loads(Path(path).read_text())["return_value"]
    assert list(result) == ["emd", "knn", "leep"]
    values = list(result["emd"]["a"].values())
    assert values == sorted(values)
    assert workplace.planned() == {}


def test_a_further_task_computes_its_pairs_alone(workplace: Workplace):
    further = STUDY | {"tasks": STUDY["tasks"] | {"d": FAKE | {"seed": 3}}, "similarity": {"distance": "emd"}}
    workplace.write(further)
    planned = workplace.planned()
    assert (planned["compute_distances"], planned["extract_features"], planned["collect_distances"]) == (1, 1, 1)
    pairs = "results/tiny/DISTANCES/emd-pairs/*/*.json"
    before = {path: path.stat().st_mtime_ns for path in workplace.files(pairs)}
    assert "3 distances computed, 3 were stored" in workplace.run()
    after = {path: path.stat().st_mtime_ns for path in workplace.files(pairs)}
    assert len(after) == 6
    assert before.items() <= after.items()
    workplace.write(STUDY | {"similarity": {"distance": "emd", "options": {"emd": {"method": "binned"}}}})
    assert workplace.planned()["compute_distances"] == 1
