"""Mode `info`: what the tasks of a study are."""

from mml_lib.schedulers.base import AbstractBaseScheduler


class InfoScheduler(AbstractBaseScheduler):
    """Lists the tasks of a study, with samples and class histograms of each."""

    def create_routine(self) -> None:
        self.add_tasks()
        for task in self.study.tasks:
            self.add("draw_task", task=task)
        self.add("list_tasks")
