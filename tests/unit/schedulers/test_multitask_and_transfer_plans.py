"""Multi-task learning, transfer and blueprints: what is planned, what makes a run, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mml_lib.errors import MMLError
from mml_lib.models.model_selection import select_model
from mml_lib.models.model_storage import ModelStorage
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.studies.blueprints import blueprint
from tests.support.planned_studies import FAKE, TASKS, _made, planned, store, transfer, wildcards


def co_tasks(plan: AbstractBaseScheduler) -> list[list[str]]:
    return [[task["name"] for task in run.pipeline.tasks[1:]] for run in plan.runs_of("mine")]


# --- multi-task -------------------------------------------------------------------------------------------------


def test_a_network_needs_all_tasks_that_it_learns(tmp_path: Path):
    plan = planned({"multitask": True, "co_tasks": ["c", "d"]}, tmp_path)
    (run,) = plan.runs_of("mine")
    of_run = wildcards(task="mine", run=run.id, fold=0)
    assert [Path(path).parts[-2] for path in plan.study.inputs.train.descriptions(of_run)] == ["mine", "c", "d"]
    assert len(plan.study.inputs.train.packed_images(of_run)) == 3
    assert Path(plan.study.inputs.evaluate.description(of_run)).parts[-2] == "mine"
    assert set(run.pipeline.content["loss"]) == {"classification", "regression", "semantic_segmentation"}


def test_without_names_all_tasks_with_labels_are_learned_or_some_are_drawn_with_the_seed(tmp_path: Path):
    assert co_tasks(planned({"multitask": True}, tmp_path)) == [["b", "c", "d"]]
    sweep = {"seed": list(range(12))}
    drawn = co_tasks(planned({"multitask": True, "co_tasks": 2}, tmp_path, sweep=sweep))
    assert {len(set(names)) for names in drawn} == {2}
    assert {name for names in drawn for name in names} == {"b", "c", "d"}
    assert drawn == co_tasks(planned({"multitask": True, "co_tasks": 2}, tmp_path, sweep=sweep))


def test_co_tasks_and_their_weights_are_part_of_the_run(tmp_path: Path):
    modes = [
        {},
        {"multitask": True, "co_tasks": ["b"]},
        {"multitask": True, "co_tasks": ["b", "c"]},
        {"multitask": True, "co_tasks": ["c", "b"]},
        {"multitask": True, "co_tasks": ["b"], "task_weights": [1, 0.5]},
    ]
    ids = [planned(mode, tmp_path).runs_of("mine")[0].id for mode in modes]
    assert len(set(ids)) == len(modes)
    spelled_out = {"multitask": True, "co_tasks": ["b"], "task_weights": [1, 1]}
    assert planned(spelled_out, tmp_path).runs_of("mine")[0].id == ids[1]
    other_folds = {**TASKS, "b": TASKS["b"] | {"folds": 4}}
    assert planned(modes[1], tmp_path, tasks=other_folds).runs_of("mine")[0].id != ids[1]


def test_nested_networks_learn_the_co_tasks_too_and_are_tested_on_them(tmp_path: Path):
    plan = planned({"multitask": True, "co_tasks": ["c"], "nested": True, "eval_on": ["c"]}, tmp_path)
    assert [[task["name"] for task in run.pipeline.tasks] for run in plan.runs_of("mine+nested~1")] == [
        ["mine+nested~1", "c"]
    ]
    tested = [
        params["eval_task"]
        for command, params in zip(plan.commands, plan.params, strict=True)
        if command == "test_other"
    ]
    assert tested.count("c") == 3


@pytest.mark.parametrize(
    ("mode", "changes", "why"),
    [
        ({"co_tasks": ["bb"]}, {}, "mode.co_tasks: .*task 'bb'.*did you mean 'b'"),
        ({"co_tasks": ["mine"]}, {}, "mode.co_tasks: mine is the pivot itself"),
        ({"co_tasks": ["b", "b"]}, {}, "mode.co_tasks: b is named twice"),
        ({"co_tasks": ["archive"]}, {}, "mode.co_tasks: archive has no labels"),
        ({"co_tasks": []}, {}, "mode.co_tasks: no task is named"),
        ({"co_tasks": 4}, {}, "mode.co_tasks: 4 cannot.*the study has 3 other tasks with labels"),
        ({"co_tasks": ["b"], "task_weights": [1]}, {}, "mode.task_weights: 1 weights for 2 tasks; .* mine, b"),
        ({"co_tasks": ["b"], "task_weights": [1, -1]}, {}, "task_weights.1: .*than 0"),
        ({"co_tasks": ["b"], "task_weights": [1, float("inf")]}, {}, "task_weights.1: .*finite number"),
        ({"co_tasks": ["d"]}, {"decoder": None}, "decoder: the segmentation d needs one"),
        ({"co_tasks": ["c"]}, {"loss": "cross_entropy"}, r"CrossEntropyLoss is not for regression \(c\)"),
        ({}, {"pivot": {}}, "mode.multitask: .*set pivot.name"),
        ({"multitask": False, "co_tasks": ["b"]}, {}, "co_tasks mean nothing without multitask: true"),
        ({"multitask": 3}, {}, "multitask: .*boolean"),
        ({"co_tasks": ["d"], "eval_on": ["c"]}, {}, "mode.eval_on: c is a regression, mine a classification"),
    ],
)  # fmt: skip
def test_tasks_that_cannot_be_learned_together_are_refused(mode: dict, changes: dict, why: str, tmp_path: Path):
    with pytest.raises(MMLError, match=why):
        planned({"multitask": True, **mode}, tmp_path, **changes)


# --- transfer ---------------------------------------------------------------------------------------------------


def test_models_of_a_task_of_the_study_are_trained_first(tmp_path: Path):
    plan = transfer(tmp_path)
    (run,) = plan.runs_of("mine")
    (pretrained,) = plan.runs_of("b")
    of_run = wildcards(task="mine", run=run.id)
    assert plan.study.inputs.train.candidate_models(of_run) == [
        plan.study.fm.path("models", task="b", run=pretrained.id, fold=0)
    ]
    assert plan.study.inputs.train.candidate_parameters(of_run)[0].endswith(
        f"PARAMETERS/b/{pretrained.id}-fold0.safetensors"
    )
    assert plan.study.inputs.train.selection(of_run).endswith(f"SELECTIONS/mine/{run.id}.json")
    assert plan.study.inputs.train.candidate_models(wildcards(task="b", run=pretrained.id)) == []
    assert TrainedNetwork("b", pretrained.id, 0) in plan.trainings


def test_pretraining_is_that_of_the_plain_study_in_mode_train(tmp_path: Path):
    plain = planned({}, tmp_path, pivot={"name": "b"}).runs_of("b")[0].id
    assert transfer(tmp_path).runs_of("b")[0].id == plain
    longer = transfer(tmp_path, {"pretrain_with": {"trainer.max_epochs": 30}}).runs_of("b")[0]
    assert longer.id != plain
    assert longer.pipeline.content["trainer"]["max_epochs"] == 30


def test_sweep_is_about_the_task_and_all_its_runs_start_from_the_same_models(tmp_path: Path):
    plan = transfer(tmp_path, {"pretrain_cv": True}, sweep={"optimizer.lr": [0.1, 0.2]})
    first, second = (run.pipeline.pretraining["models"] for run in plan.runs_of("mine"))
    assert first == second
    assert [params["fold"] for params in first] == [0, 1, 2]


def test_backbones_of_a_sweep_each_have_a_pretraining_of_their_own(tmp_path: Path):
    plan = transfer(tmp_path, sweep={"arch.name": ["test_resnet", "test_vit"]})
    assert len(plan.runs_of("b")) == 2
    for run in plan.runs_of("mine"):
        model = run.pipeline.pretraining["models"][0]
        assert plan.study.run("b", model["run"]).pipeline.content["arch"] == run.pipeline.content["arch"]


def test_what_a_network_starts_from_is_part_of_its_run(tmp_path: Path):
    other_data = {**TASKS, "b": TASKS["b"] | {"seed": 9}}
    plans = [
        planned({}, tmp_path),
        transfer(tmp_path),
        transfer(tmp_path, {"freeze": True}),
        transfer(tmp_path, {"model_selection": "created"}),
        transfer(tmp_path, {"pretrain_cv": True}),
        transfer(tmp_path, {"pretrain_with": {"seed": 7}}),
        transfer(tmp_path, tasks=other_data),
    ]
    assert len({plan.runs_of("mine")[0].id for plan in plans}) == len(plans)


def test_models_of_another_project_are_inputs_that_no_rule_makes(tmp_path: Path):
    run = store(tmp_path, "old", planned({}, tmp_path), "b", one=0.5, two=0.9)
    plan = transfer(tmp_path, reuse={"models": "old"})
    of_run = wildcards(task="mine", run=plan.runs_of("mine")[0].id)
    folder = tmp_path / "results/old"
    assert sorted(plan.study.inputs.train.candidate_models(of_run)) == [
        f"{folder}/MODELS/b/{run}-fold{fold}.json" for fold in (0, 1)
    ]
    pinned = transfer(tmp_path, reuse={"models": [f"old#{run}"]})
    assert pinned.runs_of("mine")[0].id == plan.runs_of("mine")[0].id
    moved = folder.rename(tmp_path / "results/renamed")
    renamed = transfer(tmp_path, reuse={"models": "renamed"})
    assert renamed.runs_of("mine")[0].id == plan.runs_of("mine")[0].id, moved


def test_models_on_the_disk_serve_where_their_task_is_not_in_the_study(tmp_path: Path):
    run = store(tmp_path, "default", planned({}, tmp_path), "b", one=0.5)
    tasks = {"mine": FAKE}
    plan = transfer(tmp_path, tasks=tasks)
    assert plan.runs_of("mine")[0].pipeline.pretraining["models"] == [
        {"project": None, "task": "b", "run": run, "fold": 0}
    ]
    by_run = transfer(tmp_path, {"model_selection": run}, tasks=tasks)
    assert by_run.runs_of("mine")[0].pipeline.pretraining["model_selection"] == run
    (tmp_path / f"results/default/PARAMETERS/b/{run}-fold0.safetensors").unlink()
    with pytest.raises(MMLError, match=r"default has no model of .b. with its weights"):
        transfer(tmp_path, tasks=tasks)


@pytest.mark.parametrize(
    ("mode", "changes", "why"),
    [
        ({"pretrain_task": None}, {}, "pretrain_task: .*string"),
        ({"pretrain_task": "bb"}, {}, "mode.pretrain_task: .*'bb'"),
        ({"pretrain_task": "archive"}, {}, "mode.pretrain_task: archive has no labels"),
        ({"model_selection": "best"}, {}, "model_selection: 'best' is not a run"),
        ({"model_selection": "performence"}, {}, "did you mean 'performance'"),
        ({"model_selection": "0a1b2c3d"}, {}, "run 0a1b2c3d of task b .*study"),
        ({}, {"reuse": {"models": "nowhere"}}, "reuse.models: .*project 'nowhere' in"),
        ({}, {"reuse": {"models": "a b"}}, "reuse.models.0: 'a b'.*write it as"),
        ({"freeze": True}, {"adapters": True}, "mode.freeze: adapters change the backbone"),
        ({"freeze": True}, {"callbacks": "swa"}, "mode.freeze: callbacks.swa"),
        ({"pretrain_task": "mine+subset~0.5", "nested": True}, {}, r"has images that mine\+nested~0 holds out"),
        ({"pretrain_task": "mine+subset~0.5", "eval": ["val"]}, {}, "has the images that mine is validated on"),
        ({"pretrain_task": "mine"}, {}, "mode.pretrain_task: mine is all"),
        ({"pretrain_with": {"trainr.max_epochs": 3}}, {}, "'trainr.max_epochs' cannot be varied"),
    ],
)  # fmt: skip
def test_what_cannot_be_started_from_is_refused(mode: dict, changes: dict, why: str, tmp_path: Path):
    with pytest.raises(MMLError, match=why):
        transfer(tmp_path, mode, **changes)


def test_other_backbone_cannot_start_from_the_models_found(tmp_path: Path):
    store(tmp_path, "old", planned({}, tmp_path), "b", one=0.5)
    with pytest.raises(MMLError, match=r"arch: .*test_resnet; set arch to it"):
        transfer(tmp_path, reuse={"models": "old"}, arch={"preset": "timm", "name": "test_vit"})


def test_pretraining_on_the_same_images_is_fine_where_none_of_the_tested_ones_is_seen(tmp_path: Path):
    assert transfer(tmp_path, {"pretrain_task": "mine+subset~0.5"}).commands
    nested = {"name": "mine", "tags": "+nested~0"}
    assert transfer(tmp_path, {"pretrain_task": "mine+nested~0+subset~0.5"}, pivot=nested).commands
    with pytest.raises(MMLError, match=r"mine\+nested~1 .*mine\+nested~0 holds out"):
        transfer(tmp_path, {"pretrain_task": "mine+nested~1"}, pivot=nested)


# --- selection --------------------------------------------------------------------------------------------------


def storages(*values: float | None, metric: str = "val/accuracy") -> list[ModelStorage]:
    return [
        ModelStorage("b", "0a1b2c3d", fold, 1.0 - fold / 10, {metric: value}, 1, 0, 1.0, 1, "cpu", created=created)
        for fold, (value, created) in enumerate(zip(values, ["2026-01-03", "2026-01-01", "2026-01-02"], strict=False))
    ]


def choice(storages: list[ModelStorage], way: str, by: str = "accuracy", seed: int = 0) -> int:
    networks = [{"project": None, "task": "b", "run": "0a1b2c3d", "fold": storage.fold} for storage in storages]
    selection = select_model(networks, storages, way, by, seed)
    assert selection.why
    assert len(selection.candidates) == len(storages)
    return selection.chosen["fold"]


def test_best_model_is_told_by_the_metric_or_where_one_lacks_it_by_the_loss():
    assert choice(storages(0.5, 0.9, 0.7), "performance") == 1
    assert choice(storages(0.5, 0.9, 0.9), "0a1b2c3d") == 1
    assert choice(storages(0.5, 0.9, None), "performance") == 2
    assert choice(storages(0.5, 0.9, 0.7, metric="val/mae"), "performance", by="mae") == 0


def test_latest_model_is_told_by_its_time_and_a_random_one_by_the_seed():
    assert choice(storages(0.5, 0.9, 0.7), "created") == 0
    drawn = [choice(storages(0.5, 0.9, 0.7), "random", seed=seed) for seed in range(20)]
    assert set(drawn) == {0, 1, 2}
    assert drawn == [choice(storages(0.5, 0.9, 0.7), "random", seed=seed) for seed in range(20)]


# --- blueprints -------------------------------------------------------------------------------------------------


def keep_blueprint(folder: Path, **changes: Any) -> str:
    """Make a blueprint of the task b in the project `old`; return its run."""
    plan = planned({}, folder, pivot={"name": "b"}, sweep={"optimizer.lr": [0.1, 0.2]}, **changes)
    runs = plan.runs_of("b")
    storages = [
        ModelStorage("b", run.id, fold, 1.0, {"val/accuracy": value - fold / 10}, 1, 0, 1.0, 1, "cpu")
        for run, value in zip(runs, (0.7, 0.8), strict=True)
        for fold in (0, 1)
    ]
    text = blueprint([run.pipeline for run in runs], storages, "accuracy")
    _made(folder / "results/old/BLUEPRINTS/b/train.yaml").write_text(text)
    _made(folder / f"results/old/PIPELINES/b/{runs[0].id}.yaml").write_text(runs[0].pipeline.to_yaml())
    return runs[0].id


def test_blueprint_is_the_pipeline_with_the_best_mean_over_folds(tmp_path: Path):
    keep_blueprint(tmp_path)
    stored = yaml.safe_load((tmp_path / "results/old/BLUEPRINTS/b/train.yaml").read_text())
    assert stored["pipeline"]["optimizer"]["lr"] == 0.2
    assert stored["chosen"]["why"] == "the best mean validation accuracy (0.75) of 2 runs"


def test_another_task_is_trained_by_a_blueprint(tmp_path: Path):
    keep_blueprint(tmp_path, mixing={"mixup": 0.3}, seed=5)
    own = {"reuse": {"blueprint": "old"}, "class_weights": "balanced", "pivot": {"name": "mine"}}
    content = planned({"use_blueprint": "b"}, tmp_path, **own).runs_of("mine")[0].pipeline.content
    assert content["optimizer"]["lr"] == 0.2
    assert content["mixing"]["mixup"] == 0.3
    assert "class_weights" not in content  # which the blueprint does without
    assert content["seed"] == 42
    some = {"use_blueprint": "b", "pipeline_keys": ["optimizer", "seed"]}
    content = planned(some, tmp_path, **own).runs_of("mine")[0].pipeline.content
    assert content["optimizer"]["lr"] == 0.2
    assert content["seed"] == 5
    assert content["class_weights"] == "balanced"
    assert "mixing" not in content


def test_blueprint_of_one_run_is_picked_by_its_id_and_other_task_types_keep_their_loss(tmp_path: Path):
    run = keep_blueprint(tmp_path, loss="label_smoothing")
    plan = planned(
        {"use_blueprint": "b"}, tmp_path, reuse={"blueprint": f"old#{run}"}, pivot={"name": "c"}, metrics="default"
    )
    content = plan.runs_of("c")[0].pipeline.content
    assert content["optimizer"]["lr"] == 0.1
    assert content["loss"]["_target_"] == "torch.nn.MSELoss"


@pytest.mark.parametrize(
    ("mode", "changes", "why"),
    [
        ({"use_blueprint": "b"}, {}, "mode.use_blueprint: no project is named"),
        ({"use_blueprint": "d"}, {"reuse": {"blueprint": "old"}}, "there is no blueprint of the task d in old"),
        (
            {"use_blueprint": "b", "pipeline_keys": ["optimiser"]},
            {"reuse": {"blueprint": "old"}},
            "mode.pipeline_keys: .*section 'optimiser', did you mean 'optimizer'",
        ),
        ({"use_blueprint": "b", "pipeline_keys": []}, {}, "pipeline_keys name no section"),
        ({"pipeline_keys": ["seed"]}, {}, "pipeline_keys.*use_blueprint"),
    ],
)
def test_blueprint_that_is_not_there_is_refused(mode: dict, changes: dict, why: str, tmp_path: Path):
    keep_blueprint(tmp_path)
    with pytest.raises(MMLError, match=why):
        planned(mode, tmp_path, **changes)


def test_blueprints_are_planned_for_each_task(tmp_path: Path):
    plan = planned({"store_blueprint": True, "nested": True}, tmp_path)
    steps = [params for command, params in zip(plan.commands, plan.params, strict=True) if command == "store_blueprint"]
    assert steps == [{"task": "mine", "mode": "train"}]
    of_task = wildcards(**steps[0])
    assert len(plan.study.inputs.train.models(of_task)) == len(plan.study.inputs.train.pipelines(of_task)) == 3
