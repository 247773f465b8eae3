"""Feature baselines: simple models on stored features. They have run ids, as networks do."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from mml_lib.config.sections import Section
from mml_lib.errors import nearest
from mml_lib.pipelines.digests import digest

Method = Literal["nearest_neighbour", "linear_probe"]

METHODS: tuple[Method, ...] = get_args(Method)
"""Methods: weighted nearest neighbours, and logistic or ridge regression."""

BASELINE_VERSION = 1
"""Version that is increased when the same baseline begins to give other predictions."""


def _method(value: Any) -> str:
    if value not in METHODS:
        raise ValueError(f"there is no baseline '{value}'{nearest(str(value), METHODS)}")
    return value


class BaselineModel(Section):
    """A simple model on features. Options of other methods are refused."""

    model_config = ConfigDict(frozen=True)

    method: Annotated[Method, BeforeValidator(_method)] = Field(description="nearest_neighbour or linear_probe.")
    penalty: Annotated[PositiveFloat, Field(allow_inf_nan=False)] | None = Field(
        None,
        description="L2 penalty of a linear probe on standardised features; unset: 10 of classes and labels (C 0.1 of "
        "scikit-learn), and the best of six by leave-one-out errors of values.",
    )
    neighbours: PositiveInt | None = Field(None, description="Number of nearest neighbours that vote; unset: 20.")

    @model_validator(mode="after")
    def _own_options(self) -> "BaselineModel":
        for key, method in (("penalty", "linear_probe"), ("neighbours", "nearest_neighbour")):
            if getattr(self, key) is not None and self.method != method:
                raise ValueError(f"{key} is an option of {method}, not of {self.method}; leave it out")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """Options that are set."""
        return self.model_dump(exclude={"method"}, exclude_none=True)

    @property
    def label(self) -> str:
        """Name in tables: `linear_probe (penalty 100)`."""
        options = ", ".join(f"{key} {value:.10g}" for key, value in self.options.items())
        return f"{self.method} ({options})" if options else self.method


def _by_method(value: Any) -> Any:
    return value if isinstance(value, Mapping | BaselineModel) else {"method": value}


BaselineEntry = Annotated[BaselineModel, BeforeValidator(_by_method, json_schema_input_type=Method | BaselineModel)]
"""A method, or a method with its options."""


def _as_list(value: Any) -> Any:
    return value if value is None or isinstance(value, list) else [value]


BaselineEntries = Annotated[list[BaselineEntry], BeforeValidator(_as_list)]
"""A list of baselines, or a single one."""


@dataclass(frozen=True)
class FeatureBaseline:
    """A simple model that is fitted on the features of a task, fold by fold.

    Args:
        task: name of the task.
        task_id: id of the task.
        model: method and options.
        extractor: name of the extractor.
        content: everything that the extractor's features depend on.
    """

    task: str
    task_id: str
    model: BaselineModel
    extractor: str
    content: Mapping[str, Any]

    @cached_property
    def run(self) -> str:
        """Run id: 8 digits of the digest of everything that the predictions depend on."""
        parts = {"version": BASELINE_VERSION, "method": self.model.method, "features": dict(self.content)}
        return digest({**parts, **self.model.options, "task": [self.task, self.task_id]})

    @property
    def label(self) -> str:
        """Name in tables."""
        return f"{self.model.label} on {self.extractor}"
