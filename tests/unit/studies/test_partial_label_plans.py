"""Parts of a study that cannot leave out unknown labels are refused while planning, or where a task is described."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.studies.checks.class_names import check_described
from mml_lib.studies.study import Study
from mml_lib.tasks.task_identity import TaskIdentity
from tests.support.image_folders import images_of
from tests.support.small_projects import small_study

FOCAL = {"loss": {"_target_": "mml_lib.models.losses.FocalLoss", "mode": "multilabel"}}
OWN_METRIC = {"metrics": [{"name": "own", "_target_": "torchmetrics.classification.MultilabelF1Score"}]}
REFUSED = [(FOCAL, "loss: .*FocalLoss cannot leave out"), (OWN_METRIC, "metrics: .*F1Score cannot leave out")]


def study(folder: Path, unknown: int = -1, **changes: Any) -> Study:
    """Return a study of a table in which one label of an image is -1."""
    names = [f"{number}.png" for number in range(12)]
    root = images_of(folder / "img", *names)
    rows = [f"{name},{number % 2},{number // 2 % 2}" for number, name in enumerate(names)]
    (root / "t.csv").write_text("\n".join(["image,a,b", *rows, *[f"12.png,1,{unknown}"]]))
    images_of(folder / "img", "12.png")
    task = {"creator": "csv", "path": str(root / "t.csv"), "columns": {"labels": ["a", "b"]}, "folds": 2}
    return small_study(folder, tasks={"shapes": task | {"unknown": [-1]}}, **changes)


@pytest.mark.parametrize(("change", "why"), REFUSED)
def test_parts_that_need_all_labels_are_refused_while_planning(tmp_path: Path, change: dict[str, Any], why: str):
    with pytest.raises(MMLError, match=f"{why} the unknown labels of shapes"):
        study(tmp_path, **change).scheduler("train").runs_of("shapes")


@pytest.mark.parametrize(("change", "why"), REFUSED)
def test_parts_that_need_all_labels_are_refused_by_the_step_that_describes_a_task(
    tmp_path: Path, change: dict[str, Any], why: str
):
    scheduler = study(tmp_path, unknown=1, **change).scheduler("train")
    header = {"name": "shapes", "task_type": "multilabel_classification", "classes": ["a", "b"]}
    check_described(scheduler, header)
    with pytest.raises(MMLError, match=f"{why} the unknown labels of shapes"):
        check_described(scheduler, header | {"label_counts": {}})


@pytest.mark.parametrize(
    ("keys", "is_partial"),
    [
        ({"unknown": [-1]}, True),
        ({"uncertain": {"value": -1, "as": "ignore"}}, True),
        ({"uncertain": {"value": -1, "as": "positive"}}, False),
        ({}, False),
    ],
)
def test_data_that_are_still_to_be_made_are_partial_if_the_task_says_so(keys: dict[str, Any], is_partial: bool):
    task = {"creator": "csv", "path": "t.csv", "task_type": "multilabel_classification", "made_by_rule": True}
    assert TaskIdentity.of("t", Task(**task, columns={"labels": ["a", "b"]}, **keys)).is_partial == is_partial


@pytest.mark.parametrize("change", [FOCAL, OWN_METRIC])
def test_labels_that_are_all_known_may_have_any_loss_and_metric(tmp_path: Path, change: dict[str, Any]):
    assert study(tmp_path, unknown=1, **change).scheduler("train").runs_of("shapes")


def test_vote_of_a_program_is_refused_while_planning(tmp_path: Path):
    mode = {"preset": "post", "ensemble": {"strategy": "program", "metric": "accuracy", "max_ensemble_size": 2}}
    with pytest.raises(MMLError, match=r"mode\.ensemble\.strategy: program counts whole samples"):
        study(tmp_path, mode=mode).scheduler("post").ensemble_options("shapes")
