"""Jobs of networks on a cluster: which steps share one, and what is repeated. Its jobs run on this machine."""

from collections import Counter
from pathlib import Path

import pytest

from tests.support.counted_plan import count_job
from tests.support.nearby_jobs import NearbyStudy
from tests.support.pretended_steps import WARM, failing

pytestmark = pytest.mark.long


@pytest.fixture
def place(tmp_path: Path) -> NearbyStudy:
    return NearbyStudy(tmp_path)


def network(number: int = 1, *without: str) -> Counter[str]:
    """Return the steps of some networks."""
    rules = Counter({"train_fold": number, "predict_fold": number, "test_fold": number})
    return Counter({rule: steps for rule, steps in rules.items() if rule not in without})


def test_steps_of_networks_share_jobs_and_a_changed_test_is_no_job(place: NearbyStudy):
    resources = {"train_fold": {"mem_mb": 3000, "runtime": 30, "threads": 2}, "predict_fold": {"runtime": 10}}
    place.write(networks_per_job=3, resources=resources)
    place.run("--default-resources", "mem_mb=1000", "runtime=60")
    jobs = place.jobs()
    assert [job.rules for job in jobs] == [network(3), network(2)]
    assert [job.requests["runtime"] for job in jobs] == [3 * (30 + 10) + 5, 2 * (30 + 10) + 5]
    assert [(job.requests["mem_mb"], job.requests["_cores"]) for job in jobs] == [(8000, 4)] * 2
    assert (place.folder / WARM).read_text().split() == ["true"] * 15, "each step is a fork of the process of its job"
    place.write(networks_per_job=3, resources=resources, bootstrap=200)
    before = place.times()
    place.run()
    assert place.times() != before
    assert place.jobs() == [], "tests alone run beside Snakemake"


def test_failed_step_of_a_job_leaves_what_is_done_and_the_rest_is_repeated(place: NearbyStudy):
    place.write(networks_per_job=5)
    (place.folder / failing("predict_fold", 1)).touch()
    output = place.run("--keep-going", fails=True)
    assert place.jobs()[0].rules == network(5)
    assert "failed: 1 step" in output, "of the job's steps, the one that failed"
    assert "predict_fold" in output[output.index("failed: 1 step") :]
    before = place.times()
    assert len([path for path in before if path.startswith("METRICS") and path.endswith("json")]) == 4
    place.run("--keep-going")
    assert [job.rules for job in place.jobs()] == [network(1, "train_fold")]
    after = place.times()
    assert {path: after[path] for path in before} == before
    assert "Nothing to be done" in place.run("-n")


@pytest.mark.thorough
def test_retry_submits_the_unfinished_steps_only(place: NearbyStudy):
    place.write(networks_per_job=5)
    (place.folder / failing("train_fold", 4)).touch()
    place.run("--keep-going", "--retries", "1")
    first, second = place.jobs()
    assert (first.rules, second.rules) == (network(5), network(1))
    assert second.requests["mem_mb"] == 2 * first.requests["mem_mb"]


def test_job_looks_at_the_files_of_its_network_however_large_the_study_is(place: NearbyStudy):
    place.write(sweep={"seed": [0]})
    place.run("--until", "write_pipeline")
    (pipeline,) = place.folder.glob("results/large/PIPELINES/stripes/*.yaml")
    small = count_job(place.folder, pipeline.stem)
    place.write(sweep={"seed": list(range(40))})
    place.run("--forcerun", "write_pipeline", "--", str(pipeline.relative_to(place.folder)))
    large = count_job(place.folder, pipeline.stem)
    assert large["stats"] <= small["stats"] + 5
    assert large["opens"] <= small["opens"] + 5
    assert large["listings"] <= small["listings"] + 5
    assert large["calls"] <= 1.1 * small["calls"]
