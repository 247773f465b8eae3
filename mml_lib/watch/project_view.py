"""View of a project, from its files alone: state of the run, trainings, results so far, resources, logs."""

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from mml_lib.engine.screen.outcome_table import summary_rows
from mml_lib.files.manager import MMLFileManager
from mml_lib.machine.measured import Measured, benchmark_files
from mml_lib.watch.results_so_far import ResultsSoFar, finite, mean
from mml_lib.watch.training_curves import Training, TrainingLogs

MOST_LOGS = 100
"""Logs that the page lists: the latest."""

HEARTBEATS = 4
"""Number of missed heartbeats after which a run counts as silent."""


class ProjectView:
    """Reader of a project. Unchanged files are read once.

    Args:
        fm: file manager of the project.
    """

    def __init__(self, fm: MMLFileManager):
        self.fm = fm
        self.root = fm.proj_path.resolve()
        self._trainings = TrainingLogs(self.root)
        self._results = ResultsSoFar(fm)
        self._measured: dict[Path, Measured] = {}
        psutil.cpu_percent()  # the first call returns no load

    def read(self) -> dict[str, Any]:
        """Return the state of the project for the page, with values that JSON supports."""
        run = self._run()
        trainings, further = self._trainings.latest()
        labels = self._results.labels()
        return {
            "project": self.fm.project,
            "folder": str(self.fm.proj_path),
            "now": time.time(),
            "run": run,
            "trainings": [self._described(training, run, labels) for training in trainings],
            "further_trainings": further,
            "results": list(self._final(run)),
            "so_far": self._results.rows(run.get("main_metrics", {})),
            "resources": self._resources(),
            "machine": self._machine(run),
            "logs": self._logs(),
        }

    # --- the run ----------------------------------------------------------------------------------------------------

    def _run(self) -> dict[str, Any]:
        """Return the state of the latest run; of a project without one, the rules whose steps have logs."""
        try:
            run = json.loads(self.fm.run_state_path.read_text(encoding="utf-8"))
            if not isinstance(run, dict) or run["format"] != 1:
                raise ValueError
        except (OSError, ValueError, KeyError):
            folders = [folder for folder in sorted((self.root / "LOGS").glob("*")) if folder.is_dir()]
            counts = {folder.name: len(list(folder.glob("*.log"))) for folder in folders}
            rules = [{"name": name, "planned": n, "finished": n, "failed": 0} for name, n in counts.items()]
            return {"status": "unknown", "rules": rules, "follows": [], "running": [], "failures": [], "modes": []}
        if run["status"] == "running" and time.time() - run["written"] > HEARTBEATS * run["heartbeat"]:
            run["status"] = "silent"
        return run

    def _described(self, training: Training, run: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
        """Return a training with its state."""
        logs = {log for step in run["running"] for log in step["logs"]}
        state = "stopped"
        if training.log in logs:
            state = "running" if run["status"] == "running" else "silent"
        elif training.run and self._is_trained(training):
            state = "finished"
        elif training.error:
            state = "failed"
        elif not training.run and training.epoch and training.epoch == training.epochs:
            state = "finished"
        return asdict(training) | {"state": state, "epoch": training.epoch, "label": labels.get(training.run, "")}

    def _is_trained(self, training: Training) -> bool:
        path = self.fm.path("models", task=training.task, run=training.run, fold=training.fold)
        return Path(path).exists()

    # --- results ----------------------------------------------------------------------------------------------------

    def _final(self, run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the results of each finished mode by the main metrics."""
        for wildcards in self.fm.existing("summary"):
            path = Path(self.fm.path("summary", **wildcards))
            try:
                rows = [asdict(row) for row in summary_rows(path, run.get("main_metrics", {}))]
                yield {"mode": wildcards["mode"], "written": path.stat().st_mtime, "rows": rows}
            except (OSError, KeyError, ValueError, TypeError):
                continue  # the file is being written, or was changed by hand

    # --- resources --------------------------------------------------------------------------------------------------

    def _resources(self) -> list[dict[str, Any]]:
        """Return time and memory of the measured steps of each rule of the project."""
        by_rule: dict[str, list[Measured]] = {}
        for file in benchmark_files([self.root / "BENCHMARKS"]):
            if file not in self._measured:
                try:
                    self._measured[file] = Measured.of(file)
                except (OSError, ValueError, IndexError):
                    continue
            measured = self._measured[file]
            by_rule.setdefault(measured.rule, []).append(measured)
        return [
            {
                "rule": rule,
                "steps": len(steps),
                "seconds": mean([step.seconds for step in steps]),
                "most_seconds": max(finite([step.seconds for step in steps]), default=None),
                "most_mb": max(finite([step.mb for step in steps]), default=None),
            }
            for rule, steps in sorted(by_rule.items())
        ]

    def _machine(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Return the free disk space, and the load of this machine if the run is on it."""
        host = socket.gethostname()
        machine: dict[str, Any] = {"host": run.get("host", ""), "is_here": run.get("host") == host}
        machine["disk_free_gb"] = psutil.disk_usage(str(self.root)).free / 1e9
        if machine["is_here"]:
            memory = psutil.virtual_memory()
            machine |= {"cpu_percent": psutil.cpu_percent(), "cores": os.cpu_count()}
            machine |= {"memory_gb": memory.total / 1e9, "memory_used_gb": (memory.total - memory.available) / 1e9}
        return machine

    # --- logs -------------------------------------------------------------------------------------------------------

    def _logs(self) -> list[dict[str, Any]]:
        """Return the latest logs."""
        logs: list[dict[str, Any]] = []
        for path in (self.root / "LOGS").glob("*/*.log"):
            try:
                state = path.stat()
            except OSError:
                continue
            logs.append({"path": str(path.relative_to(self.root)), "written": state.st_mtime, "bytes": state.st_size})
        return sorted(logs, key=lambda log: -log["written"])[:MOST_LOGS]

    def log_path(self, path: str) -> Path | None:
        """Return the path of a log of the project; None for other files, also if a link leads to them.

        Args:
            path: relative to the project.
        """
        try:
            whole = (self.root / path).resolve()
        except (OSError, ValueError):
            return None
        is_log = whole.is_relative_to(self.root / "LOGS") and whole.suffix == ".log"
        return whole if is_log and whole.is_file() else None
