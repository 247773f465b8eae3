"""Runs that a cluster job looks up, instead of planning its whole study again."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.files.checksums import seal
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.studies.resources.submitted_runs import SubmittedRuns, record_submitted_runs
from mml_lib.studies.study import Study
from tests.support.planned_studies import planned

SWEEP = {"sweep": {"seed": [1, 2], "optimizer.lr": [0.1, 0.2]}}


def submitted(folder: Path, **changes: Any) -> AbstractBaseScheduler:
    """Return a planned study whose runs are recorded, and whose pipelines are written."""
    plan = planned({}, folder, **(SWEEP | changes))
    record_submitted_runs(plan.study)
    for run in plan.runs_of("mine"):
        path = Path(plan.study.fm.path("pipeline", task="mine", run=run.id))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(run.pipeline.to_yaml())
        seal(path)
    return plan


def job_of(plan: AbstractBaseScheduler, **changes: Any) -> Study:
    """Return the study as a cluster job opens it."""
    study = Study({**plan.study.config, **changes})
    study.submitted = SubmittedRuns.read(study)
    return study


def test_a_job_has_its_run_without_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plan = submitted(tmp_path)
    run = plan.runs_of("mine")[3]
    study = job_of(plan)
    monkeypatch.setattr(AbstractBaseScheduler, "plan_runs", lambda *_: pytest.fail("the study is planned again"))
    assert study.run("mine", run.id) == run
    assert study.run("mine", run.id) is study.run("mine", run.id)


def test_a_job_notices_an_edit_since_its_submission(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    plan = submitted(tmp_path)
    assert job_of(plan).submitted is not None
    assert capsys.readouterr().err == ""
    study = job_of(plan, loss="focal")
    assert study.submitted is None
    assert "has changed since" in capsys.readouterr().err
    assert study.run("mine", study.scheduler("train").runs_of("mine")[0].id)


def test_a_job_plans_its_study_where_nothing_is_recorded(tmp_path: Path):
    plan = submitted(tmp_path)
    run = plan.runs_of("mine")[0]
    Path(plan.study.fm.path("pipeline", task="mine", run=run.id)).unlink()
    assert job_of(plan).run("mine", run.id) == run
    plan.study.fm.submitted_path.write_text("{}")
    assert job_of(plan).submitted is None
    plan.study.fm.submitted_path.unlink()
    assert job_of(plan).run("mine", run.id) == run
