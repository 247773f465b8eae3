"""A cluster for the tests of this folder, started once."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster_studies import TESTED, OnCluster
from tests.support.slurm_cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if problem := missing():
        pytest.skip(problem)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that tests that are ended stop the cluster
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
