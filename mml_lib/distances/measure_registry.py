"""The registry of measures: distances between tasks, by name.

A measure takes the data of a source task, those of a target task and its options, and returns a float: small is near.
A score whose large values are good is returned with a minus, so that all measures have one direction. NaN stands for
a distance that is undefined.

    @register_measure("means", needs=["features"], symmetric=True)
    def means(source: TaskData, target: TaskData, options: MeasureOptions) -> float:
        \"\"\"Distance of mean features.\"\"\"
        return float(np.linalg.norm(source.features.mean(axis=0) - target.features.mean(axis=0)))

`needs` says what a rule has to provide:

| need | field of `TaskData` |
| --- | --- |
| `keywords` | `keywords` of both tasks |
| `features` | `features` of both tasks, by one extractor |
| `fisher` | `fisher` of both tasks, by one extractor; `mml_lib.schedulers.feature_plans.fisher_heads` plans it |
| `labels` | `labels` (and `folds`, if there are some) of the target: classes, several labels or values |
| `classes` | `labels` (and `folds`) of the target: one class for each sample |
| `transferred_features` | `features` of the target: its samples in the source's network |
| `transferred_probabilities` | `probabilities` of the target: its samples in the source's network |
| `distances` | the matrices of those that the option `weights` names: `function(matrices, options)` returns a matrix |

The modules that planning imports (this one and those that register) import no NumPy; measures import what they compute
with when they are called.
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
    """Options of a measure: a class of its own with a field for each, whose default holds where it is left out."""

    model_config = ConfigDict(frozen=True)

    LATER: ClassVar[tuple[str, ...]] = ()
    """Options that were added after others had been used: unset, they change no identity."""

    @property
    def content(self) -> dict[str, Any]:
        """The options as an identity has them."""
        unset = {key for key in self.LATER if getattr(self, key) == type(self).model_fields[key].default}
        return self.model_dump(mode="json", exclude=unset)

    def check_target(self, task: str, samples: int, folds: int, width: int | None = None) -> None:
        """Refuse a target with too few samples, while planning; measures without a least number take all.

        Args:
            task: its name.
            samples: number of compared samples, at most.
            folds: number of folds.
            width: number of features of the source's network; None: unknown while planning.

        Raises:
            MMLError: there are too few.
        """


@dataclass(frozen=True)
class Measure:
    """A registered measure.

    Args:
        name: name in studies and in the names of tables.
        function: takes source, target and options, returns the distance. With `summarise` it takes what that returns
            in the place of the tasks' data.
        needs: data that it reads.
        symmetric: the distance from A to B is that from B to A.
        zero_diagonal: the distance of a task to itself is 0, if it is defined.
        options: class of its options.
        summarise: takes the data of a task and the options, returns what the function needs of it. It makes a study
            of many pairs cheap.
        version: raised when the distances become others.
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
        """Digest of each module of the user's own that decides the distances, by module name."""
        return code_of_function(self.function.__module__, self.function.__name__)

    @property
    def combines(self) -> bool:
        """True for a measure of other measures' matrices."""
        return "distances" in self.needs

    @property
    def of_source_networks(self) -> bool:
        """True for a measure of the target's samples in the source's network, not of both tasks' samples."""
        return "transferred_features" in self.needs or "transferred_probabilities" in self.needs

    @property
    def compares_extractors(self) -> bool:
        """True for a measure of features, or Fisher information, that are of one extractor for both tasks."""
        return "features" in self.needs or "fisher" in self.needs

    def read_options(self, values: Mapping[str, Any] | None = None, where: str = "") -> Any:
        """Return the options of the measure.

        Args:
            values: options of a study by key; those left out have their defaults.
            where: key of the study, for messages.

        Raises:
            MMLError: an unknown key, or a value that it does not take.
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
        """Return the summary of a task that `between` takes, computed once for all its pairs."""
        return self.summarise(task, options) if self.summarise else task

    def between(self, source: Any, target: Any, options: Any) -> float:
        """Return the distance from source to target.

        Args:
            source: summary of the source task.
            target: summary of the target task.
            options: options that both summaries were computed with.

        Raises:
            MMLError: the distance is infinite.
        """
        distance = float(self.function(source, target, options))
        if math.isinf(distance):
            raise MMLError(f"{self.name}: the distance is infinite; scale the features down")
        return distance

    def compare(self, source: TaskData, target: TaskData, options: Any = None) -> float:
        """Return the distance from source to target; NaN where it is undefined.

        Raises:
            MMLError: the data of a task do not fit the measure.

        Example:
            >>> MEASURES["semantic"].compare(TaskData("a", ["skin", "lesion"]), TaskData("b", ["skin"]))
            0.5
        """
        options = self.read_options() if options is None else options
        if self.compares_extractors:
            check_extractors(source, target)
        return self.between(self.summary(source, options), self.summary(target, options), options)


def check_extractors(source: TaskData, target: TaskData) -> None:
    """Refuse features, or Fisher information, of different extractors.

    Raises:
        MMLError: they are.
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
        raise MMLError(f"features of different extractors: {first}, {second}; extract both by the same one")


MEASURES: Registry[Measure] = Registry("measure")
"""All measures by name, those of plugins among them."""


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
        needs: data that it reads, see above.
        symmetric: the distance from A to B is that from B to A, so that each pair is computed once.
        zero_diagonal: the distance of a task to itself is 0.
        options: a subclass of `MeasureOptions` with a field for each option.
        summarise: takes the data of a task and the options; the function then takes its results.
        version: raise it when the function returns other distances.

    Raises:
        MMLError: the name cannot be written or is taken, there is no such need, or no option names what is combined.
    """
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise MMLError(f"the measure '{name}' cannot be written; name it by lower-case letters, digits and _")
    for need in needs:
        if need not in get_args(Need):
            raise MMLError(f"measure {name}: there is no need '{need}'{nearest(need, get_args(Need))}")
    if "distances" in needs and "weights" not in options.model_fields:
        raise MMLError(f"measure {name}: it combines others, so its options need the field weights, which names them")

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        measure = Measure(name, function, tuple(needs), symmetric, zero_diagonal, options, summarise, version)
        MEASURES.add(name, measure)
        return function

    return register
