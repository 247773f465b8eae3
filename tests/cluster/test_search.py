"""A search on a real SLURM."""

from pathlib import Path

import pytest

from tests.support.cluster_studies import TESTED, OnCluster
from tests.support.slurm_cluster import jobs_of
from tests.support.workplaces import Workplace

pytestmark = [pytest.mark.cluster, pytest.mark.thorough]

STUDY = TESTED | {
    "mode": "search",
    "tasks": {"stripes": TESTED["tasks"]["stripes"] | {"test_fraction": 0.3}},
    "trainer": {"max_epochs": 2, "accelerator": "cpu"},
    "resources": TESTED["resources"] | {"train_trial": {"mem_mb": 2000, "runtime": 20}},
    "search": {
        **{"trials": 4, "parallel": 2, "objective": "loss", "halving": {"min_epochs": 1, "factor": 2}},
        "space": {"optimizer.lr": {"low": 1e-4, "high": 0.1, "log": True}, "sampling.batch_size": [4, 8]},
    },
}


def files_of(place: Workplace) -> dict[str, bytes]:
    paths = [
        path for path in place.files("results/tiny/SEARCH/**/*") if path.suffix in (".json", ".csv", ".yaml", ".log")
    ]
    return {str(path.relative_to(place.folder)): path.read_bytes() for path in paths}


def test_a_search_on_the_cluster_has_the_trials_of_one_on_this_machine(workplace: OnCluster, tmp_path: Path):
    workplace.write(STUDY)
    workplace.run()
    assert len(jobs_of(workplace.folder, "train_trial")) == 6
    assert not jobs_of(workplace.folder, "propose_trial"), "light steps run beside Snakemake"
    here = Workplace(tmp_path / "here", cores=2)
    here.folder.mkdir()
    here.write(STUDY)
    here.run()
    assert files_of(workplace) == files_of(here)
    assert len(files_of(here)) > 10
