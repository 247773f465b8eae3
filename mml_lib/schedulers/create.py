"""Mode `create`: the tasks of a study."""

from mml_lib.schedulers.base import AbstractBaseScheduler


class CreateScheduler(AbstractBaseScheduler):
    """Creates every task, and the data sets they need."""

    def create_routine(self) -> None:
        for task in self.study.tasks.values():
            self.add("create_task", task=task.name, task_id=task.id)
