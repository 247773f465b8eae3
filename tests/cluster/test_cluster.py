"""Studies on a real SLURM: what is submitted, what goes on after signals, kills and failures."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster_studies import TESTED, OnCluster, slow, write_slow
from tests.support.killed_trainings import checkpoints, comparable
from tests.support.messages import mentions
from tests.support.places import REPOSITORY
from tests.support.slurm_cluster import described, jobs_of, slurm
from tests.support.workplaces import Workplace, kill, wait_for

pytestmark = pytest.mark.cluster

EPOCHS = 10

ONE = TESTED | {
    "mode": {"preset": "train", "cv": False, "subroutines": ["train"]},
    "tasks": {"stripes": {"creator": "fake", "num_samples": 48, "num_classes": 2, "size": 24, "folds": 3}},
    "trainer": {"max_epochs": EPOCHS, "accelerator": "cpu"},
    **slow(seconds=3),
}
"""One training, of half a minute."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The one training, on this machine, without a cluster."""
    place = Workplace(tmp_path_factory.mktemp("undisturbed"))
    write_slow(place, ONE)
    place.run()
    return place


@pytest.fixture
def one(workplace: OnCluster, undisturbed: Workplace) -> dict[str, Any]:
    """The study of one training, whose images are packed already."""
    study = ONE | {"paths": {"data": str(undisturbed.folder / "data")}}
    write_slow(workplace, study)
    return study


def running(place: OnCluster, rule: str) -> list[str]:
    return list(jobs_of(place.folder, rule, "RUNNING"))


def training(place: OnCluster) -> str:
    """Return the job of a training that has done an epoch."""
    wait_for(lambda: checkpoints(place))
    return running(place, "train_fold")[0]


def epochs(place: OnCluster) -> int:
    (log,) = place.files("results/tiny/LOGS/train_fold/*.log")
    return log.read_text().count(f" of {EPOCHS}: ")


INSTALL_PROFILE = "mkdir -p ~/.config/snakemake && cp -r profiles/slurm ~/.config/snakemake/"
"""The line of the guide that puts the profile where Snakemake looks for it."""


