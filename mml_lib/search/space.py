"""Search space: the keys of a pipeline that a search varies, with their values and conditions."""

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from mml_lib.config.analysis.search_options import Interval
from mml_lib.errors import MMLError, nearest
from mml_lib.pipelines.digests import canonical_json

INNER_SHARE = (math.sqrt(5) - 1) / 2
"""Relative position of an inner value of a range. It is irrational, so that the value is not an integer."""

MAX_GRID = 100_000
"""Largest number of points of a grid."""


@dataclass(frozen=True)
class Parameter:
    """A searched key: a range of numbers, or choices.

    Args:
        key: dotted key of a pipeline.
        choices: values to choose from; empty for a range.
        low, high, log, step: the range.
        integer: True for a range of integers.
        when: values that other keys must have; otherwise the key is unchanged.
    """

    key: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    integer: bool = False
    when: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the choices in tables and for samplers."""
        return tuple(name_choice(choice) for choice in self.choices)

    @property
    def examples(self) -> tuple[Any, ...]:
        """All choices, or both bounds of the range."""
        return self.choices or (self.low, self.high)

    @property
    def inner(self) -> float | None:
        """A value between the bounds of a range of floats; None for integers and choices."""
        if self.choices or self.integer:
            return None
        return self.low + (self.step or (self.high - self.low) * INNER_SHARE)

    @property
    def num_points(self) -> int | None:
        """Number of values; None for a range without a step."""
        if self.choices:
            return len(self.choices)
        if self._spacing is None:
            return None
        return int((_exact(self.high) - _exact(self.low)) / _exact(self._spacing)) + 1

    def point(self, number: int) -> Any:
        """Return a value by its number, from 0 on, without rounding errors: 0.1 + 2 · 0.1 is 0.3."""
        if self.choices:
            return self.choices[number]
        assert self._spacing is not None, "the range has steps"
        value = _exact(self.low) + _exact(self._spacing) * number
        return int(value) if self.integer else float(value)

    @property
    def _spacing(self) -> float | None:
        return self.step or (1 if self.integer and not self.log else None)

    def check(self, value: Any) -> None:
        """Refuse a value outside the space.

        Raises:
            MMLError: the value is not a choice, or outside the range.
        """
        if self.choices:
            if name_choice(value) not in self.names:
                raise MMLError(f"{name_choice(value)} is not a choice of {self.key}; it has {', '.join(self.names)}")
        elif not isinstance(value, int | float) or isinstance(value, bool):
            raise MMLError(
                f"{json.dumps(value)} is not a number in the range of {self.key}, {self.low:g} to {self.high:g}"
            )
        elif not self.low <= value <= self.high:
            raise MMLError(f"{value} is outside the range of {self.key}, {self.low:g} to {self.high:g}")
        elif self.integer and value != int(value):
            raise MMLError(f"{value} is not an integer, but {self.key} is")
        elif self.step and abs(value - (step := self._nearest_step(value))) > 1e-8 * self.step:
            raise MMLError(
                f"{value} is not a step of {self.key}, from {self.low:g} in steps of {self.step:g}; write {step:g}"
            )

    def _nearest_step(self, value: float) -> float:
        assert self.step is not None, "the range has steps"
        assert self.num_points is not None, "the range has steps"
        return self.point(min(round((value - self.low) / self.step), self.num_points - 1))

    def __str__(self) -> str:
        words = ", ".join(self.names)
        if not self.choices:
            words = f"{self.low:g} to {self.high:g}" + (", logarithmic" if self.log else "")
            words += ", integers" if self.integer else f", steps of {self.step:g}" if self.step else ""
        when = " and ".join(f"{key} is {name_choice(value)}" for key, value in self.when.items())
        return f"{self.key}: {words}" + (f" (where {when})" if when else "")


def _exact(number: float) -> Decimal:
    """Return a number without binary rounding."""
    return Decimal(str(number))


def name_choice(value: Any) -> str:
    """Return the name of a choice: a text unchanged, a preset with its changes, other values as JSON."""
    if isinstance(value, Mapping) and "preset" in value:
        changes = {key: item for key, item in value.items() if key != "preset"}
        return f"{value['preset']} {canonical_json(changes)}"
    return value if isinstance(value, str) else canonical_json(value)


@dataclass(frozen=True)
class Space:
    """All searched keys. The keys of a condition precede the key that has it."""

    parameters: tuple[Parameter, ...]

    @classmethod
    def of(cls, options: Mapping[str, Any], present: Mapping[str, Any]) -> "Space":
        """Read a search space.

        Args:
            options: `search.space`.
            present: the values of the keys in the study. A range with integer bounds is a range of integers, unless the
                study has a float.

        Raises:
            MMLError: the first mistake.
        """
        parameters = {key: _parameter(key, value, present.get(key)) for key, value in options.items()}
        for key, parameter in parameters.items():
            for condition_key, value in parameter.when.items():
                _check_condition(key, condition_key, value, parameters)
        return cls(tuple(_ordered(parameters)))

    @property
    def is_conditional(self) -> bool:
        return any(parameter.when for parameter in self.parameters)

    def active(self, values: Mapping[str, Any]) -> Iterator[Parameter]:
        """Yield the parameters whose conditions hold. Callers may add values of yielded parameters meanwhile."""
        for parameter in self.parameters:
            conditions = parameter.when.items()
            if all(key in values and name_choice(values[key]) == name_choice(value) for key, value in conditions):
                yield parameter

    def check_start(self, start: Mapping[str, Any]) -> None:
        """Refuse an initial trial that is not in the space.

        Raises:
            MMLError: a key or a value is not in the space, or its condition does not hold.
        """
        parameters = {parameter.key: parameter for parameter in self.parameters}
        for key, value in start.items():
            if key not in parameters:
                raise MMLError(f"'{key}' is not in the space{nearest(key, parameters)}")
            parameters[key].check(value)
        active = {parameter.key for parameter in self.active(start)}
        for key in start:
            if key not in active:
                raise MMLError(f"'{key}' has a condition that does not hold; name the values that it needs")

    def points(self) -> list[dict[str, Any]]:
        """Return all points of a grid.

        Raises:
            MMLError: a range has no step, or there are too many.
        """
        sizes = []
        for parameter in self.parameters:
            if parameter.num_points is None:
                raise MMLError(f"search.space: a grid needs a step for {parameter.key}, or a list of values")
            sizes.append(parameter.num_points)
        if (number := math.prod(sizes)) > MAX_GRID:
            raise MMLError(f"search.space: a grid of {number:,} points is too large; use sampler: random or qmc")
        keys = [parameter.key for parameter in self.parameters]
        pairs = zip(self.parameters, sizes, strict=True)
        grids = [[parameter.point(index) for index in range(size)] for parameter, size in pairs]
        return [dict(zip(keys, values, strict=True)) for values in itertools.product(*grids)]


def _parameter(key: str, value: Mapping[str, Any] | list[Any], present: Any) -> Parameter:
    where = f"search.space.{key}"
    content: dict[str, Any] = {"choices": value} if isinstance(value, list) else dict(value)
    when = content.pop("when", {})
    if not isinstance(when, dict):
        raise MMLError(f"{where}: when is {when}; write it as {{optimizer: adamw}}")
    if content and not set(content) & {"low", "high", "choices"} and _is_section(content):
        (first_key, *_) = content
        raise MMLError(f"{where}: a key of the space is written with dots; write {key}.{first_key}: …")
    if "choices" in content:
        if extra := [name for name in content if name != "choices"]:
            raise MMLError(f"{where}: choices cannot be combined with {extra[0]}; remove one of them")
        return Parameter(key, _choices(where, content["choices"]), when=when)
    try:
        interval = Interval(**content)
    except ValidationError as error:
        problem = error.errors()[0]
        reason = problem["ctx"]["error"] if problem["type"] == "value_error" else problem["msg"].lower()
        name = ".".join(map(str, problem["loc"]))
        raise MMLError(
            f"{where}: {name}{': ' if name else ''}{reason}; write {{low: 0.001, high: 0.1, log: true}}, or a list of "
            "values"
        ) from error
    numbers = [interval.low, interval.high, *([] if interval.step is None else [interval.step])]
    integer = all(isinstance(number, int) for number in numbers) and not isinstance(present, float)
    if not integer:
        numbers = [float(number) for number in numbers]
    step = numbers[2] if interval.step is not None else None
    return Parameter(key, (), numbers[0], numbers[1], interval.log, step, integer, when)


def _is_section(content: Mapping[str, Any]) -> bool:
    """Return True if a mapping is a section with ranges or choices below it rather than a range itself."""
    return all(isinstance(value, dict | list) for value in content.values())


def _choices(where: str, values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list) or len(values) < 2:
        raise MMLError(f"{where}: a search needs at least two choices; name more, or set the value in the study itself")
    names = [name_choice(value) for value in values]
    if duplicates := [name for name in names if names.count(name) > 1]:
        raise MMLError(f"{where}: the choice {duplicates[0]} is listed twice; remove one")
    return tuple(values)


def _check_condition(key: str, condition_key: str, value: Any, parameters: Mapping[str, Parameter]) -> None:
    where = f"search.space.{key}.when"
    if condition_key not in parameters:
        raise MMLError(f"{where}: '{condition_key}' is not in the space{nearest(condition_key, parameters)}")
    if not parameters[condition_key].choices:
        raise MMLError(f"{where}: '{condition_key}' has a range, but a condition needs choices; list its values")
    try:
        parameters[condition_key].check(value)
    except MMLError as error:
        raise MMLError(f"{where}: {error}") from error


def _ordered(parameters: Mapping[str, Parameter]) -> Iterator[Parameter]:
    """Yield parameters, each after the keys of its condition.

    Raises:
        MMLError: conditions form a cycle.
    """
    remaining, done = dict(parameters), set[str]()
    while remaining:
        ready = [key for key, parameter in remaining.items() if done.issuperset(parameter.when)]
        if not ready:
            raise MMLError(f"search.space: the conditions of {' and '.join(remaining)} need each other; remove one")
        done.add(ready[0])
        yield remaining.pop(ready[0])
