"""The section of a study about hyper-parameter search."""

import json
import math
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt, model_validator

from mml_lib.config.factories import check_path
from mml_lib.config.sections import Section
from mml_lib.errors import nearest

SAMPLERS = ("tpe", "random", "grid", "qmc", "cmaes", "gp")
"""Samplers by name. Other samplers of Optuna are named by their class."""

INDEPENDENT = ("random", "grid", "qmc")
"""Samplers that do not use results, so that all trials can be trained at once."""

LEARNING = ("tpe", "gp")
"""Samplers that can learn from trials of other studies."""

UNCONDITIONAL = ("grid", "qmc", "cmaes", "gp")
"""Samplers that need every parameter in every trial."""

COMPARABLE = ("tpe", "gp", *INDEPENDENT)
"""Samplers that can propose from a subset of the earlier trials, such as a bracket of hyperband."""

SINGLE_OBJECTIVE = ("cmaes",)
"""Samplers that cannot search for several objectives."""

COSTS = ("training_time", "num_parameters")
"""Objectives that are properties of a trained network rather than values on its validation split."""


class Interval(Section):
    """A range of numbers."""

    low: float | int = Field(description="Smallest value.")
    high: float | int = Field(description="Largest value.")
    log: bool = Field(False, strict=True, description="Search on a logarithmic scale.")
    step: float | int | None = Field(None, gt=0, description="Distance of neighbouring values; unset: any value.")

    @model_validator(mode="after")
    def _has_values(self) -> "Interval":
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"low and high must be finite, but the range is {self.low} to {self.high}")
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) must be less than high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic scale needs a low above 0, not {self.low}; raise low, or leave log out")
        if self.log and self.step is not None:
            raise ValueError("log cannot be combined with step; leave one of them out")
        if self.step is not None and self.step > self.high - self.low:
            raise ValueError(f"step ({self.step}) is larger than the range, {self.low} to {self.high}; lower it")
        return self


class Halving(Section):
    """Successive halving: each rung continues only the better trainings."""

    min_epochs: PositiveInt = Field(1, description="Epochs of all trials, before the first selection.")
    factor: Annotated[int, Field(ge=2)] = Field(
        3, description="One in this many trials continues, for this many times as many epochs."
    )
    keep_checkpoints: bool = Field(
        False,
        strict=True,
        description="Keep the checkpoints of stopped trials. If you increase search.trials later, trials that "
        "continue then resume from them.",
    )


class Hyperband(Halving):
    """Successive halving in several brackets. Each bracket begins with more epochs than the previous one."""


def _sampler(value: str) -> str:
    if value in SAMPLERS:
        return value
    if "." not in value:
        raise ValueError(f"there is no sampler '{value}'{nearest(value, SAMPLERS)}, or name the class of another one")
    return check_path(value)


def _without_spelling(value: Any) -> Any:
    """Return a value whose numbers have forgotten their spelling in the study file."""
    return json.loads(json.dumps(value)) if isinstance(value, dict | list) else value


def _range_or_choices(value: Any) -> Any:
    if not isinstance(value, dict | list):
        raise ValueError(
            f"{json.dumps(value)} is not a range; write {{low: 0.001, high: 0.1, log: true}}, or a list of choices"
        )
    return value


def _fold_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is not a fold; write its number")
    return value


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


