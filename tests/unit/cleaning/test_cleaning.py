"""Cleaning up: what no study uses is found and removed; what a study may need is not."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mml_lib.cleaning.removal import Cleaning
from mml_lib.files.atomic import part_of
from mml_lib.files.checksums import checksum_path, seal
from mml_lib.files.formats import FORMATS
from mml_lib.files.manager import MMLFileManager
from mml_lib.files.records import record_study
from mml_lib.images.surveying import survey_images
from mml_lib.machine.locks import lock_project, share_data
from mml_lib.reports.unused_table import Unused, as_csv, as_text
from mml_lib.search.trials import Trial, TrialRecord
from mml_lib.studies.study import Study
from mml_lib.tasks.creators.creator_registry import create
from tests.support.messages import mentions
from tests.support.small_projects import Project, small_project, small_study, write

ONE_RUN = {"sweep": {"optimizer.lr": [0.1]}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of two runs, recorded with a study file that now plans one of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    made = small_project(tmp_path)
    save(made.study, **ONE_RUN)
    record_study(made.study.fm.record_path, ["study.yaml"], {})
    MMLFileManager.clear_instance()
    return made


def save(study: Study, name: str = "study.yaml", **changes: Any) -> None:
    Path(name).write_text(yaml.safe_dump(study.config | changes))


def clean(folder: Path, force: bool = False, **changes: Any) -> tuple[list[Unused], list[str]]:
    changes = ONE_RUN | changes
    changes["clean"] = {"studies": []} | changes.get("clean", {})
    cleaning = Cleaning(small_study(folder, **changes))
    with cleaning.hold_idle() as idle:
        artefacts, problems = cleaning.find(idle)
        if force:
            cleaning.remove(artefacts)
    return artefacts, problems


def states(artefacts: list[Unused], **about: str) -> dict[str, str]:
    """Return the state of unused artefacts, by key."""
    return {
        artefact.key: artefact.state
        for artefact in artefacts
        if all(getattr(artefact, key) == it for key, it in about.items())
    }


def test_run_of_no_study_goes_and_its_pipeline_and_all_other_runs_stay(project: Project, tmp_path: Path):
    unused = project.path("parameters", run=project.runs[0.2])
    seal(unused)
    artefacts, problems = clean(tmp_path)
    assert problems == []
    keys = ("metrics", "models", "history", "parameters", "predictions")
    assert states(artefacts) == dict.fromkeys(keys, "removable")
    assert {artefact.run for artefact in artefacts} == {project.runs[0.2]}
    (weights,) = (artefact for artefact in artefacts if artefact.key == "parameters")
    assert weights.size == 2000
    assert unused.exists(), "it is only shown"
    assert artefacts[0].key == "metrics", "what makes a run pass for whole goes first"

    artefacts, _ = clean(tmp_path, force=True)
    assert set(states(artefacts).values()) == {"removed"}
    left = [path for path in (tmp_path / "results").rglob("*") if project.runs[0.2] in path.name]
    assert left == [project.path("pipeline", run=project.runs[0.2])]
    assert project.path("parameters").exists()
    assert project.path("models", fold=1).exists()
    assert clean(tmp_path)[0] == []


def test_networks_of_trials_stay_while_a_study_has_their_search(project: Project, tmp_path: Path):
    space = {"optimizer.lr": {"low": 0.01, "high": 1.0}}
    changes = {"sweep": {}, "search": {"space": space, "objective": "loss", "trials": 2}}
    study = small_study(tmp_path, **changes)
    (search,) = study.searches.of_task("shapes")
    trial = Trial(TrialRecord(1, {"optimizer.lr": 0.2}, project.runs[0.2]), {}, [])
    path = Path(study.fm.path("trial", task="shapes", search=search.id, number=1))
    path.parent.mkdir(parents=True)
    trial.write(path)
    save(study, **changes)
    MMLFileManager.clear_instance()
    artefacts, problems = clean(tmp_path, **changes)
    assert problems == []
    assert project.runs[0.2] not in {artefact.run for artefact in artefacts}
    assert project.runs[0.1] in {artefact.run for artefact in artefacts}


def test_pipelines_go_on_demand(project: Project, tmp_path: Path):
    clean(tmp_path, force=True, clean={"pipelines": True})
    assert not project.path("pipeline", run=project.runs[0.2]).exists()
    assert project.path("pipeline").exists()


def test_results_stay_where_a_study_that_ran_there_is_gone_until_their_project_is_named(
    project: Project, tmp_path: Path
):
    (tmp_path / "study.yaml").unlink()
    artefacts, problems = clean(tmp_path, force=True)
    assert problems == []
    assert set(states(artefacts).values()) == {"kept"}
    assert mentions(artefacts[0].kept, "study.yaml", "demo", "cannot be planned")
    artefacts, _ = clean(tmp_path, clean={"projects": ["demo"]})
    assert set(states(artefacts).values()) == {"removable"}


def test_results_stay_where_nobody_knows_which_studies_ran(project: Project, tmp_path: Path):
    project.study.fm.record_path.unlink()
    artefacts, _ = clean(tmp_path)
    assert {artefact.kept for artefact in artefacts} == {
        "nobody knows which studies ran in demo; to remove it anyway: clean='{projects: [demo]}'"
    }


def test_what_ran_by_other_values_of_the_command_line_is_in_use(project: Project, tmp_path: Path):
    record_study(project.study.fm.record_path, ["study.yaml"], {"sweep": {"optimizer.lr": [0.2]}})
    assert clean(tmp_path)[0] == []
    assert states(clean(tmp_path, clean={"projects": ["demo"]})[0]), "not where the project is named"


def test_what_a_recorded_study_file_plans_is_in_use_wherever_it_lies(project: Project, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    save(project.study, "elsewhere/second.yaml", sweep={"optimizer.lr": [0.2]})
    record_study(project.study.fm.record_path, ["elsewhere/second.yaml"], {})
    assert clean(tmp_path)[0] == []
    assert clean(tmp_path, clean={"projects": ["demo"]})[0] == [], "also where the project is named"


def test_study_file_of_another_project_keeps_what_it_reuses(project: Project, tmp_path: Path):
    save(project.study, "other.yaml", project="other", reuse={"models": [f"demo#{project.runs[0.2]}"]}, **ONE_RUN)
    assert clean(tmp_path, clean={"studies": ["other.yaml"]})[0] == []
    save(project.study, "other.yaml", project="other", reuse={"predictions": ["demo"]}, **ONE_RUN)
    assert clean(tmp_path, clean={"studies": ["other.yaml"]})[0] == []


def test_project_of_no_study_stays_until_it_is_named(project: Project, tmp_path: Path):
    write(tmp_path / "results/demo/RESULTS/train.csv", "a\n")
    save(project.study, project="new")
    artefacts, _ = clean(tmp_path, project="new")
    assert states(artefacts, project="demo")["summary"] == "kept"
    assert "no study file is of the project demo" in artefacts[0].kept
    clean(tmp_path, force=True, project="new", clean={"projects": ["demo"]})
    files = {path.name for path in (tmp_path / "results/demo").rglob("*") if path.is_file()}
    assert files - {".lock", ".lock-steps", ".studies.json"} == {f"{run}.yaml" for run in project.runs.values()}


@pytest.mark.parametrize("text", ["a: [", "a list", "{project: demo, tasks: {shapes: {creator: nobody}}}"])
def test_study_that_cannot_be_read_or_planned_is_a_problem(project: Project, tmp_path: Path, text: str):
    (tmp_path / "bad.yaml").write_text(text)
    _, (problem,) = clean(tmp_path, clean={"studies": ["bad.yaml"]})
    assert problem.startswith("bad.yaml cannot be planned: ")


def test_plugin_that_ends_its_process_takes_no_other_study_with_it(project: Project, tmp_path: Path):
    (tmp_path / "ends.py").write_text("import os\nos._exit(1)\n")
    save(project.study, "bad.yaml", plugins=["ends.py"])
    save(project.study, "good.yaml", **ONE_RUN)
    _, (problem,) = clean(tmp_path, clean={"studies": ["bad.yaml", "good.yaml"]})
    assert mentions(problem, "bad.yaml cannot be planned: ", "ends its process", "plugin")


def test_example_without_data_and_results_is_no_problem(project: Project, tmp_path: Path):
    missing = {"tasks": {"mine": {"creator": "image_folder", "path": "/nowhere"}}, **ONE_RUN}
    save(project.study, "example.yaml", project="example", **missing)
    assert clean(tmp_path, clean={"studies": ["example.yaml"]})[1] == []
    save(project.study, "example.yaml", **missing)
    assert "/nowhere does not exist" in clean(tmp_path, clean={"studies": ["example.yaml"]})[1][0]


def test_what_something_runs_in_is_left_alone_and_data_with_it(project: Project, tmp_path: Path):
    dataset = fake_dataset(tmp_path)
    fm = project.study.fm
    held = lock_project(fm.proj_path, fm.lock_path, fm.steps_lock_path)
    artefacts, _ = clean(tmp_path, project="new", clean={"projects": ["demo"]}, force=True)
    assert states(artefacts, project="demo")["models"] == "kept"
    assert states(artefacts)["dataset"] == "kept"
    assert {artefact.kept for artefact in artefacts} == {
        "something runs in demo",
        "data are left alone while something runs in demo",
    }
    held.close()
    sharing = share_data(fm.data_lock_path)
    artefacts, _ = clean(tmp_path)
    assert states(artefacts)["dataset"] == "kept"
    assert mentions(as_text(artefacts), "Snakemake of another results folder")
    sharing.close()
    clean(tmp_path, force=True)
    assert not dataset.exists()


def test_project_whose_jobs_wait_on_a_cluster_is_left_alone(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    squeue = tmp_path / "bin/squeue"
    write(squeue, f"#!/bin/sh\necho 'rule_train_fold_wildcards_a|{tmp_path}'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{squeue.parent}:{os.environ['PATH']}")
    artefacts, _ = clean(tmp_path, force=True)
    assert {artefact.kept for artefact in artefacts} == {"something runs in demo"}
    write(squeue, f"#!/bin/sh\necho '(null)|{tmp_path}'; echo 'rule_train_fold|/elsewhere'\n")
    squeue.chmod(0o755)
    assert set(states(clean(tmp_path)[0]).values()) == {"removable"}


def fake_dataset(folder: Path, name: str = "old", **task: Any) -> Path:
    """Lay a data set with its task into the data folder as its rules do; return its folder."""
    study = small_study(folder, tasks={name: {"creator": "fake", "num_samples": 6, "folds": 2} | task})
    identity = study.tasks[name]
    home = Path(study.fm.path("dataset", dataset=identity.dataset)).parent
    survey_images(create("fake", {"num_samples": 6}, home), identity.dataset, home, 1).write(home / "dataset.json")
    header = json.dumps({**FORMATS["description"].stamp, "header": identity.definition()})[:-1]
    write(study.fm.path("description", task=name, task_id=identity.id), f'{header},\n"samples": {{}}}}\n')
    (home.parents[1] / "PREPROCESSED" / identity.dataset / "size32-0123abcd").mkdir(parents=True)
    MMLFileManager.clear_instance()
    return home


def test_data_of_no_study_go_and_files_of_a_user_stay(project: Project, tmp_path: Path):
    dataset = fake_dataset(tmp_path)
    notes = write(dataset / "notes.txt", "mine")
    state_of = states(clean(tmp_path, force=True)[0])
    assert (state_of["dataset"], state_of["packed"], state_of["description"]) == ("kept", "removed", "kept")
    assert notes.exists()
    assert not list(tmp_path.glob("data/PREPROCESSED/*/*"))
    own = write(tmp_path / "data/RAW/DSET_mine/a/1.png", "image")
    notes.unlink()
    state_of = states(clean(tmp_path, force=True)[0])
    assert (state_of["dataset"], state_of["description"]) == ("removed", "removed")
    assert own.exists()
    assert not dataset.exists()


def test_packed_images_whose_originals_are_gone_stay(project: Project, tmp_path: Path):
    dataset = fake_dataset(tmp_path)
    write(dataset / "notes.txt", "mine")
    next(dataset.glob("*.png")).unlink()
    (packed,) = (artefact for artefact in clean(tmp_path)[0] if artefact.key == "packed")
    assert "are gone, so they cannot be packed again" in packed.kept


def test_leftovers_of_dead_processes_go_and_those_of_living_ones_stay(project: Project, tmp_path: Path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    models = project.path("models").parent
    living = write(part_of(models / "x"), "half")
    half = write(living.with_name(living.name.replace(str(os.getpid()), str(dead.pid))), "half")
    foreign = write(models / f".x.elsewhere-{dead.pid}.part.json", "half")
    orphan = write(checksum_path(models / "gone.json"), "0")
    seal(project.path("models"))
    tuning = write(tmp_path / "results/demo/.tuning-abc/x", "x").parent
    finished = write(project.path("checkpoint") / "epoch=000001.ckpt", "x").parent
    unfinished = write(project.path("checkpoint", fold=7) / "epoch=000001.ckpt", "x").parent
    warm = tmp_path / "temporary" / "mml-0123456789abcdef"
    write(warm / "lock", "")
    os.utime(warm, (0, 0))

    artefacts, _ = clean(tmp_path, force=True, **{"sweep": {"optimizer.lr": [0.1, 0.2]}})
    assert {artefact.what for artefact in artefacts} == {"leftover"}
    assert not any(path.exists() for path in (half, orphan, tuning, finished, warm))
    assert all(path.exists() for path in (living, foreign, unfinished, checksum_path(project.path("models"))))


def test_table_has_a_total_for_each_state(project: Project, tmp_path: Path):
    artefacts, _ = clean(tmp_path)
    lines = as_csv(artefacts).splitlines()
    assert lines[0].startswith("what,project,key,task,run,files,size_mb,state")
    assert lines[-1].startswith("total,,,,,12,0.0")
    assert "total removable: 12 files" in as_text(artefacts)


def test_unpacked_download_goes_and_one_still_to_be_unpacked_stays(project: Project, tmp_path: Path):
    url, digests = "https://example.org/a.zip", [hashlib.sha256(name).hexdigest() for name in (b"made", b"coming")]
    tasks = {
        name: {"creator": "image_folder", "downloads": [{"url": url, "sha256": digest}], "splits": ["train", "test"]}
        for name, digest in zip(("made", "coming"), digests, strict=True)
    }
    study = small_study(tmp_path, tasks=tasks)
    made, coming = (Path(study.fm.path("download", checksum=digest, file_name="a.zip")) for digest in digests)
    identity = study.tasks["made"]
    write(study.fm.path("dataset", dataset=identity.dataset), "{}")
    header = json.dumps({**FORMATS["description"].stamp, "header": identity.definition()})[:-1]
    write(study.fm.path("description", task="made", task_id=identity.id), f'{header},\n"samples": {{}}}}\n')
    MMLFileManager.clear_instance()
    for path in (made, coming):
        write(path, "zip")
    save(study, "loading.yaml", project="loading")
    clean(tmp_path, force=True, clean={"studies": ["loading.yaml"]})
    assert not made.exists()
    assert coming.exists()
