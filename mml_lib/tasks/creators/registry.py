"""The registry of creators."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mml_lib.config.identity import digest
from mml_lib.errors import MMLError, nearest
from mml_lib.tasks.dataset import Delivery


@dataclass(frozen=True)
class Survey:
    """What a look at own data tells while a study is planned.

    Args:
        fingerprint: tells this state of the data from others, wherever it lies.
        folds: number of folds that the data brings, None if it brings none.
        has_test: whether it brings a test split, None if that is left to the task.
    """

    fingerprint: str
    folds: int | None = None
    has_test: bool | None = None


@dataclass(frozen=True)
class Creator:
    """A function that makes a data set in a folder.

    Args:
        name: what `tasks.<task>.creator` says.
        function: called with the data set's folder and the task's arguments.
        survey: for data that exists already: called with the arguments when a study is planned.
        version: raised when the function begins to deliver something else.
    """

    name: str
    function: Callable[..., Delivery]
    survey: Callable[..., Survey] | None = None
    version: int = 1

    def check(self, task: str, arguments: Mapping[str, Any]) -> None:
        """Refuse arguments that the function does not take, and the lack of one that it needs."""
        parameters = list(inspect.signature(self.function).parameters.values())[1:]
        known = [parameter.name for parameter in parameters]
        for key in arguments:
            if key not in known:
                hint = nearest(key, [*known, "folds", "test_fraction", "seed"])
                raise MMLError(f"tasks.{task}: the creator '{self.name}' takes no '{key}'{hint}")
        for parameter in parameters:
            if parameter.default is parameter.empty and parameter.name not in arguments:
                raise MMLError(f"tasks.{task}: the creator '{self.name}' needs the key '{parameter.name}'")

    def identity(self, arguments: Mapping[str, Any], survey: Survey | None) -> dict[str, Any]:
        """Return all that tells this data set from others: its arguments, or the fingerprint of own data."""
        told = {"fingerprint": survey.fingerprint} if survey else {"arguments": dict(arguments)}
        return {"creator": self.name, "version": self.version, **told}

    def dataset_name(self, identity: Mapping[str, Any]) -> str:
        """Return the folder name `DSET_<creator>` of a data set, with digits of a digest where there are several."""
        plain = self.version == 1 and identity.get("arguments") == {}
        return f"DSET_{self.name}" if plain else f"DSET_{self.name}-{digest(identity)}"


CREATORS: dict[str, Creator] = {}


def register_creator(
    name: str, survey: Callable[..., Survey] | None = None, version: int = 1
) -> Callable[[Callable[..., Delivery]], Callable[..., Delivery]]:
    """Register the decorated function `(folder: Path, **arguments) -> Delivery` as the creator `name`.

    Args:
        name: what a task's `creator` says.
        survey: for data that the function only finds, or that brings its own folds: called with the same arguments
            whenever a study is planned.
        version: raise it when the function begins to deliver something else.
    """

    def register(function: Callable[..., Delivery]) -> Callable[..., Delivery]:
        known = CREATORS.get(name)
        if known and known.function.__module__ != function.__module__:
            raise MMLError(f"the creator '{name}' is registered by {known.function.__module__} already")
        CREATORS[name] = Creator(name, function, survey, version)
        return function

    return register


def get_creator(task: str, name: str) -> Creator:
    """Return a creator by name.

    Raises:
        MMLError: no such creator.
    """
    if name not in CREATORS:
        raise MMLError(f"tasks.{task}.creator: there is no creator '{name}'{nearest(name, CREATORS)}")
    return CREATORS[name]


def create(name: str, arguments: Mapping[str, Any], folder: Path) -> Delivery:
    """Make a data set in `folder`."""
    return CREATORS[name].function(folder, **arguments)
