"""Progress of a run: running, finished and failed steps, from the events of Snakemake's log."""

import threading
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ScreenStep:
    """A started step.

    Args:
        jobid: number of its job.
        rule: name of its rule.
        name: message of the step.
        started: when it was started, or submitted to a cluster, in seconds since the epoch.
        log: paths of its logs.
        threads: number of threads.
        gpus: number of GPUs.
        is_local: True if it runs on the machine of Snakemake.
    """

    jobid: int
    rule: str
    name: str
    started: float
    log: tuple[str, ...] = ()
    threads: int = 1
    gpus: int = 0
    is_local: bool = True

    @classmethod
    def of_record(cls, record: Any, rule: str | None = None) -> "ScreenStep":
        """Return the step that a record of the event `job_info` starts.

        Args:
            record: the record.
            rule: name of its rule; None: the name in the record.
        """
        wildcards = " ".join(f"{key}={value}" for key, value in (record.wildcards or {}).items())
        return cls(
            jobid=record.jobid,
            rule=rule or record.rule_name,
            name=" ".join((record.rule_msg or f"{record.rule_name} {wildcards}").split()),
            started=record.created,
            log=tuple(record.log or ()),
            threads=record.threads or 1,
            gpus=_number(record.resources, "gpu"),
            is_local=bool(record.local),
        )


def _number(resources: Any, name: str) -> int:
    value = resources.get(name, 0) if resources is not None else 0
    return value if isinstance(value, int) else 0


@dataclass
class Progress:
    """Progress of a run. Several threads read and change it.

    Args:
        targets: rules without outputs, which do not count as steps.
    """

    targets: Collection[str]
    planned: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    running: dict[int, ScreenStep] = field(default_factory=dict)
    done_jobs: set[int] = field(default_factory=set)
    names: dict[int, str] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock)

    @property
    def total(self) -> int:
        """Number of planned steps."""
        return self.planned.total()

    @property
    def done(self) -> int:
        """Number of finished steps."""
        return self.finished.total()

    def plan(self, stats: Mapping[str, int]) -> None:
        """Set the number of planned steps by rule, from Snakemake's statistics of a plan."""
        counts = {rule: int(number) for rule, number in stats.items() if rule not in (*self.targets, "total")}
        with self._lock:
            self.planned = Counter(counts)

    def start(self, step: ScreenStep) -> None:
        """Add a running step."""
        with self._lock:
            if step.rule not in self.targets:
                self.running[step.jobid] = step
                self.names[step.jobid] = step.name

    def finish(self, jobid: int) -> ScreenStep | None:
        """Count a step as finished and return it; None for a target."""
        with self._lock:
            step = self.running.pop(jobid, None)
            if step is not None:
                self.finished[step.rule] += 1
                self.done_jobs.add(jobid)
        return step

    def stop(self, jobid: int) -> None:
        """Remove a running step that the user has ended."""
        with self._lock:
            self.running.pop(jobid, None)

    def fail(self, jobid: int) -> ScreenStep | None:
        """Count a step as failed and return it; None for a target. Snakemake may start it again."""
        with self._lock:
            step = self.running.pop(jobid, None)
            if step is not None:
                self.failed[step.rule] += 1
        return step

    def steps(self) -> list[ScreenStep]:
        """Return the running steps in the order of their start."""
        with self._lock:
            return sorted(self.running.values(), key=lambda step: (step.started, step.jobid))

    def ended(self) -> set[int]:
        """Return the ids of finished jobs."""
        with self._lock:
            return set(self.done_jobs)
