"""Planned tests: networks that tables compare go through params of rules, and are read with the numbers of samples."""

from pathlib import Path

import numpy as np
import pytest

from mml_lib.evaluation.comparisons.planned_tests import PlannedTest
from mml_lib.evaluation.comparisons.tested import read_tested
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.tasks.curves import Point
from tests.support.small_networks import network_of
from tests.support.small_tasks import fake_task

NETWORK = TrainedNetwork("t", "0a1b2c3d", 1)
TEST = PlannedTest("table", "recipe", 2, NETWORK, "test", ("plain", "also"))


def test_params_of_a_rule_are_plain_and_name_no_point_without_a_curve():
    assert TEST.as_params() == {
        "task": "table",
        "run": "recipe",
        "fold": 2,
        "trained": "t",
        "network": {"task": "t", "run": "0a1b2c3d", "fold": 1},
        "split": "test",
        "procedures": ["plain", "also"],
    }


@pytest.mark.parametrize("point", [None, Point("t", None, 0), Point("t", 0.3, 5)])
def test_params_hold_all_of_a_test(point: Point | None):
    test = PlannedTest("table", "recipe", 2, NETWORK, "test", ("plain",), point)
    assert PlannedTest.of(test.as_params()) == test


@pytest.mark.parametrize("split", ["val", "test"])
def test_tested_network_knows_the_numbers_of_samples_of_its_split_and_training(split: str, tmp_path: Path):
    struct = fake_task(tmp_path, "classification")
    network_of().metrics.write(tmp_path / "test.npz")
    params = PlannedTest("table", "recipe", 2, NETWORK, split, ("plain",)).as_params()
    (network,) = read_tested([params], [tmp_path / "test.npz"], [struct.paths["description"]])
    splits, folds = (np.asarray(struct.samples[name]) for name in ("split", "fold"))
    held_out = (splits == "train") & (folds == 1)
    assert (network.task, network.run, network.fold, network.split) == ("table", "recipe", 2, split)
    assert network.trained == ((splits == "train") & (folds != 1)).sum() > 0
    assert network.tested == (held_out if split == "val" else splits == "test").sum() > 0
    assert (network.procedures, network.point) == (("plain",), Point("t", None, 0))
