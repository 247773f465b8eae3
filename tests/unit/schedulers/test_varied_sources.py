"""Sweep and variants over the options of transfer and of multi-task learning: what is planned, and what is refused."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.studies.study import Study
from tests.support.planned_studies import FAKE, planned, store

THREE = {name: FAKE | {"num_samples": 24 + 3 * number} for number, name in enumerate("abc")}
SOURCES = {"mode.pretrain_task": ["none", "a", "b", "c"]}


def varied(folder: Path, mode: dict[str, Any] | None = None, **changes: Any) -> AbstractBaseScheduler:
    base = {"tasks": THREE, "pivot": {}, "sweep": SOURCES}
    return planned({"preset": "tl", **(mode or {})}, folder, **(base | changes))


def sources(plan: AbstractBaseScheduler, task: str) -> list[str | None]:
    return [run.pipeline.pretraining.get("task") for run in plan.runs_of(task)]


def co_tasks(plan: AbstractBaseScheduler, task: str) -> list[list[str]]:
    return [[learned["name"] for learned in run.pipeline.tasks[1:]] for run in plan.runs_of(task)]


# --- transfer -----------------------------------------------------------------------------------------------------


def test_without_a_pivot_each_task_is_a_target_in_turn_and_no_source_of_itself(tmp_path: Path):
    plan = varied(tmp_path)
    assert plan.task_names == ["a", "b", "c"]
    assert {task: sources(plan, task) for task in "abc"} == {
        "a": [None, "b", "c"],
        "b": [None, "a", "c"],
        "c": [None, "a", "b"],
    }


def test_sources_are_trained_once_whatever_the_number_of_targets(tmp_path: Path):
    plan = varied(tmp_path, {"cv": False})
    trained = Counter(plan.trainings)
    assert max(trained.values()) == 1
    assert len(trained) == 3 * 3  # the scratch run of a task is its pretraining
    longer = varied(tmp_path, {"cv": False, "pretrain_with": {"trainer.max_epochs": 50}})
    assert len(longer.trainings) == 3 * 3 + 3


def test_with_a_pivot_all_sources_are_of_the_one_target(tmp_path: Path):
    plan = varied(tmp_path, pivot={"name": "a"}, sweep={"mode.pretrain_task": ["none", "b", "c"]})
    assert plan.task_names == ["a"]
    assert sources(plan, "a") == [None, "b", "c"]
    assert len(plan.runs_of("b")) == 1
    assert sources(plan, "b") == [None]


def test_runs_are_those_of_studies_with_a_single_source(tmp_path: Path):
    plan = varied(tmp_path)
    by_source = dict(zip(sources(plan, "a"), [run.id for run in plan.runs_of("a")], strict=True))
    alone = planned({"preset": "tl", "pretrain_task": "b"}, tmp_path, tasks=THREE, pivot={"name": "a"})
    scratch = planned({"preset": "train"}, tmp_path, tasks=THREE, pivot={"name": "a"})
    assert by_source["b"] == alone.runs_of("a")[0].id
    assert by_source[None] == scratch.runs_of("a")[0].id


def test_variants_set_options_together(tmp_path: Path):
    variants = {
        "scratch": {"mode.pretrain_task": "none"},
        "tuned": {"mode.pretrain_task": "b"},
        "frozen": {"mode.pretrain_task": "b", "mode.freeze": True, "optimizer.lr": 0.1},
        "longer": {"mode.pretrain_task": "b", "mode.pretrain_with.trainer.max_epochs": 50},
    }
    plan = varied(tmp_path, pivot={"name": "a"}, sweep={}, variants=variants)
    runs = {run.label: run.pipeline for run in plan.runs_of("a")}
    assert list(runs) == list(variants)
    assert [pipeline.pretraining.get("freeze") for pipeline in runs.values()] == [None, False, True, False]
    (model,) = runs["longer"].pretraining["models"]
    assert plan.study.run("b", model["run"]).pipeline.content["trainer"]["max_epochs"] == 50


def test_repeats_of_a_target_start_from_the_same_source(tmp_path: Path):
    plan = varied(tmp_path, repeats=3)
    models = {str(run.pipeline.pretraining["models"]) for run in plan.runs_of("a") if run.pipeline.pretraining}
    assert (len(plan.runs_of("a")), len(models)) == (9, 2)


def test_other_modes_of_the_study_leave_its_options_alone(tmp_path: Path):
    plan = varied(tmp_path)
    assert [len(plan.study.scheduler("train").runs_of(task)) for task in "abc"] == [1, 1, 1]
    post = varied(tmp_path, {"preset": "post"})
    assert sources(post, "c") == [None, "a", "b"]


@pytest.mark.parametrize(
    ("mode", "changes", "why"),
    [
        ({}, {"sweep": {"mode.pretrain_task": ["none", "aa"]}}, "mode.pretrain_task: .*'aa'.*did you mean 'a'"),
        ({}, {"pivot": {"name": "a"}}, "mode.pretrain_task: a is all that the study is about"),
        ({"freeze": True}, {}, r"freeze: from scratch .*none.*variants"),
        ({}, {"sweep": SOURCES | {"mode.freeze": [False, True]}}, r"freeze: .*mode.freeze=True\)"),
        ({}, {"tasks": THREE | {"u": FAKE | {"task_type": "no_task"}}, "pivot": {"name": "a"},
              "sweep": {"mode.pretrain_task": ["none", "u"]}}, "mode.pretrain_task: u has no labels"),
        ({}, {"tasks": THREE | {"none": FAKE}}, "tasks.none: .*another name"),
        ({}, {"tasks": THREE | {"suggested": FAKE}}, "tasks.suggested: .*another name"),
        ({}, {"sweep": {"mode.pretrain_task": [["a", "b"]]}}, "pretrain_task: .*string"),
        ({}, {"sweep": {"mode.pretrain_tasks": ["a"]}}, "cannot be varied, did you mean 'mode.pretrain_task'"),
        ({"pretrain_task": "b"}, {"sweep": {"freeze": [True]}}, "cannot be varied, did you mean 'mode.freeze'"),
        ({}, {"sweep": {"mode.eval_on": ["a"]}}, "'mode.eval_on' cannot be varied: .*mode.pretrain_task"),
        ({}, {"sweep": {}, "variants": {"x": {}, "y": {"mode.pretrain_task": "a"}}}, "'pretrain_task' is missing"),
        ({"preset": "train"}, {}, r"mode \(train\): unknown option 'pretrain_task'"),
    ],
)  # fmt: skip
def test_sources_that_cannot_be_varied_are_refused(mode: dict, changes: dict, why: str, tmp_path: Path):
    with pytest.raises(MMLError, match=why):
        varied(tmp_path, mode, **changes)


def test_stored_source_of_another_backbone_is_refused(tmp_path: Path):
    store(tmp_path, "old", planned({}, tmp_path), "b", one=0.5)
    reused = {"reuse": {"models": "old"}, "pivot": {"name": "a"}, "sweep": {"mode.pretrain_task": ["none", "b"]}}
    assert sources(varied(tmp_path, **reused), "a") == [None, "b"]
    assert sources(varied(tmp_path, **reused, tasks={"a": THREE["a"]}), "a") == [None, "b"]
    with pytest.raises(MMLError, match=r"arch: the models of b .*test_resnet; set arch to it"):
        varied(tmp_path, **reused, arch={"preset": "timm", "name": "test_vit"})


def test_mistake_in_a_varied_option_names_the_line_that_sets_it(tmp_path: Path):
    path = tmp_path / "study.yaml"
    path.write_text("mode: {preset: tl}\nvariants:\n  x: {mode.pretrain_task: a}\n  y: {mode.freeze: maybe}\n")
    variants = {"x": {"mode.pretrain_task": "b"}, "y": {"mode.pretrain_task": "b", "mode.freeze": "maybe"}}
    plan = varied(tmp_path, sweep={}, variants={"x": variants["x"]})
    study = Study(plan.study.config | {"variants": variants}, [path])
    with pytest.raises(MMLError, match=r"mode \(tl\): freeze: .*maybe.*\(with y\)") as refused:
        study.check()
    assert study.origins.place(str(refused.value)).endswith("(line 4)")


# --- co-tasks -----------------------------------------------------------------------------------------------------


def test_without_a_pivot_each_task_learns_beside_the_others_in_turn(tmp_path: Path):
    sweep = {"mode.co_tasks": ["none", ["a"], ["b"], ["b", "c"]]}
    plan = varied(tmp_path, {"preset": "train", "multitask": True}, sweep=sweep)
    assert {task: co_tasks(plan, task) for task in "abc"} == {
        "a": [[], ["b"], ["b", "c"]],
        "b": [[], ["a"]],
        "c": [[], ["a"], ["b"]],
    }


def test_pivot_learns_alone_and_beside_each_co_task(tmp_path: Path):
    variants = {"alone": {}, "beside": {"mode.multitask": True, "mode.co_tasks": ["b"], "mode.task_weights": [1, 0.5]}}
    plan = varied(tmp_path, {"preset": "train"}, pivot={"name": "a"}, sweep={}, variants=variants)
    assert co_tasks(plan, "a") == [[], ["b"]]
    with pytest.raises(MMLError, match=r"mode.co_tasks: a is the pivot itself"):
        varied(tmp_path, {"preset": "train", "multitask": True}, pivot={"name": "a"}, sweep={"mode.co_tasks": [["a"]]})
