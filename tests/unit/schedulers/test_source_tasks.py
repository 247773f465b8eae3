"""Networks of other tasks as answers to a task: who joins, by which predictions, and who may have seen too much."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.schedulers.base import AbstractBaseScheduler
from tests.support.planned_studies import FAKE, TASKS, planned, wildcards
from tests.support.post_studies import post, steps

PAIR = {"mine": FAKE, "b": TASKS["b"]}
OF_MINE = wildcards(task="mine", mode="post")


def pair(folder: Path, mode: dict[str, Any] | None = None, **changes: Any) -> AbstractBaseScheduler:
    """Plan mode post without a pivot: two tasks of other images."""
    return planned({"preset": "post", **(mode or {})}, folder, **{"tasks": PAIR, "pivot": {"name": None}} | changes)


def sources(plan: AbstractBaseScheduler, task: str = "mine") -> set[str]:
    members = plan.study.inputs.post.members(wildcards(task=task, mode="post"))
    return {member["task"] for member in members if "eval_task" in member}


def test_networks_of_source_tasks_are_trained_and_predict_the_pivot_fold_by_fold(tmp_path: Path):
    plan = post(tmp_path, {"source_tasks": ["b"]})
    assert sorted(step["fold"] for step in steps(plan, "train_fold") if step["task"] == "b") == [0, 1, 2]
    assert {(step["eval_task"], step["eval"]) for step in steps(plan, "predict_other")} == {
        ("mine", "test"),
        ("mine", "unlabelled"),
    }
    assert len(steps(plan, "test_other")) == 3
    assert not [step for step in steps(plan, "test_fold") if step["task"] == "b"]
    (run,) = plan.runs_of("b")
    chosen_by = plan.study.inputs.post.member_predictions(OF_MINE)
    assert [path for path in chosen_by if "/b/" in path] == [
        f"{tmp_path}/results/demo/CALIBRATED/b/{run.id}-fold{fold}/mine/val.npz".replace(
            "/demo/", f"/{plan.fm.project}/"
        )
        for fold in range(3)
    ]
    assert plan.ensemble_options("mine").strategy == "greedy"


def test_tables_tell_the_source_task(tmp_path: Path):
    plan = post(tmp_path, {"source_tasks": ["b"]}, sweep={"seed": [1, 2]})
    networks = plan.study.inputs.post.compared_networks(OF_MINE)
    assert [network["shown"]["label"] for network in networks if network["fold"] == 0] == [
        "seed=1",
        "seed=2",
        "b: seed=1",
        "b: seed=2",
    ]
    assert [Path(path).parts[-2] for path in plan.study.inputs.post.compared_predictions(OF_MINE)].count("mine") == 6
    assert all(network["calibrated"] for network in networks), "networks of other tasks too"
    assert all("/PREDICTIONS/mine/" in path for path in plan.study.inputs.post.uncalibrated_predictions(OF_MINE))
    assert [Path(path).parts[-2] for path in plan.study.inputs.post.compared_descriptions(OF_MINE)] == ["mine"]
    assert set(plan.study.inputs.report.run_labels(OF_MINE)) == {network["run"] for network in networks}
    assert {row["task"] for row in plan.study.inputs.report.runs(OF_MINE)} == {"mine", "b"}


def test_without_a_pivot_tasks_that_eval_on_names_are_answered_by_all(tmp_path: Path):
    plan = pair(tmp_path, {"eval_on": ["mine"]})
    assert sources(plan) == {"b"}
    assert sources(plan, "b") == set()
    tested = [tuple(step.values()) for step in steps(plan, "test_other")]
    assert len(tested) == len(set(tested)) == 3
    assert sources(pair(tmp_path)) == set()


def test_eval_on_goes_on_testing_what_may_not_join(tmp_path: Path):
    other_folds = PAIR | {"b": PAIR["b"] | {"folds": 4}}
    plan = pair(tmp_path, {"eval_on": ["mine"]}, tasks=other_folds)
    assert sources(plan) == set()
    assert len(steps(plan, "test_other")) == 4
    assert sources(pair(tmp_path, {"eval_on": ["mine"], "cv": False}, tasks=other_folds)) == {"b"}


def test_nested_networks_predict_what_the_pivot_holds_out_in_the_same_fold(tmp_path: Path):
    plan = post(tmp_path, {"source_tasks": ["b"], "nested": True})
    members = plan.study.inputs.post.members(wildcards(task="mine+nested~1", mode="post"))
    assert [(member["task"], member.get("eval_task")) for member in members] == [
        ("mine+nested~1", None),
        ("b+nested~1", "mine+nested~1"),
    ]
    networks = plan.study.inputs.post.compared_networks(OF_MINE)
    runs = {network["task"][0]: network["shown"]["run"] for network in networks}
    assert len(set(runs.values())) == 2, "runs of two tasks do the same, and are not the same"
    assert [network["shown"]["fold"] for network in networks] == [0, 1, 2, 0, 1, 2]
    assert {row["run"] for row in plan.study.inputs.report.runs(OF_MINE)} == set(runs.values())


def test_tags_that_keep_the_folds_may_join_the_task_that_they_are_put_on(tmp_path: Path):
    tasks = {**PAIR, "mine+subset~0.5": None}
    assert sources(post(tmp_path, {"source_tasks": ["mine+subset~0.5"]}, tasks=tasks)) == {"mine+subset~0.5"}


@pytest.mark.parametrize(
    ("mode", "changes", "why"),
    [
        ({"source_tasks": ["bb"]}, {}, "mode.source_tasks: .*task 'bb'.*did you mean 'b'"),
        ({"source_tasks": ["c"]}, {}, "mode.source_tasks: c is a regression, mine a classification"),
        ({"source_tasks": ["archive"]}, {}, "mode.source_tasks: archive is a no_task"),
        ({"source_tasks": ["b"], "multitask": True}, {}, "mode.source_tasks: .*b .*no co-tasks"),
        ({"source_tasks": ["b"], "pretrain_task": "b"}, {}, "mode.source_tasks: b is what networks start from"),
        ({"eval_on": ["mine"]}, {}, "mode.eval_on: .*mode.source_tasks"),
        (
            {"source_tasks": ["b"]},
            {"tasks": PAIR | {"b": PAIR["b"] | {"folds": 4}}},
            "mode.source_tasks: .*folds 0, 1, 2, 3,.*0, 1, 2",
        ),
        (
            {"source_tasks": ["twin"]},
            {"tasks": {**PAIR, "twin": FAKE | {"seed": 5}}},
            "mode.source_tasks: twin divides .*mine",
        ),
        (
            {"source_tasks": ["mine+redistribute~0.5"]},
            {"tasks": {**PAIR, "mine+redistribute~0.5": None}},
            r"mode.source_tasks: mine\+redistribute~0.5 (divides|has the folds)",
        ),
        (
            {"source_tasks": ["mine+subset~0.5"], "nested": True},
            {"tasks": {**PAIR, "mine+subset~0.5": None}},
            r"mode.source_tasks: mine\+subset~0.5\+nested~0 divides .*mine\+nested~0",
        ),
        (
            {"source_tasks": ["b"], "pretrain_task": "mine+subset~0.5"},
            {"tasks": {**PAIR, "mine+subset~0.5": None}},
            r"mode.source_tasks: .*b start from mine\+subset~0.5",
        ),
    ],
)
def test_who_may_not_join_is_refused(mode: dict, changes: dict, why: str, tmp_path: Path):
    with pytest.raises(MMLError, match=why):
        post(tmp_path, mode, **changes)


# --- of other projects ------------------------------------------------------------------------------------------


def predict_elsewhere(folder: Path, task: str = "b", splits: tuple[str, ...] = ("val", "test"), **changes: Any) -> str:
    """Put predictions of `mine` by networks of another task into the project `old`; return their run."""
    run = pair(folder, seed=7, **changes).runs_of(task)[0]
    for path in [f"PREDICTIONS/{task}/{run.id}-fold{fold}/mine/{split}.npz" for fold in range(3) for split in splits]:
        file = folder / "results/old" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    pipeline = folder / f"results/old/PIPELINES/{task}/{run.id}.yaml"
    pipeline.parent.mkdir(parents=True, exist_ok=True)
    pipeline.write_text(run.pipeline.to_yaml())
    return run.id


def test_networks_of_other_tasks_of_other_projects_may_join(tmp_path: Path):
    run = predict_elsewhere(tmp_path)
    plan = pair(tmp_path, reuse={"predictions": "old"}, pivot={"name": "mine"})
    reused = [member for member in plan.study.inputs.post.members(OF_MINE) if "project" in member]
    assert [(member["task"], member["run"], member["eval_task"]) for member in reused] == [("b", run, "mine")] * 3
    paths = plan.study.inputs.post.member_predictions(wildcards(task="mine", mode="post", eval="test"))
    assert f"{tmp_path}/results/old/PREDICTIONS/b/{run}-fold1/mine/test.npz" in paths


def test_images_that_networks_of_other_projects_have_learned_are_compared(tmp_path: Path):
    predict_elsewhere(tmp_path)
    plan = pair(tmp_path, reuse={"predictions": "old"}, pivot={"name": "mine"})
    (guard,) = plan.guards.guards
    assert (guard.learned[0], guard.tested[0], guard.parts) == ("b", "mine", ("test", "fold"))
    assert guard.key == "reuse.predictions"
    assert not plan.guards.unknown


def test_images_of_a_task_that_is_not_here_are_said_to_be_unknown(tmp_path: Path):
    predict_elsewhere(tmp_path)
    alone = {"mine": PAIR["mine"]}
    plan = pair(tmp_path, reuse={"predictions": "old"}, tasks=alone)
    assert (plan.guards.guards, list(plan.guards.unknown)) == ([], ["b"])
    assert "warning: the data sets of b are not here" in plan.study.overview()
    manifest = Path(plan.fm.path("dataset", dataset=predicted_on(plan)))
    manifest.parent.mkdir(parents=True)
    manifest.touch()
    plan = pair(tmp_path, reuse={"predictions": "old"}, tasks=alone)
    (description, _) = plan.study.inputs.train.guarded_descriptions(wildcards(sha256=plan.guards.sha256))
    name, file = Path(description).parts[-2:]
    assert plan.study.inputs.tasks.definition(wildcards(task=name, task_id=file.removesuffix(".json")))["name"] == "b"


def predicted_on(plan: AbstractBaseScheduler) -> str:
    """The data set of the task `b` of another project."""
    (network,) = [member for member in plan.study.inputs.post.members(OF_MINE) if "project" in member][:1]
    return plan.study.runs.read(network["task"], network["run"], network["project"]).pipeline.task["dataset"]


def test_networks_of_other_projects_that_may_have_seen_held_out_samples_may_not(tmp_path: Path):
    twins = {**PAIR, "twin": FAKE | {"seed": 5}}
    predict_elsewhere(tmp_path, "twin", tasks=twins)
    with pytest.raises(MMLError, match=r"reuse.predictions: old has none .*twin divides the images of mine"):
        pair(tmp_path, reuse={"predictions": "old"}, pivot={"name": "mine"})
