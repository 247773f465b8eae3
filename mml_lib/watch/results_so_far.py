"""Results so far: metrics of those networks of a project that are trained and tested."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from mml_lib.files.manager import MMLFileManager
from mml_lib.pipelines.differences import flatten, varying

MOST_LABEL = 80
"""Characters of a label."""


class ResultsSoFar:
    """Reader of models, metrics and pipelines. Unchanged files are read once.

    Args:
        fm: file manager of the project.
    """

    def __init__(self, fm: MMLFileManager):
        self.fm = fm
        self._read: dict[str, tuple[int, dict[str, Any]]] = {}

    def rows(self, main_metrics: dict[str, str]) -> list[dict[str, Any]]:
        """Return a row for each run with a trained network, the lowest validation loss of each task first.

        Args:
            main_metrics: main metric by task; of other tasks, the first metric counts.

        Returns:
            `task`, `run`, `label`, `networks`; `loss`: mean validation loss of the networks; `metric`, `validation` and
            `test`: means of the main metric; `tested`: number of tested networks.
        """
        validated: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for network in self.fm.existing("models"):
            if model := self._content(self.fm.path("models", **network)):
                validated.setdefault((network["task"], network["run"]), []).append(model)
        tested: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for network in self.fm.existing("metrics", eval="test"):
            if metrics := self._content(self.fm.path("metrics", **network)):
                tested.setdefault((network["task"], network["run"]), []).append(metrics)
        labels = self.labels()
        rows = []
        for (task, run), models in validated.items():
            tests = [test.get("metrics", {}) for test in tested.get((task, run), [])]
            validations = [model.get("metrics", {}) for model in models]
            metric = main_metrics.get(task) or next((key for test in tests for key in test), "")
            rows.append(
                {
                    **{"task": task, "run": run, "label": labels.get(run, "")},
                    **{"networks": len(models), "tested": len(tests), "metric": metric},
                    "loss": mean([model.get("performance") for model in models]),
                    "validation": mean([values.get(f"val/{metric}") for values in validations]),
                    "test": mean([values.get(metric) for values in tests]),
                }
            )
        return sorted(rows, key=lambda row: (row["task"], row["loss"] is None, row["loss"]))

    def labels(self) -> dict[str, str]:
        """Return the keys in which each run differs from the other runs of its task."""
        by_task: dict[str, dict[str, dict[str, Any]]] = {}
        for wildcards in self.fm.existing("pipeline"):
            if pipeline := self._content(self.fm.path("pipeline", **wildcards)):
                by_task.setdefault(wildcards["task"], {})[wildcards["run"]] = pipeline
        labels = {}
        for runs in by_task.values():
            keys = [key for key in varying(list(runs.values())) if key not in ("format", "needs_mml", "version")]
            for run, pipeline in runs.items():
                flat = flatten(pipeline)
                words = ", ".join(f"{key}={_short(flat[key])}" for key in keys if key in flat)
                labels[run] = words if len(words) <= MOST_LABEL else f"{words[: MOST_LABEL - 1]}…"
        return labels

    def _content(self, path: str) -> dict[str, Any] | None:
        """Return the content of a JSON or YAML file; None if it cannot be read."""
        try:
            changed = Path(path).stat().st_mtime_ns
            if path not in self._read or self._read[path][0] != changed:
                text = Path(path).read_text(encoding="utf-8")
                content = json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
                self._read[path] = changed, content if isinstance(content, dict) else {}
            return self._read[path][1]
        except (OSError, ValueError, yaml.YAMLError):
            return None


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def finite(values: Iterable[Any]) -> list[float]:
    """Return the finite numbers among some values."""
    return [value for value in values if isinstance(value, int | float) and abs(value) < float("inf")]


def mean(values: Iterable[Any]) -> float | None:
    """Return the mean of the finite numbers among some values; None without any."""
    numbers = finite(values)
    return sum(numbers) / len(numbers) if numbers else None
