"""Transfers of a study: which procedures start from sources, and which from scratch they are compared with."""

from pathlib import Path
from typing import Any

from snakemake.iocontainers import InputFiles

from mml_lib.studies.transfers import Transfer
from tests.support.planned_studies import FAKE, planned, wildcards

TESTED = {name: FAKE | {"num_samples": 30 + 3 * number, "test_fraction": 0.3} for number, name in enumerate("abc")}
SOURCES = {"mode.pretrain_task": ["none", "a", "b", "c"]}


def plan_of(folder: Path, mode: dict[str, Any] | None = None, **changes: Any) -> Any:
    base = {"tasks": TESTED, "pivot": {}, "sweep": SOURCES}
    return planned({"preset": "tl", "cv": False, **(mode or {})}, folder, **(base | changes))


def transfers(*arguments: Any, **changes: Any) -> list[Transfer]:
    return plan_of(*arguments, **changes).questions.transfers.all


def test_each_source_of_a_sweep_is_compared_with_scratch(tmp_path: Path):
    scratch = "mode.pretrain_task=none"
    expected = [Transfer(source, "", f"mode.pretrain_task={source}", scratch) for source in "abc"]
    assert transfers(tmp_path) == expected
    assert transfers(tmp_path, repeats=3) == expected
    assert transfers(tmp_path, {"preset": "post"}) == expected


def test_settings_are_compared_with_scratch_at_the_same_values(tmp_path: Path):
    swept = transfers(tmp_path, sweep={"optimizer.lr": [0.1, 0.2], "mode.pretrain_task": ["none", "a"]})
    assert [(transfer.source, transfer.setting, transfer.scratch) for transfer in swept] == [
        ("a", f"optimizer.lr={rate}", f"optimizer.lr={rate}, mode.pretrain_task=none") for rate in (0.1, 0.2)
    ]
    variants = {"plain": {}, "flipped": {"augmentations": "flips"}}
    varied = transfers(tmp_path, variants=variants, sweep={"mode.pretrain_task": ["none", "a"]})
    assert [(transfer.source, transfer.setting, transfer.scratch.split(",")[0]) for transfer in varied] == [
        ("a", "plain", "plain"),
        ("a", "flipped", "flipped"),
    ]


def test_named_variants_are_compared_with_the_nearest_from_scratch(tmp_path: Path):
    variants = {
        "scratch": {"mode.pretrain_task": "none"},
        "long": {"mode.pretrain_task": "none", "trainer.max_epochs": 50},
        "tuned": {"mode.pretrain_task": "b"},
        "frozen": {"mode.pretrain_task": "b", "mode.freeze": True},
        "slow": {"mode.pretrain_task": "c", "optimizer.lr": 1e-5, "trainer.max_epochs": 50},
    }
    named = transfers(tmp_path, sweep={}, variants=variants)
    assert named == [
        Transfer("b", "tuned", "tuned", "scratch"),
        Transfer("b", "frozen", "frozen", "scratch"),
        Transfer("c", "", "slow", "long"),
    ]


def test_co_tasks_are_compared_with_learning_alone(tmp_path: Path):
    sweep = {"mode.co_tasks": ["none", ["a"], ["b", "c"]]}
    mode = {"preset": "train", "multitask": True}
    assert [transfer.source for transfer in transfers(tmp_path, mode, sweep=sweep)] == ["a", "b + c"]


def test_a_step_for_each_metric_reads_the_networks_of_all_targets(tmp_path: Path):
    plan = plan_of(tmp_path, metrics=["accuracy", "auroc"])
    steps = [params for command, params in plan.steps if command == "collect_transfer"]
    assert steps == [{"metric": "accuracy"}, {"metric": "auroc"}]
    inputs, step = plan.study.inputs.transfer, wildcards(metric="accuracy")
    assert len(inputs.networks(step)) == len(inputs.resampled_metrics(step)) == 3 * 3
    assert len(inputs.descriptions(step)) == 3
    assert [transfer["source"] for transfer in inputs.transfers(step)] == ["a", "b", "c"]


def test_metric_of_another_task_type_reads_the_targets_that_have_it(tmp_path: Path):
    tasks = TESTED | {"c": TESTED["c"] | {"task_type": "regression"}}
    plan = plan_of(tmp_path, tasks=tasks, metrics={"classification": ["accuracy"], "regression": ["mae"]})
    inputs = plan.study.inputs.transfer
    assert {test["task"] for test in inputs.networks(wildcards(metric="mae"))} == {"c"}
    assert {test["task"] for test in inputs.networks(wildcards(metric="accuracy"))} == {"a", "b"}


def test_without_scratch_there_are_no_gains_and_the_plan_says_so(tmp_path: Path):
    plan = plan_of(tmp_path, sweep={"mode.pretrain_task": ["a", "b"]})
    assert "collect_transfer" not in plan.commands
    assert any("add none to mode.pretrain_task" in line for line in plan.announcement)
    single = plan_of(tmp_path, {"pretrain_task": "b"}, sweep={})
    assert "collect_transfer" not in single.commands
    assert not any("gains" in line for line in single.announcement)


def test_baseline_that_does_not_train_a_task_is_left_out_there(tmp_path: Path):
    plan = plan_of(tmp_path, baseline="mode.pretrain_task=a")
    assert "compare_with_baseline" in plan.commands


def test_distances_of_this_project_and_of_reused_ones_are_read(tmp_path: Path):
    for project, measure in (("default", "mmd"), ("old", "fid")):
        path = tmp_path / f"results/{project}/DISTANCES/{measure}.csv"
        path.parent.mkdir(parents=True)
        path.write_text("source,a\nb,0.5\n")
    alone, reused = plan_of(tmp_path), plan_of(tmp_path, reuse={"distances": "old"})
    step = wildcards(metric="accuracy")
    assert alone.study.inputs.transfer.distances(step) == []
    stored = {"mmd": {"path": str(tmp_path / "results/default/DISTANCES/mmd.csv"), "sha256": ""}}
    assert alone.study.inputs.transfer.stored_distances(step) == stored
    paths = reused.study.inputs.transfer.distances(step)
    assert [Path(path).name for path in paths] == ["fid.csv"]
    files = InputFiles(fromdict={"distances": paths})
    assert reused.study.inputs.transfer.measures(step, files) == ["old: fid"]


def test_nested_folds_of_a_target_are_one_column_with_the_distances_of_their_task(tmp_path: Path):
    plan = plan_of(
        tmp_path, {"nested": True, "cv": True}, sweep={"mode.pretrain_task": ["none", "b", "c"]}, pivot={"name": "a"}
    )
    inputs, step = plan.study.inputs.transfer, wildcards(metric="accuracy")
    assert inputs.tasks(step) == {"a+nested": "a"}
    tests = inputs.networks(step)
    assert len(tests) == 3 * 3
    assert {transfer["procedure"] for transfer in inputs.transfers(step)} <= {
        name for test in tests for name in test["procedures"]
    }


def test_distances_that_the_same_plan_collects_are_read(tmp_path: Path):
    plan = plan_of(tmp_path, similarity={"distance": ["semantic", "kld"]})
    plan.study.schedulers.plan(["similarity", "tl"])
    inputs, step = plan.study.inputs.transfer, wildcards(metric="accuracy")
    paths = inputs.distances(step)
    assert [Path(path).name for path in paths] == ["kld.csv", "semantic.csv"]
    assert inputs.measures(step, InputFiles(fromdict={"distances": paths})) == ["kld", "semantic"]
    assert inputs.stored_distances(step) == {}
