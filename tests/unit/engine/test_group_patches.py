"""Patches of group jobs: a test here fails once a patch is needed no more."""

import inspect
from pathlib import Path
from types import SimpleNamespace

import pytest
import snakemake.api  # noqa: F401  (Snakemake's modules import each other in a circle, from here)
import snakemake_executor_plugin_slurm as plugin
import yaml
from snakemake.dag import DAG
from snakemake.jobs import GroupJob, Job
from snakemake.scheduling.job_scheduler import JobRateLimiter, JobScheduler
from snakemake.settings.types import MaxJobsPerTimespan

from mml_lib.engine.cluster import group_patches
from mml_lib.engine.step_order import StepOrder
from tests.support.places import REPOSITORY
from tests.support.simulated_schedule import networks


def source_of(module: type, name: str) -> str:
    """Return a function as the module's file has it: other tests of this process may have patched the class."""
    text = Path(inspect.getsourcefile(module)).read_text()
    return text[text.index(f"class {module.__name__}") :].split(f" def {name}(", 1)[1].split("\n    def ", 1)[0]


def test_snakemake_still_joins_what_is_connected_only_and_compares_groups_for_each_step():
    assert "group_components" in source_of(DAG, "_update_group_components")
    assert "for group in self._group.values()" in source_of(DAG, "_check_groups")
    assert "bfs" in source_of(DAG, "validate_group")
    assert "basic_layered" in source_of(GroupJob, "resources")


def test_snakemake_still_treats_all_steps_of_a_failed_group_alike():
    assert "finished" not in source_of(GroupJob, "register").split("async def")[0]
    assert "job in self.jobs" in source_of(GroupJob, "get_target_spec")
    assert "msg" not in source_of(GroupJob, "log_error").split("):", 1)[1].split("def register")[0]
    assert "dag.finish" not in source_of(JobScheduler, "_handle_error")


def test_snakemake_still_submits_a_step_with_a_group_that_is_light():
    text = Path(inspect.getsourcefile(JobScheduler)).parents[1].joinpath("workflow.py").read_text()
    assert "rule.group is None" in text.split("def is_local(", 1)[1][:200]


def test_executor_still_has_no_arrays_of_jobs_with_several_steps_or_with_requests_of_their_own():
    text = inspect.getsource(plugin.Executor)
    assert "is a group job and cannot be" in text, "the guide says why the profile sets no arrays"
    assert "we can simply take the first job" in text
    assert "waiting for more jobs" in text


def test_profile_limits_submissions_by_time():
    profile = yaml.safe_load((REPOSITORY / "profiles/slurm/config.yaml").read_text())
    limit = MaxJobsPerTimespan.parse_choice(profile["max-jobs-per-timespan"])
    limiter = JobRateLimiter(limit)
    limiter.register_jobs(limit.max_jobs - 1)
    assert limiter.get_free_jobs() == 1
    ready = [step for step in networks(5, 5) if step.name == "train_fold"]
    free = {"_cores": 100, "_job_count": limiter.get_free_jobs()}
    assert len(StepOrder(lambda: []).first(ready, free)) == 1


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A submitted job of three steps, of which the first is done and the second is marked."""
    paths = [str(tmp_path / name) for name in ("done", "marked", "missing")]
    for path in paths[:2]:
        Path(path).touch()
    persistence = SimpleNamespace(
        _clear_cache=lambda: None,
        _get_key=str,
        _filter_incomplete_keys=lambda keys: {key for key in keys if key.endswith("marked")},
    )
    dag = SimpleNamespace(workflow=SimpleNamespace(persistence=persistence))
    jobs = [SimpleNamespace(output=[path], rule=SimpleNamespace(name=path), wildcards="", dag=dag) for path in paths]
    jobs = [Hashable(job) for job in jobs]
    dag.dependencies = {jobs[0]: {}, jobs[1]: {jobs[0]: set()}, jobs[2]: {jobs[1]: set()}}
    monkeypatch.setattr(group_patches, "_own_ids", {"own"})
    return SimpleNamespace(groupid="own", jobs=jobs)


class Hashable(SimpleNamespace):
    """A step, which Snakemake hashes."""

    def __init__(self, job: SimpleNamespace):
        super().__init__(**vars(job))

    __hash__ = object.__hash__
    __eq__ = object.__eq__


def test_steps_are_done_only_after_they_were_submitted(group: SimpleNamespace):
    assert group_patches.unfinished(group) == group.jobs
    group._mml_registered = True
    assert group_patches.unfinished(group) == group.jobs[1:]


def test_failed_steps_are_those_that_wait_for_none_of_the_job(group: SimpleNamespace):
    group._mml_registered = True
    assert group_patches.failed_steps(group) == [group.jobs[1]]
    group.groupid = "of others"
    assert group_patches.failed_steps(group) == group.jobs


def test_steps_of_a_group_are_no_local_ones(monkeypatch: pytest.MonkeyPatch):
    for name in ("update_groups", "_check_groups", "validate_group"):
        monkeypatch.setattr(DAG, name, getattr(DAG, name))
    monkeypatch.setattr(Job, "is_local", property(lambda job: True))
    monkeypatch.setattr(GroupJob, "resources", GroupJob.resources)
    monkeypatch.setattr(group_patches, "_own_ids", {"own"})
    group_patches.group_steps(lambda dag: {}, lambda jobs: {})
    assert not Job.is_local.fget(SimpleNamespace(_group="own"))
    assert Job.is_local.fget(SimpleNamespace(_group="of others"))
