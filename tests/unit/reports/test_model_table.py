"""Models that lie in a project, and what makes a run: the table, when it is refreshed, and explanations."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mml_lib.errors import MMLError
from mml_lib.models.model_files import stored_models
from mml_lib.pipelines.differences import NOT_SET, differences, flatten, varying
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.reports.model_table import add_labels, as_text, read_models
from mml_lib.studies.project_models import FOREIGN, OWN, explanation_text
from mml_lib.studies.study import Study
from tests.support.messages import mentions
from tests.support.small_projects import Project, small_project, small_study, write


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path)


def table_of(project: Project) -> pd.DataFrame:
    return add_labels(read_models(stored_models(project.study.fm))[0], project.study.project_models.labels(), FOREIGN)


def row_of(project: Project, rate: float, fold: int) -> dict[str, Any]:
    table = table_of(project)
    (row,) = table[(table["run"] == project.runs[rate]) & (table["fold"] == fold)].to_dict("records")
    return row


def explanation(study: Study, run: str) -> dict[str, Any]:
    return study.project_models.explanation(run)


# --- the table ----------------------------------------------------------------------------------------------------


def test_table_has_what_is_known_of_each_model(project: Project):
    row = row_of(project, 0.1, 1)
    assert (row["task"], row["performance"], row["val/accuracy"], row["epochs"]) == ("shapes", 0, 1, 3)
    assert (row["training_time"], row["created"]) == (61.2, "2026-01-02 03:04:05")
    assert not {"val/loss", "train/loss"} & row.keys()
    assert (row["weights"], row["history"], row["checkpoint"]) == (True, True, False)
    assert row["label"] == "optimizer.lr=0.1"
    assert len(table_of(project)) == 4


def test_table_says_what_is_still_on_the_disk(project: Project):
    before = row_of(project, 0.1, 0)
    project.path("parameters").unlink()
    project.path("history").unlink()
    write(project.path("checkpoint") / "epoch=000001.ckpt", "c" * 5_000_000)
    project.path("predictions", eval="unlabelled").unlink()
    write(project.path("other_predictions", eval_task="others", eval="test"), "p" * 2_000_000)
    row = row_of(project, 0.1, 0)
    assert (row["weights"], row["history"], row["checkpoint"]) == (False, False, True)
    assert row["predictions"] == "others/test test"
    assert row["size_mb"] == pytest.approx(7 + before["size_mb"], abs=0.01)
    assert row_of(project, 0.1, 1)["weights"], "the others are as they were"


def test_models_that_no_study_plans_are_listed(project: Project):
    other = small_study(project.root.parent, sweep={}, optimizer={"preset": "adamw", "lr": 0.2})
    labels = Project(other, project.runs)
    assert {row_of(labels, rate, 0)["label"] for rate in project.runs} == {FOREIGN, OWN}
    assert row_of(labels, 0.2, 0)["label"] == OWN


def test_labels_are_those_of_the_mode_of_the_study(tmp_path: Path):
    nested = {"mode": {"preset": "train", "nested": True}}
    labels = small_study(tmp_path, **nested).project_models.labels()
    assert {"shapes", "shapes+nested~0", "shapes+nested~1"} == labels.keys()
    assert set(labels["shapes+nested~1"].values()) == {"optimizer.lr=0.1", "optimizer.lr=0.2"}


def test_damaged_model_is_told_of_and_the_others_are_listed(project: Project):
    project.path("models").write_text("{}")
    table, problems = read_models(stored_models(project.study.fm))
    assert len(table) == 3
    assert re.search(r"MODELS/shapes/.*-fold0\.json is damaged", "".join(problems))


def test_text_of_the_table_is_short(project: Project):
    project.path("parameters").unlink()
    table = table_of(project)
    first, *_, last = as_text(table).splitlines()
    assert first.split() == ["task", "run", "fold", "label", "loss", "metric", "epochs", "time", "MB", "on", "disk"]
    assert "accuracy 0.5000" in last
    assert last.split()[-3:] == ["weights", "predictions", "history"]
    assert len([line for line in as_text(table).splitlines() if "weights" in line]) == 3
    many = as_text(pd.concat([table] * 30, ignore_index=True)).splitlines()
    assert (len(many), many[-1]) == (102, "… and 20 more models")


def test_project_without_models_has_an_empty_table(tmp_path: Path):
    table, _ = read_models(stored_models(small_study(tmp_path).fm))
    assert table.empty
    assert as_text(add_labels(table, {}, FOREIGN)) == "this project has no models yet"


# --- when it is made again ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["models", "parameters", "predictions", "history"])
def test_state_changes_when_something_goes_and_when_it_comes_back(project: Project, key: str):
    state = project.study.inputs.info.model_files_state
    before = state(None)
    assert state(None) == before
    path = project.path(key, **({"eval": "test"} if key == "predictions" else {}))
    content = path.read_bytes()
    path.unlink()
    assert state(None) != before
    path.write_bytes(content)
    assert state(None) == before


def test_folders_are_those_that_models_lie_in(project: Project):
    (project.root / "demo/MODELS/empty").mkdir()
    assert project.study.inputs.info.model_folders(None) == [str(project.root / "demo/MODELS/shapes")]


def test_mode_info_lists_models_and_trains_none(project: Project):
    plan = project.study.scheduler("info")
    assert plan.commands == ["create_task", "draw_task", "list_tasks", "list_models", "list_resources"]


# --- differences --------------------------------------------------------------------------------------------------


def test_nested_keys_are_dotted_and_mappings_in_lists_numbered():
    content = {"a": {"b": {"c": 1}, "d": [1, 2]}, "e": [{"f": 2}, {"f": 3}], "g": {}, "h": None}
    assert flatten(content) == {"a.b.c": 1, "a.d": [1, 2], "e.0.f": 2, "e.1.f": 3, "h": None}


def test_differences_have_both_values():
    one, other = {"a": {"b": 1, "c": 2}, "d": True, "e": {}}, {"a": {"b": 1, "c": 3}, "d": 1, "f": {"g": None}}
    assert differences(one, other) == {"a.c": (2, 3), "d": (True, 1), "f.g": (NOT_SET, None)}
    assert varying([one, one, other]) == ["a.c", "d", "f.g"]
    assert varying([one]) == []


# --- which run is meant -------------------------------------------------------------------------------------------


def test_run_of_the_study_or_of_the_disk_is_found(project: Project):
    study = small_study(project.root.parent, sweep={}, optimizer={"preset": "adamw", "lr": 0.4})
    (planned,) = study.scheduler("train").runs_of("shapes")
    assert study.project_models.find(planned.id) == ("shapes", planned.id), "its pipeline is not written yet"
    assert study.project_models.find(project.runs[0.1]) == ("shapes", project.runs[0.1])


def test_unknown_run_is_refused_with_the_nearest_ones(tmp_path: Path):
    sweep = {"seed": list(range(9))}
    first, *_ = [run.id for run in small_study(tmp_path, sweep=sweep).scheduler("train").runs_of("shapes")]
    near = first[:-1] + ("0" if first[-1] != "0" else "1")
    with pytest.raises(MMLError) as error:
        small_study(tmp_path, mode="info", sweep=sweep, run=near).check()
    assert f"run: there is no run '{near}' in the study or in " in str(error.value)
    assert "PIPELINES" in str(error.value)
    assert f"the nearest known: {first}" in str(error.value)
    with pytest.raises(MMLError, match=r"no run '00000012' .*the nearest known: "):
        small_study(tmp_path, sweep=sweep).project_models.find("00000012")


@pytest.mark.parametrize("run", ["hallo", "3F9AC21B", "3f9ac21", True, ["3f9ac21b"]])
def test_what_is_no_run_id_is_refused(tmp_path: Path, run: Any):
    with pytest.raises(
        MMLError, match=r"run: (.* is not a run id, which has 8 hexadecimal|true is not text|input should be)"
    ):
        small_study(tmp_path, run=run)


@pytest.mark.parametrize("content", ["", "[]", "version: 1", "{"])
def test_damaged_pipeline_is_told_of_while_planning(project: Project, content: str):
    write(project.path("pipeline", run="0" * 8), content)
    with pytest.raises(MMLError, match=r"00000000\.yaml is (damaged|not valid YAML)"):
        small_study(project.root.parent, mode="info", run="0" * 8).check()


# --- explanations -------------------------------------------------------------------------------------------------


def test_run_is_told_apart_from_each_run_of_the_study_the_nearest_first(project: Project):
    study = small_study(
        project.root.parent,
        sweep={},
        variants={
            "far": {"optimizer.lr": 0.3, "seed": 1},
            "near": {"optimizer.lr": 0.3},
            "same": {"optimizer.lr": 0.2},
        },
    )
    run = project.runs[0.1]
    explained = explanation(study, run)
    assert (explained["run"], explained["task"], explained["label"]) == (run, "shapes", FOREIGN)
    assert explained["pipeline"] == Pipeline.read(project.path("pipeline")).content
    assert [difference["label"] for difference in explained["differences"]] == ["near", "same", "far"]
    near = explained["differences"][0]
    assert near["keys"] == {"optimizer.lr": {run: 0.1, near["from"]: 0.3}}
    text = explanation_text(explained)
    assert f"run {run} of shapes: of no study here" in text
    assert "    lr: 0.1" not in text.split("it differs")[1], "the pipeline stands before the differences"
    assert f"it differs from the study's run {near['from']} (near) in\n  optimizer.lr  0.1 instead of 0.3" in text


def test_run_of_the_study_is_told_apart_from_the_others(project: Project):
    explained = explanation(project.study, project.runs[0.2])
    assert explained["label"] == "optimizer.lr=0.2"
    assert [difference["from"] for difference in explained["differences"]] == [project.runs[0.1]]


def test_run_of_a_task_that_the_study_does_not_have_is_explained_alone(project: Project):
    study = small_study(project.root.parent, tasks={"other": {"creator": "fake"}})
    explained = explanation(study, project.runs[0.1])
    assert (explained["task"], explained["differences"]) == ("shapes", [])
    assert "the study has no other run of shapes" in explanation_text(explained)


def test_terminal_is_shown_the_nearest_runs_only(tmp_path: Path):
    study = small_study(tmp_path, sweep={"seed": list(range(9))})
    explained = explanation(study, study.scheduler("train").runs_of("shapes")[0].id)
    assert len(explained["differences"]) == 8
    assert explanation_text(explained).count("it differs from") == 5
    assert explanation_text(explained).endswith("… and from 3 more runs of the study, in the file")


def test_naming_a_run_plans_its_explanation_and_nothing_else(project: Project):
    run = project.runs[0.1]
    study = small_study(project.root.parent, mode="info", run=run)
    assert study.scheduler("info").commands == ["describe_run"]
    assert study.scheduler("info").params == [{"run": run}]
    assert f"run {run} of shapes is explained in {project.root}/demo/INFO/run-{run}.yaml" in study.overview()


def test_other_modes_say_that_they_have_no_use_for_a_run(tmp_path: Path):
    plain, named = small_study(tmp_path).overview(), small_study(tmp_path, run="3f9ac21b").overview()
    assert named.startswith(plain)
    (line,) = named.removeprefix(plain).strip().splitlines()
    assert mentions(line, "run: ", "mode train", "; snakemake info --config run=3f9ac21b")
