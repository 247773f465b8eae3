"""Mode `create`: the tasks of a study."""

from collections.abc import Mapping
from typing import ClassVar

from mml_lib.schedulers.base import AbstractBaseScheduler


class CreateScheduler(AbstractBaseScheduler):
    """Creates every task, and the data sets they need; tagged ones from their bases."""

    next_modes: ClassVar[Mapping[str, str]] = {
        "info": "tables and pictures of the tasks",
        "train": "networks, predictions and test metrics",
    }

    def create_routine(self) -> None:
        self.add_tasks()
