"""The metrics of a study: named ones of the registry, its own, and the selection of the best epoch by one of them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from mml_lib.config.sections import Section, Target, per_task_type
from mml_lib.errors import nearest
from mml_lib.metrics import find_metric, named_metrics, properties_of
from mml_lib.task_types import TASK_TYPES, TaskType

NAMED: Mapping[str, tuple[str, ...]] = {task_type: named_metrics(task_type) for task_type in TASK_TYPES}
"""Metrics by task type, as lists show them: some take any number in their names, see `is_metric`."""

OUT_OF_FOLD = "out_of_fold"
"""Split, in tables, of pooled predictions: of each sample by the network of the fold that did not train on it."""

PER_GROUP = "_per_group"
"""End of the name of a metric per group, as in `accuracy_per_group`."""


def name_per_sample(metric: str) -> str:
    """Return the name of a metric without the end that says it is per group."""
    return metric.removesuffix(PER_GROUP)


def is_metric(name: str, task_type: str | None = None) -> bool:
    """Return True if there is a metric of this name, for a task type or for any."""
    return (properties_of(name) if task_type is None else find_metric(task_type, name)) is not None


def lower_is_better(name: str) -> bool:
    """Return True for a named metric whose small values are good, and for `loss`."""
    metric = properties_of(name)
    return name == "loss" or (metric is not None and metric.lower_is_better)


def _known_metric(name: str) -> str:
    if not is_metric(name):
        names = {metric for metrics in NAMED.values() for metric in metrics}
        raise ValueError(f"there is no metric '{name}'{nearest(name, names)}")
    return name


Named = Annotated[str, AfterValidator(_known_metric)]


class Metric(Target):
    name: str = Field(description="Name of the metric in tables, histories and messages.")

    def spec(self) -> dict[str, Any]:
        return {key: value for key, value in super().spec().items() if key != "name"}


def metrics_of_params(values: Sequence[str | Mapping[str, Any]]) -> list[str | Metric]:
    """Return metrics out of the params of a rule: names, and specs of a study's own metrics."""
    return [value if isinstance(value, str) else Metric.model_validate(value) for value in values]


def _metrics(task_type: TaskType) -> tuple[Any, Any]:
    return list[Named | Metric], [*task_type.default_metrics]


class Metrics(per_task_type(_metrics)):  # type: ignore[misc]  # the fields are those of the task types
    """The metrics of each task type: names, or `_target_`s with a name."""


class StoreBest(Section):
    """Selection of the epoch whose weights are stored."""

    metric: str = Field("loss", description="Criterion on the validation split: loss, or a metric.")
    mode: Literal["min", "max"] | None = Field(
        None, description="Whether smaller or larger values are better; unset: the metric's own direction."
    )

    @model_validator(mode="after")
    def _spelled_out(self) -> "StoreBest":
        self.mode = self.mode or ("min" if lower_is_better(self.metric) else "max")
        return self

    @property
    def key(self) -> str:
        """The column of the history."""
        return f"val/{self.metric}"

    @property
    def sign(self) -> int:
        """1 where large values are good, -1 where small ones are."""
        return 1 if self.mode == "max" else -1


def as_store_best(value: Any) -> Any:
    """Return the section `store_best` of a study that switches it on or off, or names a metric."""
    if isinstance(value, bool):
        return {} if value else None
    return {"metric": value} if isinstance(value, str) else value
