"""The registry of tags."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mml_lib.config.task_options import ARGUMENT
from mml_lib.errors import MMLError
from mml_lib.pipelines.own_code import code_of_function
from mml_lib.registry import Registry

if TYPE_CHECKING:
    from mml_lib.tasks.description import TaskDescription


KINDS: Mapping[str, type[int] | type[float] | type[str]] = {"int": int, "float": float, "str": str}
"""Types of a tag's arguments, by the annotation of the parameter; `str` without an annotation."""


@dataclass(frozen=True)
class Shape:
    """Properties of a task for planning: type, folds, test and unlabelled samples."""

    task_type: str
    num_folds: int
    has_test: bool
    has_unlabelled: bool = False

    @classmethod
    def of(cls, header: Mapping[str, Any]) -> "Shape":
        """Return the shape of a task that is described."""
        splits = header["num_samples"]
        return cls(header["task_type"], header["num_folds"], "test" in splits, "unlabelled" in splits)


@dataclass(frozen=True)
class Axis:
    """Axis of the curve that tasks with different first arguments of one tag form.

    Args:
        label: name of the axis.
        counted: True: a point stands at its number of training samples; False: at the tag's argument.
        with_base: whether the task without the tag is a point of the curve; at 0 where samples are not counted.
    """

    label: str
    counted: bool
    with_base: bool = True


@dataclass(frozen=True)
class Tag:
    """A registered tag.

    Args:
        name: name in the names of tasks.
        function: takes a task description and the arguments, returns another description.
        plan: takes the shape of the base and the arguments, returns the new shape or refuses the tag.
        version: raised when the result of the function changes.
        keeps_classes: whether the task has the classes of its base.
        axis: axis of the curve of tasks whose first arguments differ; None: they form no curve.
    """

    name: str
    function: Callable[..., "TaskDescription"]
    plan: Callable[..., Shape] | None = None
    version: int = 1
    keeps_classes: bool = False
    axis: Axis | None = None

    @property
    def code(self) -> dict[str, str]:
        """Digest of each module of the user's own that decides the result of the tag, by module name."""
        return code_of_function(self.function.__module__, self.function.__name__)

    @property
    def usage(self) -> str:
        """The tag as it is written, e.g. `subset~FRACTION[~SEED]`."""
        text = self.name
        for parameter in self._parameters:
            word = parameter.name.upper()
            if parameter.kind is parameter.VAR_POSITIONAL:
                text += f"{ARGUMENT}{word}…"
            else:
                text += f"{ARGUMENT}{word}" if parameter.default is parameter.empty else f"[{ARGUMENT}{word}]"
        return text

    @property
    def _parameters(self) -> list[inspect.Parameter]:
        return list(inspect.signature(self.function).parameters.values())[1:]

    def parse(self, words: Sequence[str]) -> list[Any]:
        """Return the arguments of a tag.

        Raises:
            MMLError: too many, too few, or one that is not of its type.
        """
        parameters = self._parameters
        most = len(words) if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(parameters)
        least = sum(p.default is p.empty for p in parameters)
        if not least <= len(words) <= most:
            number = "1 argument" if len(words) == 1 else f"{len(words)} arguments"
            raise MMLError(f"the tag '{self.name}' is written {self.usage}, it was given {number}")
        parsed: list[Any] = []
        for position, word in enumerate(words):
            parameter = parameters[min(position, len(parameters) - 1)]
            kind = _kind(parameter) or str
            try:
                # `0_25` is the older spelling of 0.25.
                parsed.append(kind(word.replace("_", ".") if kind is float else word))
            except ValueError as error:
                name = "whole number" if kind is int else "number"
                raise MMLError(f"the tag {self.usage}: '{word}' is not a {name}") from error
            if parameter.name == "seed" and parsed[-1] < 0:
                raise MMLError(f"the tag {self.usage}: a seed is a whole number from 0 on, not {word}")
        return parsed


def _kind(parameter: inspect.Parameter) -> type[int] | type[float] | type[str] | None:
    """Return the type of an argument; None if tags cannot have such arguments."""
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return str
    return KINDS.get(annotation if isinstance(annotation, str) else getattr(annotation, "__name__", ""))


