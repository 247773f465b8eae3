"""Learned divisions: networks and checkpoints of other splits or folds than a task has now are not used."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mml_lib.data.learned_divisions import check_divisions, divisions_of, other_division
from mml_lib.errors import MMLError
from mml_lib.inference.frozen_backbone import trained_backbone
from mml_lib.models.network import save_network
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splits.splitting import Assignment, divided_by_reading
from mml_lib.tasks.struct import TaskStruct
from tests.support.small_tasks import fake_task, small_model

REMEDY = "tasks.t.seed"


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TaskStruct:
    return fake_task(tmp_path_factory.mktemp("images"), "classification")


def described_again(task: TaskStruct, folder: Path, change: Callable[[dict[str, Any]], object]) -> TaskStruct:
    """Return the task after a change of its description."""
    former = TaskDescription.read(task.paths["description"])
    content = {"header": dict(former.header), "samples": dict(former.samples)}
    change(content)
    path = folder / "again.json"
    TaskDescription(**content).write(path)
    return TaskStruct(task.name, {**task.paths, "description": path})


def other_folds(content: dict[str, Any]) -> None:
    """Put each training sample into the next of three folds."""
    content["samples"]["fold"] = [fold if fold < 0 else (fold + 1) % 3 for fold in content["samples"]["fold"]]


def other_order(content: dict[str, Any]) -> None:
    content["samples"] = {key: column[::-1] for key, column in content["samples"].items()}


def divided_groups(content: dict[str, Any]) -> None:
    content["header"]["group_division"] = 2


def test_division_covers_folds_and_not_the_order_of_samples(task: TaskStruct, tmp_path: Path):
    assert described_again(task, tmp_path, other_order).division == task.division
    assert described_again(task, tmp_path, other_folds).division != task.division


def test_network_of_other_folds_is_refused(task: TaskStruct, tmp_path: Path):
    header = {"classes": {"t": task.classes}, "divisions": divisions_of([task])}
    check_divisions("network", header, [task])
    again = described_again(task, tmp_path, other_folds)
    with pytest.raises(MMLError, match=REMEDY) as error:
        check_divisions("network", header, [again])
    assert str(again.paths["description"]) in str(error.value)


def test_older_network_is_refused_where_groups_are_divided_anew_under_the_same_id(task: TaskStruct, tmp_path: Path):
    header = {"classes": {"t": task.classes}}
    check_divisions("network", header, [task])
    again = described_again(task, tmp_path, divided_groups)
    with pytest.raises(MMLError, match=REMEDY):
        check_divisions("network", header, [again])
    check_divisions("network", {"classes": {"another": ["a"]}}, [again])
    check_divisions("network", header | {"divisions": divisions_of([again])}, [again])


def test_backbone_that_has_learned_other_folds_of_a_task_gives_it_no_features(task: TaskStruct, tmp_path: Path):
    about = {"task": "t", "mean": [0.5] * 3, "std": [0.5] * 3, "classes": {"t": task.classes}}
    save_network(small_model(task).network, tmp_path / "n.safetensors", about | {"divisions": divisions_of([task])})
    trained_backbone(tmp_path / "n.safetensors", task)
    with pytest.raises(MMLError, match=REMEDY):
        trained_backbone(tmp_path / "n.safetensors", described_again(task, tmp_path, other_folds))


def test_checkpoint_of_other_folds_is_passed_over(task: TaskStruct, tmp_path: Path):
    checkpoint = {"divisions": divisions_of([task])}
    assert other_division(checkpoint, divisions_of([task])) is None
    assert other_division({}, divisions_of([task])) is None
    assert "t" in (other_division(checkpoint, divisions_of([described_again(task, tmp_path, other_folds)])) or "")


@pytest.mark.parametrize(("version", "balance", "stated"), [(2, True, True), (None, True, False), (2, False, False)])
def test_header_states_the_version_of_a_division_of_groups_that_its_id_does_not_cover(
    version: int | None, balance: bool, stated: bool
):
    assignment = Assignment(["train"], [0], 1, {"folds": object()} if balance else {})
    assert divided_by_reading(assignment, version) == ({"group_division": 2} if stated else {})
