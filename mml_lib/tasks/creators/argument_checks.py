"""Checks of the arguments that a task or data set states for its creator."""

from typing import Any

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from mml_lib.config.image_options import Images
from mml_lib.config.reading.settling import KindError, settled
from mml_lib.config.task_options import DataSet, Task
from mml_lib.errors import MMLError, nearest
from mml_lib.tasks.creators.creator_registry import CREATORS, Creator
from mml_lib.tasks.metadata import header_columns


def check_arguments(creator: Creator, where: str, task: DataSet) -> None:
    """Refuse arguments that the function does not take, of a wrong type, and the lack of one that it needs.

    Args:
        creator: the creator.
        where: key of the task or data set.
        task: its section of the study.

    Raises:
        MMLError: the first of them.
    """
    for key, value in task.arguments.items():
        if key not in creator.parameters:
            inside_images = f"; write images: {{{key}: …}}" if key in Images.model_fields else ""
            hint = inside_images or _takers(key) or nearest(key, {*creator.parameters, *Task.model_fields})
            raise MMLError(f"{where}: the creator '{creator.name}' takes no '{key}'{hint}")
        try:
            argument = settled(value, creator.kind(key))
        except KindError as error:
            raise MMLError(f"{'.'.join(map(str, (where, key, *error.location)))}: {error}") from error
        _check_type(f"{where}.{key}", argument, creator.parameters[key].annotation)
    for key, parameter in creator.parameters.items():
        # Downloads have a folder of their own, which is the path where none is named.
        missing = parameter.default is parameter.empty and key not in task.arguments
        if missing and not (task.downloads and key == "path"):
            raise MMLError(f"{where}: the creator '{creator.name}' needs the key '{key}'")
    if task.downloads and "path" not in creator.parameters:
        raise MMLError(f"{where}: the creator '{creator.name}' reads no files, so it takes no downloads")
    if task.splits is not None and task.is_seen:
        raise MMLError(f"{where}.splits: only for downloads and made_by_rule; own data are looked at")
    if task.made_by_rule and not (creator.survey and "path" in creator.parameters):
        raise MMLError(
            f"{where}.made_by_rule: the creator '{creator.name}' has no path, or no survey that tells changed "
            "data; use csv or image_folder, or leave it out"
        )


def _takers(key: str) -> str:
    """Return which creators take the key of unknown targets, empty for other keys."""
    if key != "unknown":
        return ""
    takers = [name for name in CREATORS if key in CREATORS[name].parameters]
    return f"; the creators {', '.join(sorted(takers))} take it"


def check_metadata(creator: Creator, name: str, task: Task) -> None:
    """Refuse columns of metadata where the data have no columns.

    Raises:
        MMLError: the creator has none.
    """
    if set(task.metadata) - set(header_columns(name, task.metadata)) and creator.metadata is None:
        raise MMLError(f"tasks.{name}.metadata: the creator '{creator.name}' has no columns; use csv, or leave it out")


def _check_type(where: str, value: Any, annotation: Any) -> None:
    try:
        TypeAdapter(annotation).validate_python(value, strict=True)
    except ValidationError as error:
        raise MMLError(f"{where}: {value!r} does not fit: {error.errors()[0]['msg']}") from error
    except (PydanticUserError, NameError):  # a type that only the function knows
        return
