"""Overhead of a cluster: seconds per submitted step and network beside its work, and the jobs of light steps."""

import time
from datetime import datetime
from statistics import median

import pytest

from mml_lib.machine.measured import Measured, benchmark_files
from tests.support.benchmark_figures import Figures
from tests.support.cluster_studies import TESTED, OnCluster
from tests.support.slurm_cluster import described, jobs_of
from tests.support.workplaces import Workplace

pytestmark = pytest.mark.benchmark

PATIENT = TESTED | {"plugins": []}
"""Looks at its jobs after 1, 11, 21 … seconds, as the executor does; by the profile users begin with 15."""

TAGGED = PATIENT | {
    "mode": "create",
    "tasks": TESTED["tasks"] | {f"stripes+subset~0.5~{seed}": None for seed in range(197)},
}
"""A data set, a task, 197 tasks that tags derive, and the end: 200 steps."""


def test_submitted_step_costs_few_seconds(workplace: OnCluster, figures: Figures):
    """Packing in eight parts, one after another, takes longer than on this machine by what submitting costs."""
    workplace.forked = False
    study = PATIENT | {"mode": "pp", "preprocess_shards": 8}
    seconds = {}
    for name, place in (("cluster", workplace), ("here", Workplace(workplace.folder / "here", forked=False))):
        place.folder.mkdir(exist_ok=True)
        place.write(study)
        began = time.monotonic()
        place.run(*(["--jobs", "1"] if name == "cluster" else ["--cores", "1"]))
        seconds[name] = time.monotonic() - began
    jobs = len(jobs_of(workplace.folder))
    overhead = (seconds["cluster"] - seconds["here"]) / jobs
    assert jobs == 10
    figures.record("submitted step", overhead, "s", of="the same step here", by="clock", at_most=30)


def test_network_costs_few_seconds_beside_its_work(workplace: OnCluster, figures: Figures):
    """Seconds of a job for each of its networks, without those of a training and a prediction in a warm process."""
    workplace.forked = False
    tasks = {"stripes": TESTED["tasks"]["stripes"] | {"folds": 9}}
    work: list[float] = []
    for number, folds in ((8, range(8)), (1, [8])):
        mode = TESTED["mode"] | {"folds": list(folds)}
        workplace.write(PATIENT | {"tasks": tasks, "mode": mode, "networks_per_job": number})
        workplace.run()
        job = max(jobs_of(workplace.folder, "train_fold"), key=int)
        began, ended = (datetime.fromisoformat(described(job)[key]) for key in ("StartTime", "EndTime"))
        if not work:
            files = benchmark_files([workplace.folder / "results/tiny/BENCHMARKS"])
            steps = [Measured.of(file) for file in files]
            work = [
                median(step.seconds for step in steps if step.rule == rule) for rule in ("train_fold", "predict_fold")
            ]
        overhead = (ended - began).total_seconds() / number - sum(work)
        name = f"network on a cluster beside its work, {number} in a job"
        figures.record(name, overhead, "s", by="clock", at_most=40)


def test_study_of_200_light_steps_submits_one_job(workplace: OnCluster, figures: Figures):
    workplace.forked = False
    workplace.write(TAGGED)
    steps = workplace.planned()
    began = time.monotonic()
    workplace.run()
    jobs = len(jobs_of(workplace.folder))
    assert sum(steps.values()) == 200
    figures.record("200 light steps on a cluster", time.monotonic() - began, "s", by="clock")
    figures.record("jobs of 200 light steps", jobs, at_most=1)
