"""Identities of trained networks: task, run and fold, and for predictions another task and project."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainedNetwork:
    """Identity of a trained network.

    Args:
        task: task that it was trained on.
        run: id of its run.
        fold: fold that it was validated on.
        eval_task: another task that it predicts; None: its own task.
        project: another project that has its files; None: the project of the study.
    """

    task: str
    run: str
    fold: int
    eval_task: str | None = None
    project: str | None = None

    @property
    def predicted_task(self) -> str:
        """Task that it predicts."""
        return self.eval_task or self.task

    @property
    def tokens(self) -> dict[str, Any]:
        """Tokens of its files, which are also wildcards of its steps and params of rules."""
        tokens = {"project": self.project, "task": self.task, "run": self.run, "fold": self.fold}
        return {key: value for key, value in (tokens | {"eval_task": self.eval_task}).items() if value is not None}
