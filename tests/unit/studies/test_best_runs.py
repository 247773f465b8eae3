"""The best procedure and run of a mode are those of the best validation, whatever the reported split says."""

import csv
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mml_lib.evaluation.summary import COLUMNS
from mml_lib.models.model_storage import ModelStorage
from mml_lib.schedulers.train import TrainScheduler
from mml_lib.studies.best_runs import best_runs
from tests.support.planned_studies import FAKE, TASKS, planned

RATES = {"optimizer.lr": [0.1, 0.01, 0.001]}


def finish(plan: TrainScheduler, validation: Sequence[float], metric: str = "accuracy") -> list[dict[str, Any]]:
    """Write what the networks of each planned run have on validation, and a summary that says the opposite of the test
    split; return what the mode returns.

    Args:
        plan: of a mode.
        validation: value of each run.
        metric: which.
    """
    rows = []
    for task in plan.task_names:
        networks = plan.networks(task)
        labels = list(map(plan.run_label, networks))
        ids = list(dict.fromkeys(label.run for label in labels))
        for network, label in zip(networks, labels, strict=True):
            value = validation[ids.index(label.run)]
            metrics = {f"val/{metric}": value, "val/loss": 1 - value, "val/own": 1 - value}
            storage = ModelStorage(
                *(network.task, network.run, network.fold, 1 - value, metrics),
                *(1, 0, 1.0, 1, "cpu"),
            )
            storage.write(plan.fm.construct_saving_path(storage, "models", **network.tokens))
            row = dict.fromkeys(COLUMNS, "") | {"task": label.task, "run": label.run, "split": "test"}
            row |= {"kind": "procedure", "procedure": label.procedure, "metric": metric, "mean": 1 - value}
            rows.append(row | {"ci_low": 0, "ci_high": 1})
            rows.append(row | {"on": "elsewhere", "mean": 0.123})
    path = Path(plan.fm.path("summary", mode=plan.mode))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    step = SimpleNamespace(input=SimpleNamespace(summary=[path], **plan.finishing_files))
    plan.before_finishing_hook(step)
    assert step.return_value == best_runs(plan, plan.finishing_files["models"], str(path))
    return step.return_value


@pytest.mark.parametrize(
    "mode",
    [
        {},
        {"nested": True},
        {"cv": False},
        {"preset": "tl", "pretrain_task": "b"},
        {"multitask": True, "co_tasks": ["b"]},
        {"eval_on": ["b"]},
        {"preset": "post"},
        {"preset": "post", "source_tasks": ["b"]},
        {"preset": "post", "pretrain_task": "b"},
    ],
    ids=["train", "nested", "one fold", "tl", "multitask", "eval_on", "post", "post with sources", "post and tl"],
)
def test_best_run_of_every_mode_is_that_of_the_best_validation(mode: dict[str, Any], tmp_path: Path):
    tasks = {"mine": FAKE, "b": TASKS["b"]}
    plan = planned({"preset": "train", **mode}, tmp_path, tasks=tasks, sweep=RATES)
    (best,) = finish(plan, [0.5, 0.9, 0.7])
    assert "lr=0.01" in best["label"]
    assert (best["chosen_by"], best["validation"]) == ("val/accuracy", pytest.approx(0.9))
    assert best["mean"] == pytest.approx(0.1), "what it is worth on the test split, where it is the worst"


def test_best_procedure_is_that_of_the_best_mean_over_seeds(tmp_path: Path):
    plan = planned({}, tmp_path, sweep={"optimizer.lr": [0.1, 0.01], "seed": [1, 2]})
    (best,) = finish(plan, [0.95, 0.45, 0.8, 0.9])
    assert best["label"] == "optimizer.lr=0.01, seed=2", "the luckiest seed is that of the other procedure"


@pytest.mark.parametrize(("metric", "lr"), [("log_loss", "0.1"), ("brier", "0.1"), ("auroc", "0.01")])
def test_best_is_the_lowest_where_lower_is_better(metric: str, lr: str, tmp_path: Path):
    plan = planned({}, tmp_path, sweep=RATES, metrics=[metric])
    (best,) = finish(plan, [0.5, 0.9, 0.7], metric)
    assert best["label"] == f"optimizer.lr={lr}"


def test_a_metric_of_the_users_own_chooses_nothing(tmp_path: Path):
    own = {"_target_": "torchmetrics.classification.MulticlassHammingDistance", "name": "own", "num_classes": 3}
    plan = planned({}, tmp_path, sweep=RATES, metrics=[own, "accuracy"])
    (best,) = finish(plan, [0.5, 0.9, 0.7])
    assert best["chosen_by"] == "val/accuracy"
    alone = planned({}, tmp_path / "alone", sweep=RATES, metrics=[own])
    (best,) = finish(alone, [0.5, 0.9, 0.7], "own")
    assert (best["chosen_by"], best["label"]) == ("val/loss", "optimizer.lr=0.01")


def test_every_task_of_a_study_has_its_best(tmp_path: Path):
    tasks = {"mine": FAKE, "b": TASKS["b"]}
    plan = planned({}, tmp_path, tasks=tasks, pivot={"name": None}, sweep=RATES)
    assert [row["task"] for row in finish(plan, [0.5, 0.9, 0.7])] == ["b", "mine"]
