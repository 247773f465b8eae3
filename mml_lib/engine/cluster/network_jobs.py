"""Cluster jobs of networks: the steps of a network share one job, and so do several small networks.

The networks of a job do not need each other. A job starts when the inputs of all its steps exist, and runs its steps
one after another.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mml_lib.machine.rule_names import RuleNames
from mml_lib.studies.resources.forecast import Forecast
from mml_lib.studies.resources.planned_steps import Step, requests_of

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.jobs import AbstractJob, Job

    from mml_lib.studies.study import Study

HEAVY = ("train_fold", "tune_fold", "predict_fold", "predict_other")
"""Rules whose steps are submitted to a cluster, the most expensive one first."""

CORE = ("train_fold", "tune_fold", "predict_fold", "test_fold")
"""Rules of the steps of a network on its own task."""

OTHER_TASKS = ("predict_other", "test_other")
"""Rules of the steps of a network on other tasks."""

JOINING = (*OTHER_TASKS, "calibrate_fold", "calibrate_other", "measure_masks", "measure_other_masks")
"""Rules of steps that join the job of their network, unless they depend on later networks."""

SHORTEST = 15 * 60
"""Least duration of a job in seconds with `networks_per_job: auto`, if there are enough networks."""

LONGEST = 24 * 60
"""Minutes that a job with `networks_per_job: auto` requests at most, unless a single network requests more."""

LIGHT = 5
"""Minutes that a job requests at most for its light steps."""

NAME_LENGTH = 80
"""Characters of a task's name in the id of a job."""

SIZES = ("mem", "disk")
"""Resources that Snakemake has both as text and as a number of MB."""

Network = tuple[str, str, str]
"""Task, run and fold."""


@dataclass(frozen=True)
class Remaining:
    """Remaining steps of a network.

    Args:
        network: the network.
        jobs: Snakemake's jobs of the steps.
        level: length of the longest chain of networks on which it depends.
    """

    network: Network
    jobs: tuple["Job", ...]
    level: int


def job_ids(study: "Study", dag: "DAG") -> dict["Job", str]:
    """Return the id of the cluster job of each step that shares a job.

    Args:
        study: the study.
        dag: Snakemake's plan; within a job, all of its steps have one id.
    """
    workflow, jobs = dag.workflow, list(dag.needrun_jobs())
    if workflow.remote_exec:
        are_grouped = not workflow.local_exec and len(jobs) > 1
        are_grouped = are_grouped and all(is_of_network(study.rule_names, job) for job in jobs)
        return dict.fromkeys(jobs if are_grouped else (), workflow.group_settings.local_groupid)
    if workflow.touch:
        return {}
    ranks = {run: rank for rank, run in enumerate(study.runs.planned)}

    def place(remaining: Remaining) -> tuple[int, int, tuple[int, int], Network]:
        task, run, fold = remaining.network
        rank = ranks.get((task, run), -1)
        return remaining.level, -_gpus(study, remaining), (rank, int(fold)), remaining.network

    left = sorted(remaining_networks(study.rule_names, jobs, dag.dependencies), key=place)
    by_level: defaultdict[tuple[int, int], list[Remaining]] = defaultdict(list)
    for remaining in left:
        by_level[place(remaining)[:2]].append(remaining)
    number = study.cfg.networks_per_job
    chunks = [
        chunk
        for networks in by_level.values()
        for chunk in (_by_time(study, networks) if number == "auto" else _by_number(networks, number))
    ]
    shared = [chunk for chunk in chunks if sum(len(remaining.jobs) for remaining in chunk) > 1]
    return {job: _id_of(study.rule_names, chunk) for chunk in shared for remaining in chunk for job in remaining.jobs}


def is_of_network(names: RuleNames, job: "AbstractJob") -> bool:
    """Return True for a step, or a group of steps, that may share the job of a network."""
    steps = job.jobs if job.is_group() else [job]
    return all(names.of_job(step) in (*CORE, *JOINING) for step in steps)


