"""The identity of a data set that tasks share: everything that its images depend on, and nothing that is learned."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mml_lib.config.task_options import DataSet, SharedDataSet, Task
from mml_lib.errors import MMLError
from mml_lib.tasks.creators.argument_checks import check_arguments
from mml_lib.tasks.creators.creator_registry import Creator, Survey, get_creator
from mml_lib.tasks.creators.own_data import state_of_targets

PLACES = ("split", "fold", "group")
"""Columns, or arguments of creators, that decide where the images of a division may be."""


@dataclass(frozen=True)
class DatasetIdentity:
    """A data set as it is named on disk.

    Args:
        name: its name in the study.
        options: its section of the study.
        creator: its creator.
        folder: name of its folder.
        source: its identity: creator, and arguments or fingerprint of the images.
    """

    name: str
    options: SharedDataSet
    creator: Creator
    folder: str
    source: Mapping[str, Any]

    @classmethod
    def of(
        cls, name: str, options: SharedDataSet, first_state: Callable[[str], str | None] | None = None
    ) -> "DatasetIdentity":
        """Identify a data set of a study; own images are looked at.

        Args:
            name: of the data set.
            options: its section of the study.
            first_state: as for a task.

        Raises:
            MMLError: unknown creator, wrong arguments, data that do not exist.
        """
        where = f"datasets.{name}"
        creator = get_creator(where, options.creator)
        check_arguments(creator, where, options)
        try:
            source = _source(creator, options)
        except MMLError as error:
            raise MMLError(f"{where}: {error}") from error
        source = creator.with_new_state(source, first_state)
        return cls(name, options, creator, creator.dataset_name(source), source)

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments by which its images are delivered."""
        arguments = self.creator.arguments(self.options)
        return self.creator.images_alone.arguments(arguments) if self.creator.images_alone else arguments

    def check(self, where: str, task: Task) -> None:
        """Refuse a task that states what the images of the data set depend on.

        Args:
            where: key of the task.
            task: its section of the study, with the keys of the data set.

        Raises:
            MMLError: the first such key.
        """
        own, keys = self.creator.arguments(self.options), self.creator.sharing.keys if self.creator.sharing else ()
        for key, value in self.creator.arguments(task).items():
            if key in keys or own.get(key) == value:
                continue
            stated = ", ".join(keys) if keys else "none, as it makes images and labels together"
            raise MMLError(
                f"{where}.{key}: it belongs to the data set; write it in datasets.{self.name} (keys of the creator "
                f"'{self.creator.name}' for tasks: {stated})"
            )

    def targets(self, task: Task, survey: Survey) -> dict[str, Any] | None:
        """Return the identity of what a task learns; None: what the data set itself brings."""
        arguments = self.creator.arguments(task)
        is_own = self.creator.images_alone is None and arguments == self.creator.arguments(self.options)
        if self.creator.sharing is None or is_own:
            return None
        return {"arguments": arguments} if survey.fingerprint is None else {"fingerprint": survey.fingerprint}

    def division(self, task: Task) -> dict[str, Any] | None:
        """Return the identity of the division that a task has in common with others; None: it has its own.

        A task has its own if it states other folds, or another split, fold or group of its images.

        Raises:
            MMLError: the data set cannot say where its images belong.
        """
        common = self.options.division
        if common is None or any(getattr(task, key) != value for key, value in common.items()):
            return None
        own, shared = _places(self.creator.arguments(task)), _places(self.creator.arguments(self.options))
        return self._state_of_places if own == shared else None

    @cached_property
    def _state_of_places(self) -> dict[str, Any]:
        """Identity of split, fold and group of all images, and of the target over which they are divided."""
        if self.creator.images_alone is None:
            return {"of": "manifest"}  # which the source of the data set identifies
        arguments = self.creator.arguments(self.options)
        if "arguments" in self.source:
            return {"arguments": arguments}
        try:
            if (places := self.creator.images_alone.places) is None:
                return {"fingerprint": self.creator.planned_survey(self.options, shared=True).fingerprint}
            delivery = places(Path(os.devnull), **arguments)
        except MMLError as error:
            raise MMLError(f"datasets.{self.name}: {error}") from error
        return {"fingerprint": state_of_targets(delivery.samples, delivery.task_type)}


def _places(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a creator that say where images belong."""
    columns = arguments.get("columns") or {}
    return {key: value for key in PLACES if (value := columns.get(key, arguments.get(key))) is not None}


def _source(creator: Creator, options: DataSet) -> dict[str, Any]:
    if creator.images_alone is None:
        return creator.identity(options, creator.planned_survey(options))
    arguments = creator.images_alone.arguments(creator.arguments(options))
    fingerprint = creator.images_alone.survey(**arguments) if options.is_seen else None
    return creator.identity(options, Survey(fingerprint=fingerprint), arguments)
