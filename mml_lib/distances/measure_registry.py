"""The registry of measures: distances between tasks, by name.

A measure is a function from the data of a source task, the data of a target task and its options to a float; smaller is
nearer. Scores whose larger values are better are negated, so that all measures have the same direction. NaN denotes an
undefined distance.

    @register_measure("means", needs=["features"], symmetric=True)
    def means(source: TaskData, target: TaskData, options: MeasureOptions) -> float:
        \"\"\"Distance of mean features.\"\"\"
        return float(np.linalg.norm(source.features.mean(axis=0) - target.features.mean(axis=0)))

`needs` names the data that a rule provides:

| need | field of `TaskData` |
| --- | --- |
| `keywords` | `keywords` of both tasks |
| `features` | `features` of both tasks, by one extractor |
| `fisher` | `fisher` of both tasks, by one extractor; `mml_lib.schedulers.feature_plans.fisher_heads` plans it |
| `labels` | `labels` (and `folds`, if there are some) of the target: classes, several labels or values |
| `classes` | `labels` (and `folds`) of the target: one class for each sample |
| `transferred_features` | `features` of the target: its samples in the source's network |
| `transferred_probabilities` | `probabilities` of the target: its samples in the source's network |
| `distances` | matrices of the measures in the option `weights`: `function(matrices, options)` returns a matrix |

Planning imports this module and those that register measures. They therefore import no NumPy; measures import it when
they are called.
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from pydantic import ConfigDict, ValidationError

from mml_lib.config.sections import Section
from mml_lib.distances.task_data import TaskData
from mml_lib.errors import MMLError, nearest
from mml_lib.pipelines.own_code import code_of_function
from mml_lib.registry import Registry

Need = Literal[
    "keywords",
    "features",
    "fisher",
    "labels",
    "classes",
    "transferred_features",
    "transferred_probabilities",
    "distances",
]
"""Data that a measure reads."""


class MeasureOptions(Section):
    """Options of a measure. Derive a class with a field and a default for each option."""

    model_config = ConfigDict(frozen=True)

    LATER: ClassVar[tuple[str, ...]] = ()
    """Options that were added later. Their defaults do not change identities."""

    @property
    def content(self) -> dict[str, Any]:
        """Options for an identity, without defaults of later options."""
        unset = {key for key in self.LATER if getattr(self, key) == type(self).model_fields[key].default}
        return self.model_dump(mode="json", exclude=unset)

    def check_target(self, task: str, samples: int, folds: int, width: int | None = None) -> None:
        """Refuse a target with too few samples while planning. By default, any number is enough.

        Args:
            task: name of the target.
            samples: largest number of compared samples.
            folds: number of folds.
            width: number of features of the source's network; None: unknown while planning.

        Raises:
            MMLError: there are too few samples.
        """


@dataclass(frozen=True)
class Measure:
    """A registered measure.

    Args:
        name: name in studies and in the names of tables.
        function: function from source, target and options to the distance. With `summarise`, source and target are its
            results instead of the tasks' data.
        needs: data that the function reads.
        symmetric: True if the distance from A to B equals that from B to A.
        zero_diagonal: True if the distance of a task to itself is 0, where defined.
        options: class of its options.
        summarise: function from the data of a task and the options to a summary, computed once for all pairs.
        version: version that is increased when the distances change.
    """

    name: str
    function: Callable[..., Any]
    needs: tuple[Need, ...]
    symmetric: bool
    zero_diagonal: bool
    options: type[MeasureOptions]
    summarise: Callable[[TaskData, Any], Any] | None
    version: int

    @property
    def description(self) -> str:
        """First line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def code(self) -> dict[str, str]:
        """Digests of the user's own modules that the distances depend on, by module name."""
        return code_of_function(self.function.__module__, self.function.__name__)

    @property
    def combines(self) -> bool:
        """True for a measure that combines matrices of other measures."""
        return "distances" in self.needs

    @property
    def of_source_networks(self) -> bool:
        """True for a measure that compares the target's samples in the source's network, not samples of both tasks."""
        return "transferred_features" in self.needs or "transferred_probabilities" in self.needs

    @property
    def compares_extractors(self) -> bool:
        """True for a measure that needs features or Fisher information of both tasks by the same extractor."""
        return "features" in self.needs or "fisher" in self.needs

    def read_options(self, values: Mapping[str, Any] | None = None, where: str = "") -> Any:
        """Return the options of the measure.

        Args:
            values: options in a study by key; other options have their defaults.
            where: key of the study, for errors.

        Raises:
            MMLError: a key is unknown, or a value is invalid.
        """
        try:
            return self.options(**(values or {}))
        except ValidationError as error:
            problem = error.errors()[0]
        key = ".".join([*([where] if where else [self.name]), *map(str, problem["loc"])])
        if problem["type"] == "extra_forbidden":
            raise MMLError(f"unknown key '{key}'{nearest(str(problem['loc'][-1]), self.options.model_fields)}")
        if problem["type"] == "missing":
            raise MMLError(
                f"the key '{key}' is missing: {self.options.model_fields[str(problem['loc'][0])].description}"
            )
        if problem["type"] == "value_error":
            raise MMLError(f"{key}: {problem['ctx']['error']}")
        raise MMLError(f"{key}: {problem['msg'][0].lower()}{problem['msg'][1:]}, not {problem['input']!r}")

    def summary(self, task: TaskData, options: Any) -> Any:
        """Return the summary of a task for `between`. It is computed once for all pairs of the task."""
        return self.summarise(task, options) if self.summarise else task

    def between(self, source: Any, target: Any, options: Any) -> float:
        """Return the distance from source to target.

        Args:
            source: summary of the source task.
            target: summary of the target task.
            options: options of both summaries.

        Raises:
            MMLError: the distance is infinite.
        """
        distance = float(self.function(source, target, options))
        if math.isinf(distance):
            raise MMLError(f"{self.name}: the distance is infinite; scale the features down")
        return distance

    def compare(self, source: TaskData, target: TaskData, options: Any = None) -> float:
        """Return the distance from source to target; NaN if it is undefined.

        Raises:
            MMLError: data of a task are missing or invalid for the measure.

        Example:
            >>> MEASURES["semantic"].compare(TaskData("a", ["skin", "lesion"]), TaskData("b", ["skin"]))
            0.5
        """
        options = self.read_options() if options is None else options
        if self.compares_extractors:
            check_extractors(source, target)
        return self.between(self.summary(source, options), self.summary(target, options), options)