def remaining_networks(
    names: RuleNames, jobs: Iterable["Job"], dependencies: Mapping["Job", Collection["Job"]]
) -> list[Remaining]:
    """Return the networks of a plan with heavy steps left. Networks of one level do not need each other.

    Args:
        names: MML's names of the rules.
        jobs: the remaining steps.
        dependencies: the steps that each step needs.
    """
    remaining_jobs = list(jobs)
    rules = {job: names.of_job(job) for job in remaining_jobs}
    steps: defaultdict[Network, list[Job]] = defaultdict(list)
    for job in remaining_jobs:
        if rules[job] in (*CORE, *JOINING):
            steps[_network_of(job)].append(job)
    networks = {job: network for network, network_jobs in steps.items() for job in _core(network_jobs, rules)}
    order, levels = _levels(remaining_jobs, networks, dependencies)
    members = {
        network: [job for job in network_jobs if networks.get(job) == network]
        for network, network_jobs in steps.items()
    }
    for job in order:
        if rules[job] not in JOINING or job in networks or not members[network := _network_of(job)]:
            continue
        outside = [other for other in dependencies[job] if networks.get(other) != network]
        if max((levels.get(networks.get(other, other), 0) for other in outside), default=0) < levels[network]:
            networks[job] = network
            members[network].append(job)
    return [
        Remaining(network, tuple(network_jobs), levels[network])
        for network, network_jobs in members.items()
        if network_jobs
    ]


def _core(steps: Sequence["Job"], rules: Mapping["Job", str | None]) -> list["Job"]:
    """Return the main steps of a network's job; empty without a remaining heavy step."""
    for rules_of_job in (CORE, OTHER_TASKS):
        core = [job for job in steps if rules[job] in rules_of_job]
        if any(rules[job] in HEAVY for job in core):
            return core
    return []


def _levels(
    left: Sequence["Job"], networks: dict["Job", Network], dependencies: Mapping["Job", Collection["Job"]]
) -> tuple[list["Job"], dict["Job | Network", int]]:
    """Return the steps in topological order, and the level of each network.

    Networks that need each other have no order: their steps are removed from `networks`.
    """
    needed: defaultdict[Job | Network, set[Job | Network]] = defaultdict(set)
    following: defaultdict[Job | Network, set[Job | Network]] = defaultdict(set)
    jobs: defaultdict[Job | Network, list[Job]] = defaultdict(list)
    planned = set(left)
    for job in left:
        node = networks.get(job, job)
        jobs[node].append(job)
        for other in dependencies[job]:
            if other in planned and (before := networks.get(other, other)) != node:
                needed[node].add(before)
                following[before].add(node)
    levels: dict[Job | Network, int] = {}
    order: list[Job] = []
    ready = [node for node in jobs if not needed[node]]
    waits = {node: len(before) for node, before in needed.items()}
    while ready:
        node = ready.pop()
        levels[node] = max((levels[before] for before in needed[node]), default=0) + isinstance(node, tuple)
        order += jobs[node]
        for after in following[node]:
            waits[after] -= 1
            if not waits[after]:
                ready.append(after)
    for job in [job for job, network in networks.items() if network not in levels]:
        del networks[job]
    return order, levels


def _network_of(job: "Job") -> Network:
    wildcards = job.wildcards_dict
    return wildcards["task"], wildcards["run"], wildcards["fold"]


def _gpus(study: "Study", remaining: Remaining) -> int:
    """Return the number of GPUs of a network's training; 0 without a remaining training."""
    number = study.gpus.number("train_fold")
    trainings = study.rule_names.jobs(remaining.jobs, "train_fold")
    return max((number(job.wildcards) if callable(number) else number for job in trainings), default=0)


def _by_number(networks: Sequence[Remaining], number: int) -> list[Sequence[Remaining]]:
    return [networks[start : start + number] for start in range(0, len(networks), number)]


