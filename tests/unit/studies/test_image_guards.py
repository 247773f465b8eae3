"""Image guards: no network learns an image that it is tested on, whatever data set brings the image."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import numpy as np
import pytest

from mml_lib.config.training_options import Sampling
from mml_lib.data.datamodule import MMLDataModule
from mml_lib.engine.leakage import compare_before_training
from mml_lib.errors import MMLError
from mml_lib.machine.rule_names import RuleNames
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.studies.checks.guarding import Guards, _guard_run, started_from
from mml_lib.studies.runs import Run, Runs
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.image_guards import ImageGuard
from mml_lib.tasks.sharing.overlaps import compare_images
from mml_lib.tasks.struct import TaskStruct
from mml_lib.tasks.tags.tag_registry import TAGS, Tag
from tests.support.messages import mentions
from tests.support.planned_studies import FAKE, planned, wildcards
from tests.support.post_studies import post
from tests.support.small_tasks import fake_task

TASKS = {"mine": FAKE, "b": FAKE | {"image_seed": 7}, "same": FAKE | {"test_fraction": 0.3}}


def task(name: str, images: str, places: str) -> TaskDescription:
    """A task of single letters as images; a place is a fold, or `t` for the test split."""
    samples = {
        "id": [f"{name}-{image}" for image in images],
        "digest": list(images),
        "split": ["test" if place == "t" else "train" for place in places],
        "fold": [-1 if place == "t" else int(place) for place in places],
    }
    return TaskDescription({"name": name, "id": f"{name}0", "num_folds": 2}, samples)


def compare(learned: TaskDescription, tested: TaskDescription, *parts: str) -> int:
    """Compare two tasks; return the number of images that both show."""
    guard = ImageGuard(("a", "a0"), ("b", "b0"), parts, "mode.eval_on")
    (compared,) = compare_images([guard], [tested, learned])
    return compared["shared"]


@pytest.mark.parametrize(
    ("learned", "tested", "parts"),
    [
        ("t01", "t01", ("test", "fold")),
        ("0t1", "1t0", ("test",)),
        ("001", "ttt", ()),
        ("ttt", "t01", ("test", "val", "fold")),
    ],
)
def test_images_that_nobody_holds_out_may_be_shared(learned: str, tested: str, parts: tuple[str, ...]):
    assert compare(task("a", "xyz", learned), task("b", "xyz", tested), *parts) == 3


@pytest.mark.parametrize(
    ("learned", "tested", "part", "words"),
    [
        ("01t", "t01", "test", r"1 test image of b is a training image of a \(b: b-x = a: a-x\)"),
        ("011", "tt0", "test", r"2 test images of b .* \(b: b-x = a: a-x, b: b-y = a: a-y\)"),
        ("t10", "t01", "fold", "2 validation images of b"),
        ("t01", "t01", "val", "2 validation images of b"),
    ],
)
def test_held_out_images_that_are_learned_are_refused(learned: str, tested: str, part: str, words: str):
    with pytest.raises(MMLError, match=rf"^mode.eval_on: {words}"):
        compare(task("a", "xyz", learned), task("b", "xyz", tested), part)


def test_other_images_are_compared_by_content_not_by_name():
    assert compare(task("a", "uvw", "000"), task("b", "xyz", "ttt"), "test") == 0


def test_copies_that_the_tested_task_admits_in_itself_do_not_count():
    assert compare(task("a", "xx", "0t"), task("b", "xxy", "0tt"), "test") == 1


def test_images_of_an_older_description_are_no_reason_to_go_on():
    older = task("a", "xyz", "001")
    older.samples["digest"][:] = [None] * 3
    with pytest.raises(MMLError, match=r"a has no digests of its images.*snakemake --forcerun create_task"):
        compare(older, task("b", "xyz", "t01"), "test")


# --- plans ------------------------------------------------------------------------------------------------------


def guards(plan: AbstractBaseScheduler) -> set[tuple[str, str, tuple[str, ...], str]]:
    return {(guard.learned[0], guard.tested[0], guard.parts, guard.key) for guard in plan.guards.guards}


def test_study_of_single_tasks_compares_nothing(tmp_path: Path):
    plan = planned({}, tmp_path)
    assert "check_images" not in plan.commands
    assert guards(plan) == set()
    assert guards(planned({"nested": True}, tmp_path)) == set()


def test_tasks_of_other_data_sets_are_compared(tmp_path: Path):
    plan = planned({"eval_on": ["b"]}, tmp_path, tasks=TASKS)
    assert guards(plan) == {("mine", "b", ("test",), "mode.eval_on")}
    (check,) = [params for command, params in zip(plan.commands, plan.params, strict=True) if command == "check_images"]
    compared = plan.study.inputs.train.guarded_descriptions(wildcards(**check))
    assert [Path(path).parts[-2] for path in compared] == ["mine", "b"]
    plan = planned({"preset": "tl", "pretrain_task": "b"}, tmp_path, tasks=TASKS)
    assert guards(plan) == {("b", "mine", ("test",), "mode.pretrain_task")}
    untested = {name: task | {"test_fraction": 0} for name, task in TASKS.items() if name != "same"}
    plan = planned({"preset": "tl", "pretrain_task": "b"}, tmp_path, tasks=untested, lr_scheduler=None)
    assert guards(plan) == {("b", "mine", ("test", "val"), "mode.pretrain_task")}


def test_networks_that_join_an_ensemble_have_not_seen_the_fold_either(tmp_path: Path):
    plan = post(tmp_path, {"source_tasks": ["b"]}, tasks=TASKS)
    assert guards(plan) == {("b", "mine", ("test", "fold"), "mode.source_tasks")}


def test_co_tasks_are_compared_with_the_test_split_that_a_nested_task_leaves_out(tmp_path: Path):
    mode: dict[str, Any] = {"multitask": True, "co_tasks": ["b"], "nested": True}
    assert guards(planned(mode, tmp_path, tasks=TASKS)) == {("b", "mine", ("test",), "mode.co_tasks")}


def test_models_of_models_and_other_tests_are_compared_within_a_data_set_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plan = planned({"preset": "tl", "pretrain_task": "b"}, tmp_path, tasks=TASKS)
    (run,) = plan.runs_of("mine")
    (model,) = plan.study.scheduler("tl").runs_of("b")
    chained = {**model.pipeline.content, "pretraining": {"models": [{"project": None, "task": "same", "run": "0"}]}}
    first = {**model.pipeline.content, "task": {**model.pipeline.task, **plan.study.task("same").definition()}}
    runs = {"b": Run(Pipeline(chained)), "same": Run(Pipeline(first))}
    monkeypatch.setattr(type(plan.study.runs), "of_model", lambda self, model: runs[model["task"]])
    guards = Guards(plan.study)
    _guard_run(guards, run, "mine", ["b"], reported=False)
    assert {(guard.learned[0], guard.tested[0]) for guard in guards.guards} == {
        ("b", "mine"),
        ("same", "mine"),
        ("mine", "b"),
        ("same", "b"),
    }


def test_tasks_that_only_another_project_can_describe_are_no_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plan = planned({"eval_on": ["b"]}, tmp_path, tasks=TASKS)
    far = {"name": "far", "id": "0a1b2c3d", "dataset": "DSET_csv-0a1b2c3d", "source": {"creator": "csv"}}
    plan.guards.add(far, "mine", "mode.pretrain_task", "test")
    assert list(plan.guards.unknown) == ["far"]
    monkeypatch.setattr(Runs, "old_tasks", [{**far, "bases": []}])
    for key, names in {
        "dataset": {"dataset": far["dataset"]},
        "description": {"task": "far", "task_id": far["id"]},
    }.items():
        path = Path(plan.study.fm.path(key, **names))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    plan.guards.add(far, "mine", "mode.pretrain_task", "test")
    monkeypatch.setattr(plan.study, "scheduler", lambda mode: plan)
    tokens = wildcards(sha256=plan.guards.sha256)
    assert [Path(path).parts[-2] for path in plan.study.inputs.train.guarded_descriptions(tokens)] == ["mine", "b"]
    assert [Path(path).parts[-2] for path in plan.study.inputs.train.foreign_descriptions(tokens)] == ["far"]


def test_tasks_that_a_tag_of_the_users_own_derives_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(TAGS, "swap", Tag("swap", lambda description: description))
    tasks = {"mine": FAKE, "mine+swap": None, "mine+subset~0.5": None}
    plan = planned({"preset": "tl", "pretrain_task": "mine+swap"}, tmp_path, tasks=tasks)
    assert guards(plan) == {("mine+swap", "mine", ("test",), "mode.pretrain_task")}
    plan = post(tmp_path, {"source_tasks": ["mine+swap"]}, tasks=tasks)
    assert guards(plan) == {("mine+swap", "mine", ("test", "fold"), "mode.source_tasks")}
    assert guards(planned({"preset": "tl", "pretrain_task": "mine+subset~0.5"}, tmp_path, tasks=tasks)) == set()


class Job:
    """A job of a plan."""

    group = None

    def __init__(self, rule: str):
        self.rule = type("Rule", (), {"name": rule})


def test_trainings_wait_for_the_comparison():
    comparison, training, packing = map(Job, ("check_images", "train_fold", "preprocess_task"))
    plan: Any = type("Plan", (), {"depending": defaultdict(dict), "_n_until_ready": Counter()})
    plan._ready_jobs = {comparison, training, packing}
    plan.needrun_jobs = lambda: [training, packing]
    compare_before_training(RuleNames(), plan)
    assert training in plan._ready_jobs
    plan.needrun_jobs = lambda: [training, packing, comparison]
    compare_before_training(RuleNames(), plan)
    assert plan._ready_jobs == {comparison, packing}
    assert plan._n_until_ready == {training: 1}
    assert plan.depending == {comparison: {training: set()}}


# --- what co-tasks learn ----------------------------------------------------------------------------------------


def beside(folder: Path, image_seed: int) -> tuple[TaskStruct, TaskStruct, np.ndarray]:
    """Two tasks with folds that are numbered otherwise, and the positions that a co-task learns in fold 0."""
    first = fake_task(folder / "a", "classification")
    second = fake_task(folder / "b", "classification", image_seed=image_seed)
    description = TaskDescription.read(second.paths["description"])
    split, fold = description.column["split"], description.column["fold"]
    description.changed("", fold=np.where(split == "train", (fold + 1) % 3, fold)).write(second.paths["description"])
    second = TaskStruct("b", second.paths)
    return first, second, MMLDataModule(first, 0, Sampling(), 0, co_structs=[second])._training_positions(second)


def test_co_task_learns_no_image_that_the_task_holds_out_in_another_data_set(tmp_path: Path, warnings: list[str]):
    first, second, learnt = beside(tmp_path, image_seed=0)
    held_out = first.samples["digest"][(first.samples["split"] == "test") | (first.samples["fold"] == 0)]
    assert not set(held_out.tolist()) & set(second.samples["digest"][learnt].tolist())
    assert 0 < len(learnt) < len(second.select("train", 0))
    assert mentions(warnings[0], "training images", "of t in fold 0", "not learned")


def test_co_task_learns_all_images_of_its_own(tmp_path: Path, warnings: list[str]):
    _, second, learnt = beside(tmp_path, image_seed=9)
    assert learnt.tolist() == second.select("train", 0).tolist()
    assert warnings == []


def test_model_that_started_from_one_that_is_gone_leaves_a_warning(tmp_path: Path):
    plan = planned({"preset": "tl", "pretrain_task": "b"}, tmp_path, tasks=TASKS)
    (run,) = plan.runs_of("mine")
    content = {**run.pipeline.content, "pretraining": {**run.pipeline.pretraining}}
    content["pretraining"]["models"] = [{"project": "gone", "task": "far", "run": "0a1b2c3d", "fold": 0}]
    guards = Guards(plan.study)
    assert list(started_from(guards, Run(Pipeline(content)))) == []
    assert list(guards.unknown) == ["far"]