def check_extractors(source: TaskData, target: TaskData) -> None:
    """Refuse features or Fisher information of different extractors.

    Raises:
        MMLError: the extractors differ.
    """
    widths = [
        next((array.shape[-1] for array in (task.features, task.fisher) if array is not None), None)
        for task in (source, target)
    ]
    if source.extractor != target.extractor or (None not in widths and widths[0] != widths[1]):
        first, second = (
            f"those of {task.name} have {width} dimensions{f' by {task.extractor}' if task.extractor else ''}"
            for task, width in zip((source, target), widths, strict=True)
        )
        raise MMLError(f"features of different extractors: {first}, {second}; extract both by the same extractor")


MEASURES: Registry[Measure] = Registry("measure")
"""All measures by name, including those of plugins."""


def register_measure(
    name: str,
    needs: Sequence[Need],
    symmetric: bool,
    zero_diagonal: bool = True,
    options: type[MeasureOptions] = MeasureOptions,
    summarise: Callable[[TaskData, Any], Any] | None = None,
    version: int = 1,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function `(source, target, options) -> float` as the measure `name`.

    Args:
        name: lower-case letters, digits and `_`.
        needs: data that the function reads, see above.
        symmetric: True if the distance from A to B equals that from B to A, so that each pair is computed once.
        zero_diagonal: True if the distance of a task to itself is 0.
        options: subclass of `MeasureOptions` with a field for each option.
        summarise: function from the data of a task and the options to the argument of the decorated function.
        version: increase it when the function returns other distances.

    Raises:
        MMLError: the name is invalid or taken, a need does not exist, or no option names the combined measures.
    """
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise MMLError(f"'{name}' is not a valid name of a measure; use lower-case letters, digits and _")
    for need in needs:
        if need not in get_args(Need):
            raise MMLError(f"measure {name}: there is no need '{need}'{nearest(need, get_args(Need))}")
    if "distances" in needs and "weights" not in options.model_fields:
        raise MMLError(
            f"measure {name}: it combines other measures, so its options need the field weights with their names"
        )

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        measure = Measure(name, function, tuple(needs), symmetric, zero_diagonal, options, summarise, version)
        MEASURES.add(name, measure)
        return function

    return register