TAGS: Registry[Tag] = Registry("tag")
"""All tags by name, those of plugins among them."""


def register_tag(
    name: str,
    plan: Callable[..., Shape] | None = None,
    version: int = 1,
    keeps_classes: bool = False,
    axis: Axis | None = None,
) -> Callable[[Callable[..., "TaskDescription"]], Callable[..., "TaskDescription"]]:
    """Register the decorated function `(task: TaskDescription, *arguments) -> TaskDescription` as the tag `name`.

    Args:
        name: lower-case letters and `_`.
        plan: for tags that change folds or splits, or whose arguments can be wrong: `(shape, *arguments) -> Shape`.
        version: raise it when the result of the function changes.
        keeps_classes: whether the task has the classes of its base, so that planning knows them.
        axis: for tags that leave the test split alone, with a number as first and perhaps a `seed` as second argument.

    Raises:
        MMLError: the name cannot be written or is taken, or a parameter is no int, float or str.
    """
    if not re.fullmatch("[a-z_]+", name):
        raise MMLError(f"the tag '{name}' cannot be written; name it by lower-case letters and _")

    def register(function: Callable[..., "TaskDescription"]) -> Callable[..., "TaskDescription"]:
        tag = Tag(name, function, plan, version, keeps_classes, axis)
        for parameter in tag._parameters:
            if _kind(parameter) is None:
                raise MMLError(f"the tag '{name}': annotate its parameter '{parameter.name}' by int, float or str")
        TAGS.add(name, tag)
        return function

    return register


def parse_tag(text: str) -> tuple[Tag, list[Any]]:
    """Return the tag and the arguments of `subset~0.1~7`.

    Raises:
        MMLError: no such tag, or arguments that it does not take.
    """
    name, *words = text.split(ARGUMENT)
    return TAGS[name], TAGS[name].parse(words)


def plan_tag(shape: Shape, text: str) -> Shape:
    """Return the shape of a task with a further tag.

    Raises:
        MMLError: the tag does not exist, or cannot be put on such a task.
    """
    tag, arguments = parse_tag(text)
    return tag.plan(shape, *arguments) if tag.plan else shape


def apply_tag(
    task: "TaskDescription", text: str, function: Callable[..., "TaskDescription"] | None = None
) -> "TaskDescription":
    """Return a task with a further tag.

    Args:
        task: the task without the tag.
        text: the tag with its arguments.
        function: function to use instead of the tag's own; None: the tag's own.

    Raises:
        MMLError: the tag does not fit the task, leaves too few samples, or gives another shape than planned.
    """
    tag, arguments = parse_tag(text)
    planned = plan_tag(Shape.of(task.header), text)
    tagged = (function or tag.function)(task, *arguments)
    if label := lost_class(task.header, tagged.header):
        raise MMLError(
            f"the tag '{text}' leaves no training sample of the class '{label}' in {task.header['name']}; "
            "choose more samples"
        )
    if lacking := lacking_samples(tagged, planned):
        raise MMLError(f"the tag '{text}' leaves no {lacking} in {task.header['name']}; choose more samples")
    if (actual := Shape.of(tagged.header)) != planned:
        raise MMLError(f"the tag '{text}' gives {actual}, but planned {planned}; correct the tag's plan")
    return tagged


def lost_class(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Return the first class that has lost its training samples, by the headers of two tasks.

    Classes that the second task does not have are ignored.
    """
    counts = before["class_occ"]
    lost = (label for label in after["classes"] if counts.get(label) and not after["class_occ"][label])
    return next(lost, None)


def lacking_samples(task: "TaskDescription", planned: Shape) -> str | None:
    """Return the first planned kind of samples that a task lacks; None if it has all."""
    folds = task.column["fold"][task.column["split"] == "train"].tolist()
    if planned.num_folds and not folds:
        return "training sample"
    for fold in range(task.header["num_folds"]):
        if fold not in folds:
            return f"sample of fold {fold}"
        if all(other == fold for other in folds):
            return f"training sample outside of fold {fold}"
    numbers = task.header["num_samples"]
    for split, is_planned in (("test", planned.has_test), ("unlabelled", planned.has_unlabelled)):
        if is_planned and split not in numbers:
            return f"{split} sample"
    return None
