"""The Snakemake within a cluster job."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.target_jobs import TargetSpec

from mml_lib.engine import jobs
from mml_lib.engine.jobs import skip_finished_targets, start_warm_in_job, target_rules
from mml_lib.machine.warm_start import FOLDER


def plan_of(folder: Path) -> Any:
    """Return the empty plan of a job with two steps, of which the one of fold 0 has its output."""
    (folder / "0").touch()
    persistence = SimpleNamespace(_get_key=str, _filter_incomplete_keys=lambda keys: set())
    settings = SimpleNamespace(target_jobs=[TargetSpec("train_fold", {"fold": fold}) for fold in ("0", "1")])
    rule = SimpleNamespace(expand_output=lambda wildcards: ([str(folder / wildcards["fold"])], None))
    workflow = SimpleNamespace(dag_settings=settings, persistence=persistence, get_rule=lambda name: rule)
    return SimpleNamespace(workflow=workflow)


@pytest.mark.parametrize(("restarts", "folds"), [(None, ["0", "1"]), ("0", ["0", "1"]), ("1", ["1"])])
def test_only_a_job_that_comes_back_from_the_queue_leaves_out_what_is_done(
    restarts: str | None, folds: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    if restarts is not None:
        monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    dag = plan_of(tmp_path)
    skip_finished_targets(dag)
    assert [spec.wildcards_dict["fold"] for spec in dag.workflow.dag_settings.target_jobs] == folds


TARGETS = ["--target-jobs", "train_fold:task=a,fold=0", "test_fold:task=a,fold=0,eval=test"]
IN_JOB = ["snakemake", *TARGETS, "--force", "--mode", "remote"]
AROUND = [*IN_JOB, "--executor", "slurm-jobstep"]


@pytest.mark.parametrize(
    ("arguments", "rules"), [(IN_JOB, ("train_fold", "test_fold")), (AROUND, ()), (["snakemake", "--cores", "1"], ())]
)
def test_steps_of_a_job_are_known_before_the_rules_are_read(arguments: list[str], rules: tuple[str, ...]):
    assert target_rules(arguments) == rules


@pytest.mark.parametrize(
    ("rules", "number"),
    [(("train_fold", "test_fold"), 1), (("mml_train_fold", "mml_test_fold"), 1), (("train_fold",), 0), (("a", "b"), 0)],
)
def test_job_of_several_steps_of_a_network_starts_one_warm_process(
    rules: tuple[str, ...], number: int, monkeypatch: pytest.MonkeyPatch
):
    launched: list[list[str]] = []
    monkeypatch.setattr(jobs, "launch_warm_process", lambda scripts: launched.append(list(scripts)))
    monkeypatch.setattr(jobs, "start_scripts_warm", lambda: None)
    monkeypatch.setenv(FOLDER, "of the machine that submitted the job")
    start_warm_in_job.cache_clear()
    for _ in range(2):  # an outer pipeline reads the rules again
        start_warm_in_job(rules)
    assert len(launched) == number
    assert (FOLDER in os.environ) == bool(number)
    assert os.environ.get(FOLDER) != "of the machine that submitted the job"
