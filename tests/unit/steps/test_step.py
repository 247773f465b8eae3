"""A step: what it parses of the study, which files of tasks it has, and whose hooks it calls."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from mml_lib.config.loading import project_folder
from mml_lib.errors import MMLError
from mml_lib.models.model_selection import Selection
from mml_lib.pipelines import pipeline as pipelines
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.pipelines.step_hooks import StepHooks
from mml_lib.schedulers.train import TrainScheduler
from mml_lib.steps import step as steps
from mml_lib.steps.planned_code import check_planned_code
from mml_lib.steps.step import Step
from mml_lib.studies.study import Study
from tests.support.small_projects import small_study
from tests.support.steps import Paths, training_step


def count_parsing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the name of a module whenever it parses a config; forbid to build a study."""
    names: list[str] = []

    def counted(module):
        parse, name = module.load_study, module.__name__
        monkeypatch.setattr(module, "load_study", lambda *arguments: names.append(name) or parse(*arguments))

    counted(steps)
    counted(pipelines)
    monkeypatch.setattr(Study, "__init__", lambda *_: pytest.fail("a study is built"))
    return names


def test_a_light_step_parses_no_config_until_it_is_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    study = small_study(tmp_path)
    sections = {name: Paths() for name in ("input", "output", "params")}
    parsed = count_parsing(monkeypatch)
    wildcards = Paths(mode="post", fold="1")
    step = Step(SimpleNamespace(rule="summarize", config=study.config, threads=1, wildcards=wildcards, **sections))
    assert (step.mode, step.fold, type(step.hooks)) == ("post", 1, StepHooks)
    assert parsed == []
    assert step.fm.project == step.cfg.project == "demo"
    assert parsed == ["mml_lib.steps.step"]


def test_a_training_step_parses_its_config_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    study = small_study(tmp_path)
    run = study.scheduler("train").runs_of("shapes")[1]
    path = tmp_path / f"{run.id}.yaml"
    path.write_text(run.pipeline.to_yaml())
    parsed = count_parsing(monkeypatch)
    step = training_step(study.config, {"pipeline": path}, task="shapes", run=run.id, fold="0")
    check_planned_code(step)
    assert step.cfg.optimizer.spec()["lr"] == run.pipeline.content["optimizer"]["lr"] == 0.2
    assert (step.fm.project, step.pivot, type(step.hooks)) == ("demo", None, StepHooks)
    assert parsed == ["mml_lib.pipelines.pipeline"]


@pytest.mark.parametrize("changes", [{}, {"project": "later"}, {"project": 2024}, {"paths": {"results": "elsewhere"}}])
def test_the_project_of_a_step_is_known_without_its_config(tmp_path: Path, changes: dict):
    config = small_study(tmp_path).config
    config |= {**changes, "paths": {**config["paths"], **changes.get("paths", {})}}
    assert project_folder(config) == Study(config).fm.proj_path


STATE = """
from mml_lib.schedulers.train import TrainScheduler

def after_preparation_hook(self, step):
    self.prepared = True

TrainScheduler.after_preparation_hook = after_preparation_hook
"""


def test_hooks_that_a_plugin_gives_a_scheduler_are_called_and_share_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plugin = tmp_path / "own_state.py"
    plugin.write_text(STATE)
    monkeypatch.setattr(TrainScheduler, "after_preparation_hook", StepHooks.after_preparation_hook)
    step = training_step(small_study(tmp_path, plugins=[str(plugin)]).config)
    step.hooks.after_preparation_hook(step)
    assert step.open_study().scheduler("train").prepared


def learned(*names: str) -> Pipeline:
    """Return a pipeline of tasks; `a` and `b` share their images."""
    tasks = [{"name": name, "dataset": "d" if name in "ab" else name, "pack": "p"} for name in names]
    return Pipeline({"task": tasks[0], "multitask": {"co_tasks": tasks[1:]}})


def test_tasks_of_a_training_have_the_files_that_its_rule_declares(tmp_path: Path):
    files = {"tasks": ["x/a.json", "x/b.json", "x/c.json"], "images": ["x/d-p", "x/c-p"]}
    params = {"datasets": ["x/d.json", "x/c.json"]}
    step = training_step(small_study(tmp_path).config, files, params=params, task="a")
    step.pipeline = learned("a", "b", "c")
    paths = {name: {key: str(path) for key, path in step.get_struct(name).paths.items()} for name in "abc"}
    assert paths["a"] == {"description": "x/a.json", "packed": "x/d-p", "dataset": "x/d.json"}
    assert paths["b"] == {**paths["a"], "description": "x/b.json"}
    assert paths["c"] == {"description": "x/c.json", "packed": "x/c-p", "dataset": "x/c.json"}
    with pytest.raises(MMLError, match="rule train_fold declares no description of the task 'e'"):
        step.get_struct("e")


def test_a_training_starts_from_the_selected_model_whose_project_may_have_another_name_now(tmp_path: Path):
    models = [{"project": "old", "task": "a", "run": "0a1b2c3d", "fold": fold} for fold in (0, 1)]
    candidates = [{**model, "project": "new"} for model in models]
    Selection(models[1], "the best", models).write(tmp_path / "selection.json")
    files = {"pretrained": ["x/fold0.safetensors", "x/fold1.safetensors"]}
    step = training_step(small_study(tmp_path).config, files, params={"candidates": candidates}, task="b")
    step.pipeline = Pipeline({"pretraining": {"models": models}})
    assert step.pretrained(tmp_path / "selection.json") == Path("x/fold1.safetensors")
    assert step.started_from.chosen == candidates[1]
    assert step.pretrained([]) is None


def test_images_of_a_prediction_are_those_of_the_predicted_task(tmp_path: Path):
    files = {"task": "x/a.json", "eval_task": "x/e.json", "images": "x/e-p"}
    step = training_step(small_study(tmp_path).config, files, task="a", eval_task="e")
    step.pipeline = learned("a")
    assert step.get_struct().paths == {"description": Path("x/a.json")}
    assert step.get_struct("e").paths == {"description": Path("x/e.json"), "packed": Path("x/e-p")}


def test_a_task_without_a_declared_description_is_refused_with_the_input_to_declare(tmp_path: Path):
    step = training_step(small_study(tmp_path).config, {"images": "x/a-p"}, task="a")
    with pytest.raises(MMLError, match=r"task 'a'; declare it .*inputs\.evaluate\.description"):
        step.get_struct()


@pytest.mark.parametrize(("params", "boards"), [({}, 0), ({"tensorboard": "TENSORBOARD"}, 1)])
def test_a_trainer_writes_to_tensorboard_where_the_rule_declares_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, params: dict[str, str], boards: int
):
    from mml_lib.training import trainer
    from mml_lib.training.watching import Board

    monkeypatch.setattr(trainer, "build_trainer", lambda cfg, checkpoints, arguments, watching: watching)
    study = small_study(tmp_path, tensorboard=True)
    run = study.scheduler("train").runs_of("shapes")[0]
    step = training_step(study.config, params={"checkpoints": "CHECKPOINTS", **params}, task="shapes", fold="0")
    step.pipeline = run.pipeline
    assert [type(callback) for callback in step.create_trainer()] == [Board] * boards
