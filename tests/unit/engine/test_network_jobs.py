"""Cluster jobs of networks: which steps share one, in which order, and what it requests."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from mml_lib.engine.cluster import network_jobs
from mml_lib.engine.cluster.network_jobs import combined_resources, job_ids, remaining_networks
from mml_lib.machine.rule_names import RuleNames

NAMES = RuleNames()


@dataclass(eq=False)
class Step:
    """A step of a plan, with what is asked of Snakemake's jobs."""

    name: str
    fold: int = 0
    task: str = "t"
    resources: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rule = SimpleNamespace(name=self.name)
        self.wildcards_dict = {"task": self.task, "run": "r", "fold": str(self.fold)}
        self.wildcards = SimpleNamespace(**self.wildcards_dict)
        self.benchmark = None

    def is_group(self) -> bool:
        return False

    def __str__(self) -> str:
        return f"{self.name} {self.task} {self.fold}"


def network(fold: int, *needed: Step, task: str = "t") -> dict[Step, list[Step]]:
    """Return the steps of a network with the steps that each needs."""
    training, prediction, test = (Step(rule, fold, task) for rule in ("train_fold", "predict_fold", "test_fold"))
    return {training: list(needed), prediction: [training], test: [prediction]}


def plan_of(dependencies: dict[Step, list[Step]], **workflow: Any) -> Any:
    state = {"remote_exec": False, "local_exec": False, "touch": False} | workflow
    state["group_settings"] = SimpleNamespace(local_groupid="own")
    return SimpleNamespace(
        needrun_jobs=lambda: list(dependencies), dependencies=dependencies, workflow=SimpleNamespace(**state)
    )


def study_of(number: Any) -> Any:
    return SimpleNamespace(
        rule_names=NAMES,
        cfg=SimpleNamespace(networks_per_job=number),
        runs=SimpleNamespace(planned={("t", "r"): None}),
        gpus=SimpleNamespace(number=lambda rule: 1),
    )


def shared(ids: dict[Step, str]) -> list[set[int]]:
    """Return the folds of each job, in the order of the jobs."""
    return [{step.fold for step in ids if ids[step] == id_} for id_ in dict.fromkeys(ids.values())]


def test_networks_share_jobs_in_their_order_and_each_has_all_of_its_steps():
    dependencies = network(3) | network(0) | network(2) | network(1)
    ids = job_ids(study_of(3), plan_of(dependencies))
    assert ids.keys() == dependencies.keys()
    assert shared(ids) == [{0, 1, 2}, {3}]
    assert next(iter(ids.values())) == "train_fold-t-r-fold0-and-2-more"


def test_networks_that_need_others_are_in_later_jobs():
    source = network(0, task="source")
    select = Step("select_model")
    dependencies = source | {select: [next(iter(source))]} | network(1, select) | network(2, select)
    levels = {remaining.network: remaining.level for remaining in remaining_networks(NAMES, dependencies, dependencies)}
    assert levels == {("source", "r", "0"): 1, ("t", "r", "1"): 2, ("t", "r", "2"): 2}
    assert shared(job_ids(study_of(8), plan_of(dependencies))) == [{0}, {1, 2}]


def test_steps_that_need_other_networks_are_in_no_job():
    mine, other = network(0), network(1)
    predictions = [step for step in (mine | other) if step.name == "predict_fold"]
    own, pooled = Step("calibrate_fold"), Step("calibrate_other")
    dependencies = mine | other | {own: [predictions[0]], pooled: predictions}
    ids = job_ids(study_of(2), plan_of(dependencies))
    assert own in ids
    assert pooled not in ids


def test_a_network_with_light_steps_or_a_single_step_left_shares_no_job():
    light, single = Step("test_fold", 0), Step("predict_fold", 1)
    assert job_ids(study_of(1), plan_of({light: [], single: []})) == {}
    prediction = Step("predict_fold", 2)
    assert job_ids(study_of(1), plan_of({prediction: [], Step("test_fold", 2): [prediction]}))


def test_all_steps_within_a_job_are_one_job_of_the_snakemake_that_starts_them():
    dependencies = network(0) | network(1)
    assert set(job_ids(study_of(1), plan_of(dependencies, remote_exec=True)).values()) == {"own"}
    assert job_ids(study_of(1), plan_of(dependencies, remote_exec=True, local_exec=True)) == {}
    assert job_ids(study_of(1), plan_of({**dependencies, Step("own_rule"): []}, remote_exec=True)) == {}


@pytest.mark.parametrize(
    ("seconds", "minutes", "folds"),
    [
        (400.0, 10, [{0, 1, 2}, {3, 4}]),
        (None, 10, [{0}, {1}, {2}, {3}, {4}]),
        (1.0, 500, [{0}, {1}, {2}, {3}, {4}]),
        (1.0, 300, [{0, 1}, {2, 3}, {4}]),
    ],
    ids=["15 minutes", "not measured", "one a day", "two a day"],
)
def test_number_of_networks_follows_from_the_forecast(
    seconds: float | None, minutes: int, folds: list[set[int]], monkeypatch: pytest.MonkeyPatch
):
    forecast = SimpleNamespace(seconds=lambda step: seconds if step.rule == "train_fold" or seconds is None else 0.0)
    monkeypatch.setattr(network_jobs, "Forecast", lambda study: forecast)
    monkeypatch.setattr(network_jobs, "requests_of", lambda rule, wildcards: {"runtime": minutes})
    dependencies = {step: needed for fold in range(5) for step, needed in network(fold).items()}
    assert shared(job_ids(study_of("auto"), plan_of(dependencies))) == folds


def test_job_requests_the_sum_of_times_and_the_largest_of_everything_else():
    training = {"runtime": 60, "mem_mb": 8000, "mem": "8 GB", "gpu": 1, "_cores": 4, "slurm_partition": "gpu"}
    test = {"runtime": 10, "mem_mb": 4000, "mem": "4 GB", "_cores": 1, "slurm_partition": "cpu", "qos": "short"}
    steps = [Step("test_fold", fold, resources=test) for fold in range(2)]
    steps += [Step("train_fold", fold, resources=training) for fold in range(2)]
    assert combined_resources(study_of(1), steps) == {
        **{"runtime": 125, "mem_mb": 8000, "gpu": 1, "_cores": 4, "_nodes": 1},
        **{"slurm_partition": "gpu", "qos": "short"},
    }