def _by_time(study: "Study", networks: Sequence[Remaining]) -> list[Sequence[Remaining]]:
    """Return the networks of each job, by expected times. A network with an unknown time has a separate job."""
    seconds_of = _expected_seconds(study)
    minutes_of = _requested_minutes(study.rule_names)
    chunks: list[list[Remaining]] = []
    seconds, minutes = float("inf"), 0
    for remaining in networks:
        expected, requested = seconds_of(remaining), minutes_of(remaining)
        if expected is None or seconds >= SHORTEST or minutes + requested > LONGEST:
            chunks.append([])
            seconds, minutes = 0.0, 0
        chunks[-1].append(remaining)
        seconds += float("inf") if expected is None else expected
        minutes += requested
    return [*chunks]


def _expected_seconds(study: "Study") -> Callable[[Remaining], float | None]:
    """Return the function for the expected seconds of a network's heavy steps; None: no similar one was measured."""
    forecast, cache = Forecast(study), dict[tuple[str, str, str], float | None]()

    def of_step(job: "Job") -> float | None:
        task, run, _ = _network_of(job)
        key = job.rule.name, task, run
        if key not in cache:
            rule = study.rule_names.of_job(job) or ""
            cache[key] = forecast.seconds(Step(rule, job.benchmark, wildcards=job.wildcards_dict))
        return cache[key]

    def of_network(remaining: Remaining) -> float | None:
        seconds = list(map(of_step, study.rule_names.jobs(remaining.jobs, *HEAVY)))
        return None if None in seconds else sum(filter(None, seconds))

    return of_network


def _requested_minutes(names: RuleNames) -> Callable[[Remaining], int]:
    """Return the function for the minutes that a network's heavy steps request, as the first step of each rule does."""
    cache: dict[str, int] = {}

    def of_step(job: "Job") -> int:
        if job.rule.name not in cache:
            cache[job.rule.name] = requests_of(job.rule, job.wildcards_dict)["runtime"] or 0
        return cache[job.rule.name]

    return lambda remaining: sum(map(of_step, names.jobs(remaining.jobs, *HEAVY)))


def _id_of(names: RuleNames, networks: Sequence[Remaining]) -> str:
    """Return the id of a job: its most expensive rule, its first network and the number of the others."""
    rules = {names.of_job(job): job.rule.name for remaining in networks for job in remaining.jobs}
    heaviest = next(rules[rule] for rule in HEAVY if rule in rules)
    task, run, fold = networks[0].network
    more = f"-and-{len(networks) - 1}-more" if len(networks) > 1 else ""
    return f"{heaviest}-{task[:NAME_LENGTH]}-{run}-fold{fold}{more}"


def combined_resources(study: "Study", jobs: Collection["Job"]) -> dict[str, int | str]:
    """Return the resources of a cluster job whose steps run one after another.

    Times of heavy steps are added up; all light steps together get a few minutes. The maximum of other numbers counts.
    Texts, such as a partition, are those of the most expensive step.

    Args:
        study: the study.
        jobs: the steps.
    """
    names = study.rule_names
    rank = {rule: number for number, rule in enumerate((*HEAVY, *CORE, *JOINING)[::-1])}
    ordered = sorted(jobs, key=lambda job: (-rank[names.of_job(job) or ""], str(job)))
    combined: dict[str, int | str] = {}
    heavy, light = 0, 0
    for job in ordered:
        for name, value in job.resources.items():
            if name in SIZES or not isinstance(value, int):
                if name not in SIZES and type(value) is str:  # values that are known only on the node have another type
                    combined.setdefault(name, value)
            elif name == "runtime":
                heavy += value * (names.of_job(job) in HEAVY)
                light = max(light, value * (names.of_job(job) not in HEAVY))
            elif not isinstance(combined.get(name), str):
                combined[name] = max(value, int(combined.get(name, value)))
    if heavy + light:
        combined["runtime"] = heavy + min(light, LIGHT)
    return combined | {"_nodes": 1}