@pytest.fixture
def site_profile(workplace: OnCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile in the home folder of a user, named as the guide says."""
    assert INSTALL_PROFILE in (REPOSITORY / "config/guide/cluster_and_gpus.md").read_text()
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    subprocess.run(INSTALL_PROFILE, shell=True, check=True, cwd=REPOSITORY)
    workplace.profile = "slurm"


@pytest.mark.usefixtures("site_profile")
def test_study_submits_one_job_per_network_with_what_its_steps_ask_for(workplace: OnCluster):
    mode = TESTED["mode"] | {"folds": [0]}
    workplace.write(TESTED | {"mode": mode, "trainer": {"max_epochs": 1, "accelerator": "auto"}})
    output = workplace.run("--set-resources", "train_fold:slurm_partition=gpu")
    assert workplace.files("results/tiny/RESULTS/train.csv")
    submitted = {rule: len(jobs_of(workplace.folder, rule)) for rule in ("train_fold", "predict_fold", "")}
    assert submitted == {"train_fold": 1, "predict_fold": 0, "": 4}, output
    job = described(next(iter(jobs_of(workplace.folder, "train_fold"))))
    assert (job["Partition"], job["TimeLimit"], job["MinMemoryNode"]) == ("gpu", "00:45:00", "4000M")
    assert job["TresPerJob"] == "gres:gpu:1"
    (log,) = workplace.files("results/tiny/LOGS/train_fold/*fold0.log")
    assert "epoch 1 of 1" in log.read_text()
    assert len(workplace.files(".snakemake/slurm_logs/group_train_fold-*/*.log")) == 1


def test_jobs_of_a_killed_snakemake_run_on_and_are_not_run_twice(
    workplace: OnCluster, undisturbed: Workplace, one: dict[str, Any]
):
    process = workplace.start()
    job = training(workplace)
    kill(process)
    again = workplace.start()
    output, _ = again.communicate(timeout=600)
    assert again.returncode == 0, output
    assert mentions(output, "waiting for SLURM jobs", f"{job} (running)")
    assert jobs_of(workplace.folder, "train_fold") == {job: "COMPLETED"}
    assert epochs(workplace) == EPOCHS
    assert comparable(workplace) == comparable(undisturbed)


def test_job_of_two_networks_that_comes_back_goes_on_with_what_is_not_done(workplace: OnCluster, one: dict[str, Any]):
    mode = {"preset": "train", "subroutines": ["train", "predict", "test"], "folds": [0, 1]}
    workplace.write(one | {"mode": mode, "networks_per_job": 2})
    process = workplace.start("--retries", "0")
    wait_for(lambda: workplace.files("results/tiny/MODELS/*/*.json") and len(checkpoints(workplace)) > 2)
    (trained,) = workplace.files("results/tiny/MODELS/*/*.json")
    (job,) = running(workplace, "train_fold")
    slurm("scancel", "--signal=USR1", job)
    wait_for(lambda: int(described(job)["Restarts"]) == 1)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert jobs_of(workplace.folder, "train_fold") == {job: "COMPLETED"}
    assert jobs_of(workplace.folder, "predict_fold") == {}
    assert len(workplace.files("results/tiny/METRICS/*/*/test.json")) == 2
    (log,) = workplace.files(f"results/tiny/LOGS/train_fold/*-{trained.stem}.log")
    assert log.read_text().count(f" of {EPOCHS}: ") == EPOCHS, "it was trained once"


def test_lack_of_memory_is_mended_by_a_retry_that_asks_for_more(workplace: OnCluster, one: dict[str, Any]):
    short = {"trainer": {"max_epochs": 1, "accelerator": "cpu"}}
    workplace.write(one | short | {"resources": TESTED["resources"] | {"train_fold": {"threads": 1, "mem_mb": 450}}})
    output = workplace.run()
    first, second = jobs_of(workplace.folder, "train_fold")
    assert "trying again: " in output
    assert [described(job)["MinMemoryNode"] for job in sorted((first, second), key=int)] == ["450M", "900M"]
    assert [described(job)["TimeLimit"] for job in sorted((first, second), key=int)] == ["04:00:00", "08:00:00"]


def test_study_goes_on_without_a_cancelled_job_and_says_in_the_end_what_failed(
    workplace: OnCluster, one: dict[str, Any]
):
    workplace.write(one | {"mode": {"preset": "train", "subroutines": ["train"], "folds": [0, 1]}})
    process = workplace.start("--retries", "0")
    wait_for(lambda: len(running(workplace, "train_fold")) == 2 and checkpoints(workplace))
    lost, kept = running(workplace, "train_fold")
    slurm("scancel", lost)
    output, _ = process.communicate(timeout=600)
    assert process.returncode != 0
    assert jobs_of(workplace.folder, "train_fold") == {lost: "CANCELLED", kept: "COMPLETED"}
    summary = output[output.index("failed: 1 step") :]
    line = re.search(r"  train_fold task=stripes .*", summary)[0]
    assert f"SLURM job {lost} cancelled" in line
    log = re.search(r"log: (\S+?),", line)[1]
    assert (workplace.folder / log).exists()


def test_step_that_fails_is_named_with_its_error_in_the_end(workplace: OnCluster, one: dict[str, Any]):
    workplace.write(one | {"optimizer": {"preset": "adamw", "lr": 1e30}, "lr_scheduler": "none"})
    output = workplace.run("--retries", "0", fails=True)
    summary = output[output.index("failed: 1 step") :]
    assert re.search(r"  train_fold task=stripes \S+ fold=0: .* became (nan|inf).* SLURM job \d+ failed", summary)


def test_step_that_no_node_can_take_is_told_in_the_words_of_slurm(workplace: OnCluster, one: dict[str, Any]):
    output = workplace.run("--retries", "1", "--set-resources", "train_fold:mem_mb=100000", fails=True)
    summary = output[output.index("failed: 1 step") :]
    assert mentions(summary, "fold=0: ", "SLURM", ": Memory specification can not be satisfied")
