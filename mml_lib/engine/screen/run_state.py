"""State of a run in a file of its project, for `python -m mml_lib.watch`, which may run on another machine.

A separate thread writes the file atomically: neither a slow nor a full disk delays a run.
"""

import atexit
import contextlib
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.engine.failures import MISSING, Failures
from mml_lib.engine.screen.step_progress import Progress, ScreenStep
from mml_lib.files.atomic import write_text

if TYPE_CHECKING:
    from snakemake.dag import DAG

    from mml_lib.machine.rule_names import RuleNames
    from mml_lib.studies.study import Study

FORMAT = 1
"""Version of the file's format."""

INTERVAL = 1.0
"""Least seconds between two writings."""

HEARTBEAT = 15.0
"""Most seconds between two writings. An older file belongs to a killed run."""

MOST_FAILURES = 50
"""Most failures in the file."""

TERMINATED = "Terminating processes"
"""Beginning of Snakemake's message when it terminates running steps."""


class RunState(logging.Handler):
    """Handler of Snakemake's log events that writes the state of a run to a file.

    Args:
        study: the study.
        failures: failures of the run; added to the logger before this handler.
    """

    def __init__(self, study: "Study", failures: Failures):
        super().__init__(logging.INFO)
        self.study = study
        self.failures = failures
        self.progress = Progress({"all", *study.schedulers.modes})
        self.is_terminated = False
        self._plan: dict[str, Any] = {}
        self._failed: dict[int, dict[str, Any]] = {}
        self._time_left: Callable[[], str] = lambda: ""
        self._changed, self._ended = threading.Event(), threading.Event()
        self._started = 0.0
        self._thread = threading.Thread(target=self._write_repeatedly, daemon=True)

    # --- events -----------------------------------------------------------------------------------------------------

    def emit(self, record: Any) -> None:
        try:
            self._emit(record)
        except Exception:  # an error of the display must not end the run
            self.handleError(record)

    def _emit(self, record: Any) -> None:
        event = str(getattr(record, "event", None) or "")
        names = self.study.rule_names
        if event == "run_info":
            stats = {name: number for rule, number in record.stats.items() if (name := names.own(rule)) is not None}
            self.progress.plan(stats)
        elif event == "job_info" and names.own(record.rule_name) is not None:
            self.progress.start(ScreenStep.of_record(record, names.own(record.rule_name)))
        elif event == "job_finished":
            self.progress.finish(record.job_id)
            self._failed.pop(record.job_id, None)
        elif event == "job_error":
            self._fail(record.jobid, record.created)
        elif event == "group_error":
            for job in record.job_error_info:
                self._fail(job["jobid"], record.created)
        elif record.levelno >= logging.WARNING and (match := MISSING.search(record.getMessage())):
            self._fail(int(match[1]), record.created)
        elif record.getMessage().startswith(TERMINATED):
            self.is_terminated = True
        else:
            return
        self._changed.set()

    def _fail(self, jobid: int, ended: float) -> None:
        if self.is_terminated:  # the user has ended it
            self.progress.stop(jobid)
        elif step := self.progress.fail(jobid):
            cause = self.failures.cause(step)
            self._failed[jobid] = {"name": step.name, "rule": step.rule, "cause": cause, "ended": ended}
            self._failed[jobid] |= {"logs": self._logs(step)}

    # --- the file ---------------------------------------------------------------------------------------------------

    def start(self, dag: "DAG", time_left: Callable[[], str]) -> None:
        """Start writing the state.

        Args:
            dag: Snakemake's plan.
            time_left: returns the remaining time in words.
        """
        jobs = self.study.rule_names.jobs(dag.jobs, "finish_exp")
        names = self.study.rule_names
        order = [name for rule in dag.workflow.rules if (name := names.own(rule.name)) is not None]
        self._plan = {
            "modes": list(dict.fromkeys(job.wildcards.mode for job in jobs)),
            "main_metrics": {task.name: self.study.main_metric(task.task_type) for task in self.study.tasks.values()},
            "order": order,
            "follows": sorted(direct_edges(_rule_edges(dag, names), order)),
        }
        self._time_left = time_left
        self._started = time.time()
        atexit.register(self.end, "interrupted")
        self._thread.start()

    def end(self, status: str) -> None:
        """Write the last state, once.

        Args:
            status: `finished`, `failed` or `interrupted`.
        """
        if self._plan and not self._ended.is_set():
            self._ended.set()
            self._changed.set()
            self._thread.join(HEARTBEAT)
            self._write(status)

    def _write_repeatedly(self) -> None:
        while not self._ended.is_set():
            self._changed.clear()
            self._write("running")
            self._ended.wait(INTERVAL)
            self._changed.wait(HEARTBEAT - INTERVAL)

    def _write(self, status: str) -> None:
        with contextlib.suppress(Exception):  # an error of the display must not end the run
            write_text(self.study.fm.run_state_path, json.dumps(self.content(status)))

    def content(self, status: str) -> dict[str, Any]:
        """Return the state of the run.

        Args:
            status: `running`, `finished`, `failed` or `interrupted`.
        """
        progress, running = self.progress, status == "running"
        rules = [rule for rule in self._plan["order"] if rule in progress.planned]
        return {
            "format": FORMAT,
            "status": status,
            "host": socket.gethostname(),
            "began": self._started,
            "written": time.time(),
            "heartbeat": HEARTBEAT,
            "left": self._time_left() if running else "",
            "modes": self._plan["modes"],
            "main_metrics": self._plan["main_metrics"],
            "rules": [
                {
                    "name": rule,
                    "planned": progress.planned[rule],
                    "finished": progress.finished[rule],
                    "failed": sum(failure["rule"] == rule for failure in list(self._failed.values())),
                }
                for rule in rules
            ],
            "follows": [
                [rule, follower] for rule, follower in self._plan["follows"] if rule in rules and follower in rules
            ],
            "running": [self._step_entry(step) for step in progress.steps()] if running else [],
            "failures": list(self._failed.values())[-MOST_FAILURES:],
        }

    def _step_entry(self, step: ScreenStep) -> Mapping[str, Any]:
        return {
            "rule": step.rule,
            "name": step.name,
            "started": step.started,
            "logs": self._logs(step),
            "threads": step.threads,
            "gpus": step.gpus,
            "is_local": step.is_local,
        }

    def _logs(self, step: ScreenStep) -> list[str]:
        """Return the paths of a step's logs, relative to the project unless they belong to shared data."""
        root = self.study.fm.proj_path
        return [os.path.relpath(path, root) if Path(path).is_relative_to(root) else str(path) for path in step.log]


