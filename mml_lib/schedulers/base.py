"""Schedulers: one class behind each mode. It plans atomic steps, and it is what a step's script works with."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mml_lib.config.schema import Mode
from mml_lib.errors import MMLError, nearest
from mml_lib.schedulers.doing import Doing
from mml_lib.schedulers.study import Run, Study


class Options(BaseModel):
    """The options of a mode, beside its `id` and `scheduler`."""

    model_config = ConfigDict(extra="forbid")


class AbstractBaseScheduler(Doing, ABC):
    """Plans a mode: `create_routine` lists its atomic steps by `add`.

    A subclass may narrow `Options`, and override the hooks of `Doing`.

    Args:
        study: config, file manager, tasks and runs.
        mode: id and options of the mode.

    Raises:
        MMLError: options that the mode does not have.
    """

    Options: ClassVar[type[Options]] = Options
    available_subroutines: ClassVar[tuple[str, ...]] = ()

    def __init__(self, study: Study, mode: Mode):
        super().__init__(study)
        self.mode = mode.id
        try:
            self.options = self.Options(**mode.options)
        except ValidationError as error:
            raise MMLError(f"mode ({self.mode}): {self._sentence(error)}") from error
        for name in self.subroutines:
            if name not in self.available_subroutines:
                raise MMLError(
                    f"mode.subroutines ({self.mode}): there is no '{name}'{nearest(name, self.available_subroutines)}"
                )

    def _sentence(self, error: ValidationError) -> str:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            return f"unknown option '{key}'{nearest(key, self.Options.model_fields)}"
        return f"{key}: {problem['msg']}, not {problem['input']!r}"

    @property
    def subroutines(self) -> list[str]:
        """The parts of the mode that are asked for, all by default."""
        return list(getattr(self.options, "subroutines", None) or self.available_subroutines)

    @property
    def pivot(self) -> str | None:
        """Name of the task that the study is about, tags included."""
        return self.study.pivot

    @property
    def trained_tasks(self) -> list[str]:
        """The tasks that networks are trained on: those that the study is about."""
        return self.study.task_names

    def shown(self, task: str, run: Run) -> dict[str, Any]:
        """Return what tables call a run: `task`, `run`, `label`, and `fold` where that is not the network's."""
        return {"task": task, "run": run.id, "label": run.label}

    @abstractmethod
    def create_routine(self) -> None:
        """List the atomic steps of this mode: `self.add(rule, **wildcards)` for each."""

    def add(self, command: str, **wildcards: Any) -> None:
        """Plan one atomic step.

        Args:
            command: name of the rule that does it.
            wildcards: what the wildcards in the rule's outputs are.
        """
        self._plan.append((command, wildcards))

    def add_tasks(self) -> None:
        """Plan that every task of the study is made: created, or derived from its base by a tag."""
        for task in self.study.tasks.values():
            self.add("tag_task" if task.bases else "create_task", task=task.name, task_id=task.id)

    @cached_property
    def _routine(self) -> list[tuple[str, dict[str, Any]]]:
        self._plan: list[tuple[str, dict[str, Any]]] = []
        self.create_routine()
        return self._plan

    @property
    def commands(self) -> list[str]:
        """The planned steps: names of rules."""
        return [command for command, _ in self._routine]

    @property
    def params(self) -> list[dict[str, Any]]:
        """The wildcards of each planned step."""
        return [wildcards for _, wildcards in self._routine]
