"""Overhead of a cluster: seconds per submitted step beside its work, and the jobs of a study of light steps."""

import time

import pytest

from tests.support.cluster_studies import TESTED, OnCluster
from tests.support.slurm_cluster import jobs_of
from tests.support.workplaces import Workplace

pytestmark = pytest.mark.benchmark

PATIENT = TESTED | {"plugins": []}
"""Looks at its jobs after 1, 11, 21 … seconds, as the executor does; by the profile users begin with 15."""

TAGGED = PATIENT | {
    "mode": "create",
    "tasks": TESTED["tasks"] | {f"stripes+subset~0.5~{seed}": None for seed in range(197)},
}
"""A data set, a task, 197 tasks that tags derive, and the end: 200 steps."""


def test_submitted_step_costs_few_seconds(workplace: OnCluster):
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
    print(f"\n{jobs} jobs: {seconds['cluster']:.0f} s, here {seconds['here']:.0f} s: {overhead:.1f} s each")
    assert jobs == 10
    assert overhead < 30


def test_study_of_200_light_steps_submits_one_job(workplace: OnCluster):
    workplace.forked = False
    workplace.write(TAGGED)
    steps = workplace.planned()
    began = time.monotonic()
    workplace.run()
    jobs = len(jobs_of(workplace.folder))
    print(f"\n{sum(steps.values())} steps, {jobs} jobs submitted, {time.monotonic() - began:.0f} s")
    assert sum(steps.values()) == 200
    assert jobs == 1
