"""The identity of a task: what its samples, folds and splits depend on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mml_lib.config.identity import digest
from mml_lib.config.schema import Task
from mml_lib.errors import MMLError
from mml_lib.tasks.creators.registry import Survey, get_creator

TASK_VERSION = 1
"""Raised when the same definition begins to give another task."""


@dataclass(frozen=True)
class TaskIdentity:
    """A task as it is named on disk.

    Args:
        name: its name in the study.
        id: 8 digits of the digest of what it depends on.
        dataset: folder name of its data set.
        source: what tells the data set from others.
        folds, test_fraction, seed: how it is split, as far as the data leaves that open.
        num_folds: how many folds it will have.
        has_test: whether it will have a test split.
    """

    name: str
    id: str
    dataset: str
    source: Mapping[str, Any]
    folds: int
    test_fraction: float
    seed: int
    num_folds: int
    has_test: bool

    @classmethod
    def of(cls, name: str, task: Task) -> "TaskIdentity":
        """Identify a task of a study; own data is looked at.

        Raises:
            MMLError: unknown creator, wrong arguments, data that does not exist.
        """
        creator = get_creator(name, task.creator)
        creator.check(name, task.arguments)
        try:
            survey = creator.survey(**task.arguments) if creator.survey else None
        except MMLError as error:
            raise MMLError(f"tasks.{name}: {error}") from error
        source = creator.identity(task.arguments, survey)
        content = {
            "version": TASK_VERSION,
            "source": source,
            "folds": task.folds,
            "test_fraction": task.test_fraction,
            "seed": task.seed,
        }
        brought = survey or Survey("")
        return cls(
            name=name,
            id=digest(content),
            dataset=creator.dataset_name(source),
            source=source,
            folds=task.folds,
            test_fraction=task.test_fraction,
            seed=task.seed,
            num_folds=brought.folds or task.folds,
            has_test=task.test_fraction > 0 if brought.has_test is None else brought.has_test,
        )

    def definition(self) -> dict[str, Any]:
        """Return what a pipeline file keeps of the task: enough to make it again."""
        return {key: value for key, value in asdict(self).items() if key not in ("num_folds", "has_test")}
