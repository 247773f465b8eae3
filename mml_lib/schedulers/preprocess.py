"""Mode `pp`: the packed images of a study's tasks."""

from collections.abc import Mapping
from typing import ClassVar

from mml_lib.images.packs.pack_names import pack_id
from mml_lib.schedulers.base import AbstractBaseScheduler


class PreprocessScheduler(AbstractBaseScheduler):
    """Creates every task and packs its images, once for all tasks on the same data set."""

    next_modes: ClassVar[Mapping[str, str]] = {
        "info": "tables and pictures of the tasks",
        "train": "networks, predictions and test metrics",
    }

    def packs_of(self, dataset: str) -> set[str]:
        return {pack_id(self.cfg.preprocessing)}

    def create_routine(self) -> None:
        pack = pack_id(self.cfg.preprocessing)
        self.add_tasks()
        for dataset in dict.fromkeys(task.dataset for task in self.study.tasks.values()):
            self.add("preprocess_task", dataset=dataset, pack=pack)
