"""Reuse: what other projects bring, how it is told apart from own outputs, and what is refused."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mml_lib.config.sections import Reuse
from mml_lib.errors import MMLError
from mml_lib.files.checksums import damaged
from mml_lib.files.manager import MMLFileManager
from mml_lib.pipelines.pipeline import Pipeline
from tests.support.planned_studies import planned, store, transfer, wildcards
from tests.support.small_projects import small_project, small_study, write
from tests.support.steps import training_step

RUN, OTHER = "0a1b2c3d", "1a1b2c3d"


@pytest.fixture(autouse=True)
def own_keys() -> Iterator[None]:
    """A plugin's artefacts: of a task and run, and of whole projects."""
    before = dict(MMLFileManager._templates)
    MMLFileManager.clear_instance()
    MMLFileManager.add_assignment_path("heatmaps", "PROJ_PATH/HEATMAPS/TASK_NAME/RUN-foldFOLD.npz", reusable=True)
    MMLFileManager.add_assignment_path("vocabulary", "PROJ_PATH/VOCABULARY/FILE_NAME.txt", reusable=True)
    MMLFileManager.add_assignment_path("value_range", "PROJ_PATH/RANGE/range.txt", reusable=True)
    yield
    MMLFileManager.clear_instance()
    MMLFileManager._templates = before


def manager(folder: Path, **reuse: str | list[str]) -> MMLFileManager:
    MMLFileManager.clear_instance()
    return MMLFileManager(
        folder / "data", folder / "results", "mine", {"heatmaps": True}, Reuse.model_validate(reuse).references
    )


def heatmap(folder: Path, project: str, run: str, task: str = "lesions", fold: int = 0, age: int = 0) -> Path:
    path = write(folder / f"results/{project}/HEATMAPS/{task}/{run}-fold{fold}.npz", "")
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def test_files_come_project_by_project_the_latest_last(tmp_path: Path):
    new, old = heatmap(tmp_path, "a", RUN, age=1), heatmap(tmp_path, "a", OTHER, age=9)
    oldest = heatmap(tmp_path, "b", RUN, age=99)
    assert manager(tmp_path, heatmaps=["a", "b"]).reusables.paths("heatmaps") == [old, new, oldest]
    assert manager(tmp_path, heatmaps=["b", "a"]).reusables.paths("heatmaps") == [oldest, old, new]
    assert manager(tmp_path, heatmaps=f"a#{RUN}").reusables.paths("heatmaps") == [new]
    assert manager(tmp_path).reusables.paths("heatmaps") == []


def test_files_of_a_task_are_told_from_those_of_others_and_of_none(tmp_path: Path):
    ours = heatmap(tmp_path, "a", RUN)
    heatmap(tmp_path, "a", RUN, task="vessels")
    words = write(tmp_path / "results/a/VOCABULARY/words.txt", "x")
    range_ = write(tmp_path / "results/a/RANGE/range.txt", "x")
    reusables = manager(tmp_path, heatmaps="a", vocabulary="a", value_range="a").reusables
    reusables.check()
    assert reusables.paths("value_range") == [range_]
    of_task = reusables.of_task("lesions")
    assert (of_task["heatmaps"], of_task["models"]) == ([ours], [])
    assert reusables.paths("vocabulary") == [words]
    with pytest.raises(MMLError, match=r"reusable 'heatmap'.*did you mean 'heatmaps'"):
        of_task["heatmap"]
    with pytest.raises(MMLError, match="no reusable 'vocabulary' of tasks"):
        of_task["vocabulary"]
    with pytest.raises(MMLError, match="vocabulary have no 'task'"):
        reusables.paths("vocabulary", task="lesions")


def test_a_blueprint_of_a_run_is_its_pipeline(tmp_path: Path):
    pipeline = write(tmp_path / f"results/a/PIPELINES/lesions/{RUN}.yaml", "")
    made = write(tmp_path / "results/a/BLUEPRINTS/lesions/train.yaml", "")
    assert manager(tmp_path, blueprint="a").reusables.paths("blueprint") == [made]
    assert manager(tmp_path, blueprint=f"a#{RUN}").reusables.paths("blueprint") == [pipeline]


