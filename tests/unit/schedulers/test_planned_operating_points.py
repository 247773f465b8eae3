"""Operating points in plans: a step for each tested task of classes or labels, which changes no run."""

from typing import Any

import pytest
from snakemake.iocontainers import Wildcards

from mml_lib.errors import MMLError
from mml_lib.studies.study import Study
from tests.support.train_studies import FAKE, study


def pointed(points: Any = True, mode: dict[str, Any] | None = None, **changes: Any) -> Study:
    return study(mode, operating_points=points, **changes)


def test_thresholds_are_chosen_by_validation_predictions_and_change_no_run():
    planned = pointed({"sensitivity": [0.8]})
    scheduler = planned.scheduler("train")
    assert scheduler.commands.count("find_operating_points") == 1
    assert [run.id for run in scheduler.runs_of("mine")] == [
        run.id for run in study().scheduler("train").runs_of("mine")
    ]
    wildcards = Wildcards(fromdict={"task": "mine", "mode": "train"})
    inputs = planned.inputs.operating
    assert all(path.endswith("/val.npz") for path in inputs.validation(wildcards))
    assert all(path.endswith("/test.npz") for path in inputs.test(wildcards))
    assert len(inputs.validation(wildcards)) == len(inputs.test(wildcards)) == len(inputs.networks(wildcards)) == 3
    assert inputs.wanted(wildcards) == [("sensitivity", 0.8)]


def test_pooled_folds_have_no_test_split_and_calibrated_modes_calibrated_predictions():
    wildcards = Wildcards(fromdict={"task": "mine", "mode": "train"})
    assert pointed(tasks={"mine": FAKE | {"test_fraction": 0}}).inputs.operating.test(wildcards) == []
    post = Wildcards(fromdict={"task": "mine", "mode": "post"})
    files = pointed(mode={"preset": "post"}).inputs.operating.validation(post)
    assert all("/CALIBRATED/" in path for path in files)


@pytest.mark.parametrize(
    ("points", "changes", "remedy"),
    [
        (True, {"tasks": {"mine": FAKE | {"task_type": "regression"}}}, "leave the key out"),
        (True, {"mode": {"preset": "train", "nested": True}}, "nested: false"),
        (
            True,
            {"mode": {"preset": "train", "cv": False}, "tasks": {"mine": FAKE | {"test_fraction": 0}}},
            "test_fraction",
        ),
        ({"sensitivity": []}, {}, "sensitivity"),
        ({"sensitivity": [1.2]}, {}, "sensitivity"),
        ({"recall": [0.9]}, {}, "recall"),
    ],
)
def test_what_has_no_operating_points_is_refused(points: Any, changes: dict[str, Any], remedy: str):
    with pytest.raises(MMLError, match=remedy):
        _ = pointed(points, **changes).scheduler("train").commands
