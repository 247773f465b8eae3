"""Mode `pp`: the packed images of a study's tasks."""

from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.studies.runs import pack_id


class PreprocessScheduler(AbstractBaseScheduler):
    """Creates every task and packs its images, once for all tasks on the same data set."""

    def create_routine(self) -> None:
        pack = pack_id(self.cfg.preprocessing)
        self.add_tasks()
        for dataset in dict.fromkeys(task.dataset for task in self.study.tasks.values()):
            self.add("preprocess_task", dataset=dataset, pack=pack)
