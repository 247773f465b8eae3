"""Facts of a study that its methods section states, from its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mml_lib.metrics import find_metric


@dataclass(frozen=True)
class StudyFacts:
    """Data, pipelines, networks and evaluation of a study.

    Args:
        tasks: headers of the task descriptions.
        groups: number of groups of each task with groups, by name.
        pipelines: pipelines of the runs whose networks are tested.
        models: content of the model storages of their networks; empty if `remove` has dropped them.
        metrics: description of each metric by task type and name.
        evaluation: `bootstrap`, `per_group`, `weighted_metrics`, `nested`, `tta`, `compared` (number of procedures) and
            `mode` of the study.
        rows: rows of the summary.
    """

    tasks: Sequence[Mapping[str, Any]]
    groups: Mapping[str, int]
    pipelines: Sequence[Mapping[str, Any]]
    models: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, Mapping[str, str]]
    evaluation: Mapping[str, Any]
    rows: Sequence[Mapping[str, str]]

    def values(self, key: str) -> list[Any]:
        """Return the different values of a section or key of the pipelines, each once."""
        values: list[Any] = []
        for pipeline in self.pipelines:
            value = pipeline_value(pipeline, key)
            if value not in values:
                values.append(value)
        return values

    def shared(self, key: str) -> Any:
        """Return the value of a key that all pipelines share; None if they differ or have none."""
        values = self.values(key)
        return values[0] if len(values) == 1 else None

    def differs(self, key: str) -> bool:
        """Return True if pipelines for the same task differ in a section or key."""
        values: dict[str, Any] = {}
        for pipeline in self.pipelines:
            value = pipeline_value(pipeline, key)
            if values.setdefault(str(pipeline_value(pipeline, "task.name")), value) != value:
                return True
        return False

    @cached_property
    def searches(self) -> list[Mapping[str, Any]]:
        """The searches that chose pipelines, each once."""
        searches: list[Mapping[str, Any]] = []
        for pipeline in self.pipelines:
            search = pipeline.get("search")
            without = {key: value for key, value in (search or {}).items() if key not in OF_A_RUN}
            if search and without not in searches:
                searches.append(without)
        return searches


def describe_metrics(names: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """Return the description of each named metric by task type and name."""
    described: dict[str, dict[str, str]] = {}
    for task_type, of_type in names.items():
        metrics = {name: find_metric(task_type, name) for name in of_type}
        described[task_type] = {name: metric.description for name, metric in metrics.items() if metric is not None}
    return described


OF_A_RUN = ("rank", "trained_as", "replaced", "added")
"""Keys of the entry of a search that are those of a single run."""


def pipeline_value(pipeline: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key; None without one."""
    value: Any = pipeline
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
