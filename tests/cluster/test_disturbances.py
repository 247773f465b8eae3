"""Trainings that SLURM ends at their time limit, preempts, or loses with their node."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.support.cluster_studies import TESTED, OnCluster, slow, write_slow
from tests.support.killed_trainings import checkpoints, comparable, leftovers
from tests.support.slurm_cluster import Cluster, described, slurm
from tests.support.workplaces import Workplace, wait_for

pytestmark = pytest.mark.cluster

EPOCHS = 15  # of six seconds: more than fit into two minutes less the margin

STUDY = TESTED | {
    "mode": {"preset": "train", "subroutines": ["train"]},
    "tasks": {"stripes": TESTED["tasks"]["stripes"] | {"folds": 8}},
    "trainer": {"max_epochs": EPOCHS, "accelerator": "cpu"},
    **slow(seconds=6),
}
"""Eight trainings of two minutes or so."""

LIMITED, OVERDUE, ANNOUNCED, BACK, GRACEFUL, SPOT, CRASHED, STRANDED = range(8)
PARTITIONS = ["first", "first", "first", "back", "graceful", "spot", "main", "main"]  # main: n2, while it is there
NAMES = ["limited", "overdue", "announced", "back", "graceful", "spot", "crashed", "stranded"]
MINUTES = [2, *[60] * 7]


def by_fold(resource: str, values: list[object]) -> str:
    return f"train_fold:{resource}={values}[int(wildcards.fold)]"


@dataclass
class Disturbed:
    """The study after all that has happened to it."""

    place: OnCluster
    output: str
    jobs: Callable[[int], list[str]]

    def epochs(self, fold: int) -> int:
        """Return how many epochs the latest start of a training did."""
        (log,) = self.place.files(f"results/tiny/LOGS/train_fold/*fold{fold}.log")
        return log.read_text().count(f" of {EPOCHS}: ")

    def log(self, job: str) -> str:
        """Return the log of all starts of a job."""
        (log,) = self.place.folder.glob(f".snakemake/slurm_logs/rule_train_fold/*/{job}.log")
        return log.read_text()

    def too_slow(self) -> list[str]:
        """Return the jobs that a busy machine left no time for an epoch before their limit: failures, and retried."""
        return [job for job in self.jobs(LIMITED) if "stopped before its first epoch was finished" in self.log(job)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """The study on this machine; its trainings may still run."""
    place = Workplace(tmp_path_factory.mktemp("undisturbed"), cores=8)
    write_slow(place, STUDY)
    process = place.start()
    wait_for(lambda: checkpoints(place))
    yield place
    process.communicate(timeout=600)


@pytest.fixture(scope="module")
def disturbed(cluster: Cluster, undisturbed: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Disturbed:
    place = OnCluster(tmp_path_factory.mktemp("disturbed"))
    write_slow(place, STUDY | {"paths": {"data": str(undisturbed.folder / "data")}})

    def jobs(fold: int) -> list[str]:
        logs = place.folder.glob(f".snakemake/slurm_logs/rule_train_fold/*_{fold}/*.log")
        return [log.stem for log in sorted(logs, key=lambda log: int(log.stem))]

    process = place.start("--set-resources", by_fold("slurm_partition", PARTITIONS), by_fold("runtime", MINUTES))
    wait_for(lambda: len({path.parent for path in checkpoints(place)}) == 8)
    slurm("scontrol", "update", f"JobId={jobs(OVERDUE)[0]}", "EndTime=now")
    slurm("scancel", "--signal=USR1", *jobs(ANNOUNCED))
    slurm("scontrol", "update", f"JobId={jobs(STRANDED)[0]}", "Requeue=0")
    # All that the two trainings that may not be preempted leave of the node.
    urgent = ("--partition=urgent", "--cpus-per-task=30", "--mem=100", "--no-requeue", "--output=/dev/null")
    job = slurm("sbatch", "--parsable", *urgent, "--wrap=sleep 600")
    wait_for(lambda: described(job)["JobState"] == "RUNNING")
    cluster.crash_node("n2")
    wait_for(lambda: described(jobs(CRASHED)[0])["NodeList"] == "n1")
    cluster.start_node("n2")
    output, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, output
    return Disturbed(place, output, jobs)


@pytest.mark.parametrize("fold", range(8), ids=NAMES)
def test_training_ends_as_if_nothing_had_happened(disturbed: Disturbed, undisturbed: Workplace, fold: int):
    wait_for(lambda: undisturbed.files(f"results/tiny/MODELS/*/*-fold{fold}.json"))
    assert comparable(disturbed.place, fold) == comparable(undisturbed, fold)
    assert leftovers(disturbed.place.folder) == []


@pytest.mark.parametrize("fold", [LIMITED, ANNOUNCED], ids=["limited", "announced"])
def test_training_goes_before_its_limit_between_two_epochs(disturbed: Disturbed, fold: int):
    (job,) = set(disturbed.jobs(fold)) - set(disturbed.too_slow())
    assert int(described(job)["Restarts"]) >= 1
    output = re.findall(r"returns to the queue after epoch=(\d+)", disturbed.log(job))
    assert int(output[-1]) + 1 + disturbed.epochs(fold) == EPOCHS, "no epoch was done twice"


def test_pre_empted_training_uses_its_grace_to_return_to_the_queue(disturbed: Disturbed):
    (job,) = disturbed.jobs(GRACEFUL)
    assert described(job)["Restarts"] == "1"
    assert "returns to the queue after" in disturbed.log(job)


@pytest.mark.parametrize(("fold", "state"), [(SPOT, "PREEMPTED"), (STRANDED, "NODE_FAIL")])
def test_training_that_slurm_does_not_put_back_is_submitted_again_and_asks_for_no_more(
    disturbed: Disturbed, fold: int, state: str
):
    first, second = disturbed.jobs(fold)
    assert described(first)["JobState"] == state
    assert described(second)["TimeLimit"] == described(first)["TimeLimit"]
    reason = state.lower().replace("_", " ")
    assert f"SLURM job {first} ({reason}) does not come back: submitted again" in disturbed.output


@pytest.mark.parametrize("fold", [BACK, CRASHED], ids=["preempted", "node crashed"])
def test_training_that_slurm_itself_puts_back_is_one_job(disturbed: Disturbed, fold: int):
    (job,) = disturbed.jobs(fold)
    assert described(job)["Restarts"] == "1"


def test_training_that_runs_into_its_limit_is_retried(disturbed: Disturbed):
    first, _ = disturbed.jobs(OVERDUE)
    assert described(first)["JobState"] == "TIMEOUT"
    failures = disturbed.output.count("trying again: ") - len(disturbed.too_slow())
    assert failures == 1, "of all that happened this alone is a failure"
    assert f"SLURM job {first} timeout" in disturbed.output
