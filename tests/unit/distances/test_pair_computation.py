"""Distances of many pairs: each task is summarised once, and stored distances of the same definition are kept."""

from collections import Counter
from itertools import combinations, permutations
from pathlib import Path

import pytest

from mml_lib.distances import MEASURES, TaskData
from mml_lib.distances.pair_computation import compute_pairs
from mml_lib.distances.pair_distances import Pair
from mml_lib.errors import MMLError
from tests.support.gaussian_tasks import standard_task

NAMES = "abcdefg"


class Tasks:
    """Data of tasks in memory; counts how often each is read."""

    def __init__(self, **changes: TaskData):
        self.tasks = {name: standard_task(name, 40 + 3 * seed, 5, seed=seed) for seed, name in enumerate(NAMES)}
        self.tasks |= changes
        self.read: Counter[str] = Counter()

    def task(self, name: str) -> TaskData:
        self.read[name] += 1
        return self.tasks[name]

    def pair(self, source: str, target: str) -> tuple[TaskData, TaskData]:
        return self.tasks[source], self.tasks[target]


def pairs_of(measure: str, number: int = len(NAMES)) -> list[Pair]:
    ordered = combinations if MEASURES[measure].symmetric else permutations
    return [Pair(measure, source, target, "") for source, target in ordered(NAMES[:number], 2)]


@pytest.mark.parametrize("name", ["emd", "fid", "kld", "mmd"])
@pytest.mark.parametrize(("threads", "held"), [(1, 64), (3, 2), (2, 5)])
def test_distances_do_not_depend_on_threads_and_on_what_is_held(name: str, threads: int, held: int):
    measure, data = MEASURES[name], Tasks()
    options = measure.read_options({"activations": "softmax"} if name == "kld" else {})
    pairs = pairs_of(name)
    computed = dict(compute_pairs(measure, options, pairs, data, threads, held))
    assert set(computed) == set(pairs)
    for pair, distance in computed.items():
        expected = measure.compare(data.tasks[pair.source], data.tasks[pair.target], options)
        assert distance == pytest.approx(expected, abs=1e-9)
    assert (max(data.read.values()) == 1) == (held == 64)


def test_features_of_different_extractors_are_refused():
    data = Tasks(c=TaskData("c", features=standard_task("c", 40, 5).features, extractor="other"))
    measure = MEASURES["emd"]
    with pytest.raises(MMLError, match="different extractors"):
        list(compute_pairs(measure, measure.read_options(), pairs_of("emd", 3), data))


def test_a_distance_is_stored_with_its_definition(tmp_path: Path):
    pair = Pair("mmd", "a", "b", tmp_path / "a" / "b.json", "0a1b2c3d")
    assert pair.stored is None
    pair.store(0.25)
    assert pair.stored.distance == 0.25
    assert Pair("mmd", "a", "b", pair.path, "00000000").stored is None
    pair.store(float("nan"))
    assert pair.stored.distance is None
    pair.path.write_text(pair.path.read_text().replace("null", "0.5"))  # not by MML
    assert pair.stored is None
