"""Metrics of a study: named metrics, your own, and the metric that selects the best epoch."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from mml_lib.config.sections import Section, Target, per_task_type
from mml_lib.errors import nearest
from mml_lib.metrics import find_metric, named_metrics, properties_of
from mml_lib.task_types import TASK_TYPES, TaskType

NAMED: Mapping[str, tuple[str, ...]] = {task_type: named_metrics(task_type) for task_type in TASK_TYPES}
"""Metrics by task type, for lists. Some names accept any number; `is_metric` checks them."""

OUT_OF_FOLD = "out_of_fold"
"""Name, in tables, of the pooled predictions of all folds, each by the network that did not train on the sample."""

PER_GROUP = "_per_group"
"""Suffix of metrics per group, as in `accuracy_per_group`."""


def name_per_sample(metric: str) -> str:
    """Return the name of a metric without the suffix of metrics per group."""
    return metric.removesuffix(PER_GROUP)


def is_metric(name: str, task_type: str | None = None) -> bool:
    """Return True if there is a metric of this name, for a task type or for any."""
    return (properties_of(name) if task_type is None else find_metric(task_type, name)) is not None


def lower_is_better(name: str) -> bool:
    """Return True for `loss`, and for named metrics of which smaller values are better."""
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
    """Return the metrics in the params of a rule: names, and specs of the study's own metrics."""
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
        """Column of the history."""
        return f"val/{self.metric}"

    @property
    def sign(self) -> int:
        """1 if larger values are better, -1 if smaller values are."""
        return 1 if self.mode == "max" else -1


def as_store_best(value: Any) -> Any:
    """Return the section `store_best` of a study that writes a switch or the name of a metric."""
    if isinstance(value, bool):
        return {} if value else None
    return {"metric": value} if isinstance(value, str) else value
