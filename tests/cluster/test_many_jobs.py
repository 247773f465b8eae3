"""Thousands of jobs on a real SLURM, whose controller restarts and whose nodes come and go.

Another number of networks, each a job: `MML_TESTS_JOBS=200 pytest -m "" -n 0 -s tests/cluster/test_many_jobs.py`.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.support.cluster_studies import OPTIONS, TESTED
from tests.support.counted_plan import STUDY
from tests.support.places import REPOSITORY
from tests.support.pretended_jobs import EXECUTED
from tests.support.slurm_cluster import Cluster, completed, slurm

pytestmark = [pytest.mark.cluster, pytest.mark.thorough]

JOBS = int(os.environ.get("MML_TESTS_JOBS", 2000))
FOLDS = 5
OUTAGE = 75
"""Seconds without a controller: more than the executor asks it for states of jobs."""


def executed(folder: Path) -> list[str]:
    """Return a line for each step that a job has run."""
    file = folder / EXECUTED
    return file.read_text().splitlines() if file.exists() else []


def wait_for_share(process: subprocess.Popen, folder: Path, share: float) -> None:
    """Wait until a share of the networks is done."""
    while len(executed(folder)) < share * 3 * JOBS:
        assert process.poll() is None, (folder / "log.txt").read_text()[-4000:]
        time.sleep(0.2)


def disturb(cluster: Cluster, process: subprocess.Popen, folder: Path) -> None:
    """Restart the controller twice, and drain a node in between."""
    wait_for_share(process, folder, 0.2)
    cluster.restart_controller(5)
    wait_for_share(process, folder, 0.4)
    cluster.drain_node("n2")
    wait_for_share(process, folder, 0.55)
    cluster.resume_node("n2")
    wait_for_share(process, folder, 0.7)
    cluster.restart_controller(OUTAGE)


def test_no_job_of_thousands_is_lost_or_doubled(cluster: Cluster, tmp_path: Path, capsys):
    seeds = list(range(JOBS // FOLDS))
    of_cluster = {key: TESTED[key] for key in ("resources", "plugins", "trainer")}
    study = STUDY | of_cluster | {"sweep": {"seed": seeds}, "networks_per_job": 1}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    command = [sys.executable, "-m", "tests.support.pretended_jobs", "--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--configfile", "study.yaml", "--profile", str(REPOSITORY / "profiles/slurm"), *OPTIONS]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    began = time.monotonic()
    with open(tmp_path / "log.txt", "w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        disturb(cluster, process, tmp_path)
        status = process.wait(timeout=7200)
    finally:
        process.kill()
    seconds = time.monotonic() - began
    output = (tmp_path / "log.txt").read_text()
    assert status == 0, output[-4000:]
    rows = [line.split("|") for line in slurm("squeue", "--noheader", "--states=all", "--format=%i|%Z|%k").splitlines()]
    submitted = {row[0]: row[2] for row in rows if row[1] == str(tmp_path)}
    ended = completed()
    with capsys.disabled():
        print(
            f"\n{len(submitted)} jobs in {seconds:.0f} s, {len(submitted) / seconds:.1f} a second; "
            f"{output.count('trying again: ')} tried again, "
            f"{output.count('is submitted once it does')} submissions waited"
        )
    assert [name for name, number in Counter(submitted.values()).items() if number > 1] == []
    assert sum(name.startswith("rule_train_fold-") for name in submitted.values()) == len(seeds) * FOLDS
    assert {job: ended.get(job) for job in submitted} == dict.fromkeys(submitted, "COMPLETED")
    steps = Counter(line.split(" ", 2)[2] for line in executed(tmp_path))
    assert [step for step, number in steps.items() if number > 1] == []
    of_networks = [step.split() for step in steps if step.startswith(("train_fold", "predict_fold", "test_fold"))]
    assert len(of_networks) == 3 * len(seeds) * FOLDS
    assert [path for _, *paths in of_networks for path in paths if not (tmp_path / path).exists()] == []
    planned = subprocess.run([*command, "-n"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "Nothing to be done" in planned.stdout + planned.stderr
