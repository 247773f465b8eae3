"""View of a project from its files."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mml_lib.files.manager import MMLFileManager
from mml_lib.watch.project_view import ProjectView
from mml_lib.watch.training_curves import read_training
from tests.support.watched_projects import EPOCHS, LOG, RUN, run_state, watched_project


@pytest.fixture
def fm(tmp_path: Path) -> Iterator[MMLFileManager]:
    MMLFileManager.clear_instance()
    yield watched_project(tmp_path)
    MMLFileManager.clear_instance()


def trainings(fm: MMLFileManager) -> dict[str, dict[str, Any]]:
    return {training["fold"]: training for training in ProjectView(fm).read()["trainings"]}


def test_running_and_finished_trainings_have_curves(fm: MMLFileManager):
    finished, running = trainings(fm)["0"], trainings(fm)["1"]
    assert (finished["state"], running["state"]) == ("finished", "running")
    assert finished["values"] == {"train/loss": [2.5, 1.5], "val/f1": [0.5, 0.75]}, "the history has all epochs"
    assert running["values"]["train/loss"] == [2.186, 1.318]
    assert running["values"]["val/loss"] == [2.389, None], "JSON has no NaN"
    assert (running["epoch"], running["epochs"], running["label"]) == (2, 4, "optimizer.lr=0.1")


def test_state_is_strict_json(fm: MMLFileManager):
    json.dumps(ProjectView(fm).read(), allow_nan=False)


def test_a_resumed_training_keeps_the_epochs_before_the_kill(fm: MMLFileManager):
    log = fm.proj_path / LOG
    before = read_training(log, fm.proj_path)
    log.write_text("--- train_fold\nepoch 2 of 4: train/loss 1.25\nepoch 3 of 4: train/loss 1\n")
    assert read_training(log, fm.proj_path, before).values["train/loss"] == [2.186, 1.25, 1.0]
    assert read_training(log, fm.proj_path).values["train/loss"] == [None, 1.25, 1.0]


def test_a_failed_training_says_why(fm: MMLFileManager):
    (fm.proj_path / LOG).write_text(f"{EPOCHS}error in train_fold: the loss is nan\n")
    fm.run_state_path.write_text(json.dumps(run_state(running=[])))
    assert (trainings(fm)["1"]["state"], trainings(fm)["1"]["error"]) == ("failed", "the loss is nan")


def test_results_so_far_are_means_of_the_main_metric(fm: MMLFileManager):
    (row,) = ProjectView(fm).read()["so_far"]
    wanted = {"run": RUN, "networks": 1, "tested": 1, "loss": 0.25, "metric": "f1", "validation": 0.75, "test": 0.625}
    assert row.items() >= wanted.items()


def test_resources_of_rules(fm: MMLFileManager):
    view = ProjectView(fm).read()
    (rule,) = view["resources"]
    assert (rule["rule"], rule["steps"], rule["seconds"]) == ("train_fold", 1, 12.5)
    assert not view["machine"]["is_here"], "the load of another machine is none of the run's"


def test_a_run_without_a_sign_of_life_is_silent(fm: MMLFileManager):
    fm.run_state_path.write_text(json.dumps(run_state(written=time.time() - 61)))
    view = ProjectView(fm).read()
    assert view["run"]["status"] == "silent"
    assert {training["state"] for training in view["trainings"]} == {"silent", "finished"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}'])
def test_project_without_a_state_of_a_run_has_the_rest(fm: MMLFileManager, text: str):
    fm.run_state_path.write_text(text)
    view = ProjectView(fm).read()
    assert view["run"]["status"] == "unknown"
    assert view["run"]["rules"] == [{"name": "train_fold", "planned": 2, "finished": 2, "failed": 0}]
    assert len(view["trainings"]) == 2


def test_only_logs_are_readable(fm: MMLFileManager):
    view = ProjectView(fm)
    (fm.proj_path / "LOGS/train_fold/link.log").symlink_to(fm.run_state_path.resolve())
    assert view.log_path(LOG) == (fm.proj_path / LOG).resolve()
    outside = ["", ".run.json", f"PREDICTIONS/digits/{RUN}-fold0/secret.log", "../../x.log", "/etc/passwd", "a\0b"]
    for path in [*outside, "LOGS/../.run.json", "LOGS/train_fold/link.log", "LOGS/train_fold"]:
        assert view.log_path(path) is None, path
