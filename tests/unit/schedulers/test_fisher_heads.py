"""Heads on the frozen backbone of an extractor: one backbone for all tasks, whatever the study trains otherwise."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.schedulers.feature_plans.fisher_heads import head_of
from tests.support.messages import mentions
from tests.support.planned_studies import planned, store

RANDOM = {"arch": "test_resnet", "pretrained": False, "seed": 3}


def pipelines(plan: AbstractBaseScheduler, *tasks: str) -> list[Pipeline]:
    """Return the pipelines of the heads of tasks."""
    networks = [head_of(plan, task, plan.study.extractors.own) for task in tasks]
    return [plan.study.run(network.task, network.run).pipeline for network in networks]


def test_all_tasks_have_one_backbone(tmp_path: Path):
    changes: dict[str, Any] = {"sweep": {"arch.name": ["resnet18", "resnet34"]}, "repeats": 2}
    first, second = pipelines(planned({}, tmp_path, features=RANDOM, **changes), "mine", "c")
    assert first.freezes
    assert first.content["arch"] == second.content["arch"]
    assert first.content["arch"]["name"] == "test_resnet"
    assert first.content["arch"]["in_chans"] == 3, "grey images are seen by the same network"
    assert first.content["normalization"] == second.content["normalization"] == "imagenet"
    assert first.content["seed"] == second.content["seed"] == 3
    assert first.story == "backbone frozen"


def test_frozen_backbones_are_another_run_than_trained_ones(tmp_path: Path):
    plan = planned({}, tmp_path, features=RANDOM)
    (frozen,) = pipelines(plan, "mine")
    (trained,) = plan.runs_of("mine")
    assert frozen.run != trained.id
    assert not trained.pipeline.freezes


def test_a_trained_network_is_the_backbone_of_all_heads(tmp_path: Path):
    earlier = planned({}, tmp_path)
    run = store(tmp_path, "default", earlier, "b", a=0.5)
    plan = planned({}, tmp_path, features={"task": "b", "run": run, "fold": 0})
    (head,) = pipelines(plan, "mine")
    assert head.freezes
    assert [(model["task"], model["run"], model["fold"]) for model in head.pretraining["models"]] == [("b", run, 0)]
    assert "backbone frozen" in head.story


def test_tasks_without_labels_and_callbacks_that_change_the_backbone_are_refused(tmp_path: Path):
    with pytest.raises(MMLError) as error:
        pipelines(planned({}, tmp_path, features=RANDOM), "archive")
    assert mentions(str(error.value), "archive", "no labels")

    with pytest.raises(MMLError) as error:
        pipelines(planned({}, tmp_path, features=RANDOM, callbacks="swa"), "mine")
    assert mentions(str(error.value), "callbacks.swa", "leave it out")
