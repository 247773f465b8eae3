"""The Snakemake within a cluster job."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.target_jobs import TargetSpec

from mml_lib.engine.jobs import skip_finished_targets


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