class Search(Section):
    """Hyper-parameter search: a sampler proposes trials, and the best pipeline is trained on all folds."""

    sampler: Annotated[str, AfterValidator(_sampler)] = Field(
        "tpe",
        description="Sampler that proposes trials: tpe, random, grid, qmc, cmaes, gp, or the class of another "
        "Optuna sampler.",
    )
    trials: Annotated[int, Field(ge=1, le=100_000)] = Field(
        20, description="Number of trials. A larger number continues an earlier search."
    )
    max_epochs: PositiveInt | None = Field(
        None,
        description="Maximum number of epochs of all trials together, on all folds. MML proposes fewer trials if "
        "they could take more. Unset: no limit.",
    )
    parallel: PositiveInt = Field(
        1,
        description="Number of trials that may run at once: trial i is proposed from the results of trials 1 to i - "
        "parallel. It affects the search; samplers that use no results ignore it.",
    )
    space: Annotated[
        dict[str, Annotated[dict[str, Any] | list[Any], BeforeValidator(_range_or_choices)]],
        BeforeValidator(_without_spelling),
    ] = Field(
        description="Dotted keys of a pipeline with a range {low, high, log, step}, or a list of choices. {choices: "
        "[…], when: {…}} or {low, high, when: {…}} searches a key only if other keys have these values.",
        min_length=1,
    )
    objective: Annotated[list[str] | None, BeforeValidator(_as_list, json_schema_input_type=str | list[str] | None)] = (
        Field(
            None,
            min_length=1,
            description="Validation metric, loss, training_time or num_parameters; or a list of objectives, the first "
            "of which chooses the best trial. Unset: the first metric of the task.",
        )
    )
    folds: list[Annotated[int, BeforeValidator(_fold_number)]] = Field(
        [0], min_length=1, description="Folds to train trials on; objectives are means over them."
    )
    halving: Halving | None = Field(None, description="Stop worse trials early; unset: all trials are fully trained.")
    hyperband: Hyperband | None = Field(
        None,
        description="Halving in several brackets, which begin with different numbers of epochs, for pipelines whose "
        "first epochs predict the last ones poorly.",
    )
    top: PositiveInt = Field(1, description="Number of best trials to train on all folds and to test.")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="Seed of the sampler.")
    start: Annotated[list[dict[str, Any]], BeforeValidator(_without_spelling)] = Field(
        [], description="Trials to begin with: values of keys of the space. The sampler proposes the other values."
    )

    @model_validator(mode="after")
    def _parts_fit(self) -> "Search":
        if self.start and self.sampler == "grid":
            raise ValueError("start cannot be combined with sampler: grid, which tries all points; leave start out")
        if len(self.start) > self.trials:
            raise ValueError(f"start has {len(self.start)} trials, but trials is {self.trials}; raise trials")
        if self.top > self.trials:
            raise ValueError(f"top is {self.top}, but trials is {self.trials}; lower top")
        if len(set(self.folds)) < len(self.folds):
            raise ValueError(f"a fold appears twice in folds: {self.folds}; keep it once")
        self.folds = sorted(self.folds)  # their order has no effect
        if self.halving and self.hyperband:
            raise ValueError("hyperband is a kind of halving; leave one of them out")
        if self.hyperband and self.sampler not in COMPARABLE:
            raise ValueError(
                f"hyperband cannot be combined with sampler: {self.sampler}; set sampler: tpe, or use halving"
            )
        self._check_objectives(self.objective or ())
        return self

    def _check_objectives(self, objectives: Sequence[str]) -> None:
        if len(set(objectives)) < len(objectives):
            raise ValueError(f"an objective appears twice: {', '.join(objectives)}; keep it once")
        if len(objectives) > 1 and self.sampler in SINGLE_OBJECTIVE:
            raise ValueError(
                f"the sampler {self.sampler} supports one objective; set sampler: tpe, or a single objective"
            )
        if self.early_stopping is None:
            return
        name = self.early_stopping_key
        if costs := [objective for objective in objectives if objective in COSTS]:
            raise ValueError(
                f"{name} ranks trials by validation values, which {costs[0]} is not; leave one of them out"
            )
        if len(objectives) > 1:
            raise ValueError(f"{name} ranks trials by one objective; name one, or leave {name} out")

    @property
    def early_stopping(self) -> Halving | None:
        """Options of halving or hyperband; None without either."""
        return self.halving or self.hyperband

    @property
    def early_stopping_key(self) -> str:
        """Key of these options."""
        return "hyperband" if self.hyperband else "halving"

    @property
    def is_independent(self) -> bool:
        """True if trials are proposed without the results of others."""
        return self.sampler in INDEPENDENT