def _rule_edges(dag: "DAG", names: "RuleNames") -> set[tuple[str, str]]:
    """Return pairs of rules of a plan whose second rule needs outputs of the first."""
    edges = set()
    for job in dag.needrun_jobs():
        for dependency in dag.dependencies[job]:
            rule, follower = names.of_job(dependency), names.of_job(job)
            if rule is not None and follower is not None and rule != follower:
                edges.add((rule, follower))
    return edges


def direct_edges(edges: set[tuple[str, str]], order: Sequence[str]) -> set[tuple[str, str]]:
    """Return the edges of a graph without cycles and without transitive edges.

    Args:
        edges: pairs of rules, possibly cyclic: proposals follow trials, and trials follow proposals.
        order: all rules. Edges of a cycle that run against this order are removed.
    """
    position = {rule: number for number, rule in enumerate(order)}
    forward = {
        (rule, follower)
        for rule, follower in edges
        if position[rule] < position[follower] or rule not in reachable(edges, follower)
    }
    followers = {rule: {follower for start, follower in forward if start == rule} for rule, _ in forward}
    return {
        (rule, follower)
        for rule, follower in forward
        if not any(follower in reachable(forward, between) for between in followers[rule] - {follower})
    }


def reachable(edges: set[tuple[str, str]], start: str) -> set[str]:
    """Return all rules that are reachable from a start."""
    names: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        following = {follower for rule, follower in edges if rule == name} - names
        names |= following
        waiting += following
    return names
