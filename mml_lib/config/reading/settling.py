"""Types of scalars in study files: text if the schema expects text, otherwise the value that YAML reads."""

import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_validator

from mml_lib.config.reading.scalars import Word, plain, text_of

UNSETTLED = object()
"""Placeholder for the type of keys that their reader settles."""

LISTS = (list, tuple, set, frozenset, Sequence)


class KindError(ValueError):
    """A value of another kind than the schema expects; `location` is the path of its key."""

    def __init__(self, problem: str, location: tuple[str | int, ...] = ()):
        super().__init__(problem)
        self.location = location


def settled(value: Any, annotation: Any) -> Any:
    """Return a value of a study file as a value for its annotation.

    Args:
        value: value of `StudyLoader`, or any Python value.
        annotation: type of the value. Models settle their fields themselves.

    Raises:
        KindError: the value is a switch, but the schema expects text.
    """
    kinds = _kinds(annotation)
    if isinstance(value, Mapping):
        return _settled_mapping(value, kinds)
    if isinstance(value, list | tuple):
        return _settled_list(value, kinds)
    return value if value is None else _settled_scalar(value, kinds)


def _kinds(annotation: Any) -> list[Any]:
    """Return the members of a union, without their annotations."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [kind for member in get_args(annotation) for kind in _kinds(member)]
    return [annotation]


def _settled_scalar(value: Any, kinds: list[Any]) -> Any:
    if not any(_takes_text(kind) for kind in kinds):
        items = [kind for kind in kinds if get_origin(kind) in LISTS]
        is_single_list = items and all(kind in (None, type(None), items[0]) for kind in kinds)
        return settled(value, get_args(items[0])[0]) if is_single_list else plain(value)
    if any(_fits(value, kind) for kind in kinds):
        return plain(value)
    try:
        text = text_of(value)
    except ValueError as error:
        raise KindError(str(error)) from error
    return value if text is None else text


def _takes_text(kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return any(isinstance(word, str) for word in get_args(kind))
    return isinstance(kind, type) and issubclass(kind, str | Path)


def _fits(value: Any, kind: Any) -> bool:
    """Return True if a value has a kind other than text that the schema accepts."""
    if kind is Any or (isinstance(value, bool | Word) and kind is bool):
        return True
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and (kind is float or (kind is int and isinstance(value, int)))


def _settled_list(values: list[Any] | tuple[Any, ...], kinds: list[Any]) -> list[Any]:
    lists = [kind for kind in kinds if get_origin(kind) in LISTS]
    if not lists:
        return plain(values) if Any in kinds else list(values)
    items = [kind for kind in get_args(lists[0]) if kind is not Ellipsis] or [Any]
    return [_below(value, items[min(number, len(items) - 1)], number) for number, value in enumerate(values)]


def _settled_mapping(values: Mapping[Any, Any], kinds: list[Any]) -> dict[Any, Any]:
    mappings = [kind for kind in kinds if get_origin(kind) in (dict, Mapping)]
    if not mappings:
        return plain(values) if Any in kinds else dict(values)
    key_kind, value_kind = get_args(mappings[0])
    return {_below(key, key_kind, str(key)): _below(value, value_kind, str(key)) for key, value in values.items()}


def _below(value: Any, annotation: Any, key: str | int) -> Any:
    try:
        return settled(value, annotation)
    except KindError as error:
        raise KindError(str(error), (key, *error.location)) from error


class Settled(BaseModel):
    """A model that settles its values by the types of its fields, before they are checked."""

    model_config = ConfigDict(protected_namespaces=())

    further: ClassVar[Any] = Any
    """Type of keys that are not fields; `UNSETTLED`: the code that reads them settles them."""

    @model_validator(mode="before")
    @classmethod
    def _settle(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        kinds = {field.alias or name: field.annotation for name, field in cls.model_fields.items()}
        kinds |= {name: field.annotation for name, field in cls.model_fields.items()}
        return {
            key: value if (kind := kinds.get(key, cls.further)) is UNSETTLED else _below(value, kind, key)
            for key, value in values.items()
        }
