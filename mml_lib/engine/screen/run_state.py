"""State of a run in a file of its project, for `python -m mml_lib.watch`, which may run on another machine.

The file is written whole or not at all, by a thread of its own: neither a slow nor a full disk holds up a run.
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
"""Version of the file."""

INTERVAL = 1.0
"""Least seconds between two writings."""

HEARTBEAT = 15.0
"""Most seconds between two writings: an older file is of a killed run."""

MOST_FAILURES = 50
"""Failures that are kept."""

TERMINATED = "Terminating processes"
"""Beginning of Snakemake's message when it ends steps that run."""


class RunState(logging.Handler):
    """Follows a run by the events of Snakemake's log, and keeps its state in a file.

    Args:
        study: the study.
        failures: of the run; its handler comes before this one.
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
        self._began = 0.0
        self._thread = threading.Thread(target=self._write_again_and_again, daemon=True)

    # --- events -----------------------------------------------------------------------------------------------------

    def emit(self, record: Any) -> None:
        try:
            self._emit(record)
        except Exception:  # a picture of a run must not end it
            self.handleError(record)

    def _emit(self, record: Any) -> None:
        event = str(getattr(record, "event", None) or "")
        names = self.study.rule_names
        if event == "run_info":
            stats = {own: number for rule, number in record.stats.items() if (own := names.own(rule)) is not None}
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

    def begin(self, dag: "DAG", time_left: Callable[[], str]) -> None:
        """Write the state from now on.

        Args:
            dag: Snakemake's plan.
            time_left: gives the time left in words.
        """
        jobs = self.study.rule_names.jobs(dag.jobs, "finish_exp")
        names = self.study.rule_names
        order = [own for rule in dag.workflow.rules if (own := names.own(rule.name)) is not None]
        self._plan = {
            "modes": list(dict.fromkeys(job.wildcards.mode for job in jobs)),
            "main_metrics": {task.name: self.study.main_metric(task.task_type) for task in self.study.tasks.values()},
            "order": order,
            "follows": sorted(direct(_rule_edges(dag, names), order)),
        }
        self._time_left = time_left
        self._began = time.time()
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

    def _write_again_and_again(self) -> None:
        while not self._ended.is_set():
            self._changed.clear()
            self._write("running")
            self._ended.wait(INTERVAL)
            self._changed.wait(HEARTBEAT - INTERVAL)

    def _write(self, status: str) -> None:
        with contextlib.suppress(Exception):  # a picture of a run must not end it
            write_text(self.study.fm.run_state_path, json.dumps(self.content(status)))

    def content(self, status: str) -> dict[str, Any]:
        """Return the state of the run.

        Args:
            status: `running`, or how the run has ended.
        """
        progress, running = self.progress, status == "running"
        rules = [rule for rule in self._plan["order"] if rule in progress.planned]
        return {
            "format": FORMAT,
            "status": status,
            "host": socket.gethostname(),
            "began": self._began,
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
            "follows": [[one, other] for one, other in self._plan["follows"] if one in rules and other in rules],
            "running": [self._described(step) for step in progress.steps()] if running else [],
            "failures": list(self._failed.values())[-MOST_FAILURES:],
        }

    def _described(self, step: ScreenStep) -> Mapping[str, Any]:
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
        """Return the logs of a step, relative to the project; those of shared data stay as they are."""
        root = self.study.fm.proj_path
        return [os.path.relpath(path, root) if Path(path).is_relative_to(root) else str(path) for path in step.log]


def _rule_edges(dag: "DAG", names: "RuleNames") -> set[tuple[str, str]]:
    """Return pairs of rules of a plan, of which the second needs outputs of the first."""
    edges = set()
    for job in dag.needrun_jobs():
        for before in dag.dependencies[job]:
            one, other = names.of_job(before), names.of_job(job)
            if one is not None and other is not None and one != other:
                edges.add((one, other))
    return edges


def direct(edges: set[tuple[str, str]], order: Sequence[str]) -> set[tuple[str, str]]:
    """Return the edges of a graph without those that close a circle, and without those that a longer path replaces.

    Args:
        edges: pairs of rules: trials follow the proposals that follow trials.
        order: all rules; of a circle, the edges against this order go.
    """
    place = {rule: number for number, rule in enumerate(order)}
    forward = {(one, other) for one, other in edges if place[one] < place[other] or one not in reached(edges, other)}
    after = {one: {other for start, other in forward if start == one} for one, _ in forward}
    return {
        (one, other)
        for one, other in forward
        if not any(other in reached(forward, between) for between in after[one] - {other})
    }


def reached(edges: set[tuple[str, str]], start: str) -> set[str]:
    """Return all that a path leads to from a start."""
    names: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        following = {other for one, other in edges if one == name} - names
        names |= following
        waiting += following
    return names
