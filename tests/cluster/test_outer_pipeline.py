"""MML as a module of an outer pipeline on a real SLURM."""

from pathlib import Path

import pytest

from tests.support.cluster_studies import OPTIONS, TESTED
from tests.support.outer_pipelines import OuterPipeline
from tests.support.places import REPOSITORY
from tests.support.slurm_cluster import Cluster, described, jobs_of
from tests.support.warm_steps import WARM_JOBS

pytestmark = pytest.mark.cluster


def test_outer_pipeline_submits_the_heavy_steps_of_its_module(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(WARM_JOBS, "1")
    outer = OuterPipeline(tmp_path / "outer")
    outer.write(resources=TESTED["resources"], plugins=TESTED["plugins"])
    of_site = ("--set-resources", "mml_train_fold:slurm_partition=first")
    output = outer.run("--profile", str(REPOSITORY / "profiles/slurm"), *OPTIONS, *of_site)
    assert "used by train_fold" in output, "MML's own hooks were called"
    assert len((outer.folder / "confident.txt").read_text().splitlines()) == 2
    trainings = jobs_of(outer.folder, "mml_train_fold")
    assert list(trainings.values()) == ["COMPLETED", "COMPLETED"], output
    job = described(next(iter(trainings)))
    assert (job["TimeLimit"], job["MinMemoryNode"]) == ("00:45:00", "4000M"), "resources of the study"
    assert job["Partition"] == "first", "resources of the site, for the rule as the outer pipeline names it"
    assert not jobs_of(outer.folder, "mml_test_fold"), "light steps run beside Snakemake"
    assert len(jobs_of(outer.folder, "make_table")) == 1, "rules of the outer pipeline are submitted as it has them"
    assert "Nothing to be done" in outer.run("-n")