@pytest.mark.parametrize(
    ("reuse", "why"),
    [
        ({"heatmap": "a"}, "reuse.heatmap: .*key 'heatmap', did you mean 'heatmaps'.*known:"),
        ({"history": "a"}, "reuse.history: .*'history' cannot.*known: .*predictions"),
        ({"heatmaps": "zz"}, "reuse.heatmaps: .*project 'zz' in .*results; known: a, base1, base2"),
        (
            {"heatmaps": "base3"},
            r"reuse.heatmaps: .*project 'base3' in .*did you mean 'base2'\?.*base1, base2\)",
        ),
        (
            {"parameters": "a"},
            "parameters: .*it has heatmaps, vocabulary; parameters are in base1",
        ),
        (
            {"heatmaps": "base2"},
            "the project base2 has no heatmaps; it has nothing that can be reused; heatmaps are in a",
        ),
        (
            {"heatmaps": f"a#{OTHER}"},
            rf"the project a has no heatmaps of a run '{OTHER}', did you mean '{RUN}'\? \(known: {RUN}\)",
        ),
        ({"vocabulary": f"a#{RUN}"}, "reuse.vocabulary: .*runs; name the project only, a"),
    ],
)
def test_what_is_not_there_is_refused_with_a_list_of_what_is(reuse: dict[str, str], why: str, tmp_path: Path):
    heatmap(tmp_path, "a", RUN)
    write(tmp_path / "results/a/VOCABULARY/words.txt", "x")
    write(tmp_path / f"results/base1/PARAMETERS/lesions/{RUN}-fold0.safetensors", "")
    (tmp_path / "results/base2").mkdir()
    with pytest.raises(MMLError, match=why):
        manager(tmp_path, **reuse).reusables.check()


def test_it_is_refused_while_planning(tmp_path: Path):
    write(tmp_path / f"results/old/MODELS/b/{RUN}-fold0.json", "{}")
    with pytest.raises(MMLError, match=r"reuse.parameters: .*it has models"):
        planned({}, tmp_path, reuse={"parameters": "old"})


@pytest.mark.parametrize("path", ["DATA_PATH/WORDS/FILE_NAME.txt", "TEMP_PATH/FILE_NAME.txt"])
def test_only_what_stays_in_a_project_can_be_reusable(path: str):
    with pytest.raises(MMLError, match="reusable artefacts must be below PROJ_PATH"):
        MMLFileManager.add_assignment_path("words", path, reusable=True)


def test_a_project_that_names_itself_reads_what_its_rules_neither_make_nor_remove(tmp_path: Path):
    there = heatmap(tmp_path, "mine", RUN)
    fm = manager(tmp_path, heatmaps="mine")
    (spelled,) = fm.reusables.inputs("heatmaps", task="lesions")
    assert os.path.samefile(spelled, there)
    assert spelled != fm.path("heatmaps", task="lesions", run=RUN, fold=0)
    assert fm.template("heatmaps").read(spelled.removeprefix(f"{fm.proj_path}/")) is None


def test_rules_and_structs_are_given_the_same_files(tmp_path: Path):
    project = small_project(tmp_path)
    run = project.runs[0.1]
    study = small_study(tmp_path, project="later", reuse={"models": "demo", "parameters": f"demo#{run}"})
    step = training_step(study.config, {"task": study.tasks.description_path("shapes")}, task="shapes")
    step.cfg, step.pipeline = study.cfg, Pipeline({})
    of_step = wildcards(task="shapes", run="none")
    reused = step.get_struct().reused
    assert len(reused["models"]) == 4
    by_rule = [Path(path) for path in study.inputs.reused("models")(of_step)]
    assert by_rule == reused["models"] == step.reused("models")
    assert {path.name for path in reused["parameters"]} == {f"{run}-fold0.safetensors", f"{run}-fold1.safetensors"}
    assert reused["predictions"] == []


def test_a_copied_project_gives_the_same_runs_whatever_the_times_of_its_files(tmp_path: Path):
    run = store(tmp_path, "old", planned({}, tmp_path), "b", one=0.5, two=0.9)
    before = transfer(tmp_path, reuse={"models": "old"}).runs_of("mine")[0]
    models = tmp_path / f"results/old/MODELS/b/{run}-fold0.json", tmp_path / f"results/old/MODELS/b/{run}-fold1.json"
    for age, path in enumerate(models):
        os.utime(path, (1e9 - age, 1e9 - age))
    assert transfer(tmp_path, reuse={"models": "old"}).runs_of("mine")[0].id == before.id


def test_a_run_whose_models_were_listed_by_time_stays_the_same(tmp_path: Path):
    run = store(tmp_path, "old", planned({}, tmp_path), "b", one=0.5, two=0.9)
    os.utime(tmp_path / f"results/old/MODELS/b/{run}-fold0.json", (2e9, 2e9))
    plan = transfer(tmp_path, reuse={"models": "old"})
    new = plan.runs_of("mine")[0]
    content = {**new.pipeline.content, "pretraining": {**new.pipeline.pretraining}}
    content["pretraining"]["models"] = content["pretraining"]["models"][::-1]
    by_time = type(new.pipeline)(content)
    write(tmp_path / f"results/default/PIPELINES/mine/{by_time.run}.yaml", by_time.to_yaml())
    assert new.id != by_time.run == transfer(tmp_path, reuse={"models": "old"}).runs_of("mine")[0].id


def test_a_damaged_file_of_another_project_is_made_again_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    there = heatmap(tmp_path, "a", RUN)
    monkeypatch.setenv("MML_COMMAND", "")
    monkeypatch.setenv("MML_PROJECT", str(manager(tmp_path, heatmaps="a").proj_path))
    assert "make it again in the project a, by a study of it" in str(damaged(there, "cut"))
    assert "make it again by: snakemake" in str(damaged(heatmap(tmp_path, "mine", RUN), "cut"))
