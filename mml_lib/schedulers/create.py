"""Mode `create`: the tasks of a study."""

from mml_lib.schedulers.base import AbstractBaseScheduler


class CreateScheduler(AbstractBaseScheduler):
    """Creates every task, and the data sets they need; tagged ones from their bases."""

    def create_routine(self) -> None:
        self.add_tasks()
