"""Results of creators in plugins: mistakes of their code become one line, and what they deliver is put in order."""

import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from mml_lib.errors import MMLError
from mml_lib.tasks.dataset import Delivery, Label, Sample

Result = TypeVar("Result")


def is_own(function: Callable[..., Any]) -> bool:
    """Return True for a function that is no part of MML."""
    return not function.__module__.startswith("mml_lib.")


@contextmanager
def mistakes_named(creator: str, function: Callable[..., Any]) -> Iterator[None]:
    """Turn what the code of a user's creator raises into one line, with the place.

    Raises:
        MMLError: the code fails.
    """
    try:
        yield
    except MMLError:
        raise
    except Exception as error:
        if not is_own(function):
            raise
        file = function.__code__.co_filename
        frames = traceback.extract_tb(error.__traceback__)
        frame = next((frame for frame in reversed(frames) if frame.filename == file), frames[-1])
        text = f"{type(error).__name__}: {error}"
        raise MMLError(f"creator {creator}: {text} ({frame.filename}, line {frame.lineno})") from error


def checked_result(result: object, kind: type[Result], creator: str) -> Result:
    """Check that a creator or its survey returned an object of a certain kind, and return it.

    Raises:
        MMLError: it is something else.
    """
    if not isinstance(result, kind):
        raise MMLError(f"creator {creator}: it returns {_kind(result)}; return a {kind.__name__}")
    return result


def ordered_delivery(result: object, creator: str) -> Delivery:
    """Return a delivery with plain values: texts for paths, ids and groups, Python's numbers for those of NumPy.

    Raises:
        MMLError: it is no delivery, or holds something else than samples and names of classes.
    """
    delivery = checked_result(result, Delivery, creator)
    samples = [_ordered(sample, creator) for sample in delivery.samples]
    for name in delivery.classes:
        if not isinstance(name, str):
            raise MMLError(f"creator {creator}: the class {name!r} is {_kind(name)}; write class names as texts")
    return replace(delivery, samples=samples, classes=list(delivery.classes))


def _ordered(sample: object, creator: str) -> Sample:
    if not isinstance(sample, Sample):
        raise MMLError(f"creator {creator}: among the samples is {_kind(sample)}; each must be a Sample")
    where = f"creator {creator}: sample '{sample.id}'"
    return replace(
        sample,
        id=str(sample.id),
        image=_path(sample.image, f"{where}: image"),
        mask=None if sample.mask is None else _path(sample.mask, f"{where}: mask"),
        group=None if sample.group is None else str(sample.group),
        label=_label(sample.label, where),
        fold=_plain(sample.fold),
        weight=_plain(sample.weight),
        channels=sample.channels
        and {str(name): _path(file, f"{where}: channel {name}") for name, file in sample.channels.items()},
    )


def _path(path: object, where: str) -> str:
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise MMLError(f"{where} is {_kind(path)}; name a file")
    return str(os.fspath(path))


def _label(label: object, where: str) -> Label:
    if isinstance(label, Mapping):
        return {str(name): _plain(value) for name, value in label.items()}
    label = _plain(label)
    if label is not None and not isinstance(label, str | int | float):
        raise MMLError(f"{where}: label is {_kind(label)}; a label is a class, a number, or probabilities by class")
    return label


def _plain(value: Any) -> Any:
    """Return Python's number for one of NumPy."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
