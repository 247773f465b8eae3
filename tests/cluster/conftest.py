"""A cluster for the tests of this folder, started once."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.slurm import Cluster, missing
from tests.workflow.conftest import REPOSITORY, TINY, Workplace

TESTED = TINY | {
    # What a node of the test cluster has processors for, whatever this machine has.
    "resources": {
        rule: {"threads": 1, "mem_mb": 2000, "runtime": 20}
        for rule in ("create_dataset", "preprocess_shard", "train_fold", "predict_fold")
    },
    "plugins": [str(Path(__file__).with_name("impatient.py"))],
}


@dataclass
class OnCluster(Workplace):
    """A folder with a study, run by the profile of the pipeline with what this test cluster needs of a site."""

    profile: str = str(REPOSITORY / "profiles/slurm")

    def command(self, *arguments: str) -> list[str]:
        polls = ("--slurm-init-seconds-before-status-checks", "1")
        site = ("--slurm-no-account", "--slurm-status-command", "squeue", "--slurm-keep-successful-logs")
        command = super().command(*arguments)
        return [*command, "--profile", self.profile, *polls, *site, "--latency-wait", "5"]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if problem := missing():
        pytest.skip(problem)
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def workplace(cluster: Cluster, tmp_path: Path) -> OnCluster:
    place = OnCluster(tmp_path)
    place.write(TESTED)
    return place
