"""A user's own scheduler: after training, new atomic steps measure how bright a task's images are, and the range of it.

What they make can be reused by other projects, `reuse: {shades: a_project, shade_range: a_project}`.
"""

from mml_lib.files.manager import MMLFileManager
from mml_lib.schedulers.train import TrainScheduler

MMLFileManager.add_assignment_path("shades", "PROJ_PATH/SHADES/TASK_NAME/RUN-foldFOLD.txt", reusable=True)
MMLFileManager.add_assignment_path("shade_range", "PROJ_PATH/SHADES/range.txt", reusable=True)


class ShadesScheduler(TrainScheduler):
    """Trains, then measures brightness, fold by fold."""

    @property
    def measured(self) -> list[dict]:
        return [
            {"task": task, "run": run.id, "fold": fold}
            for task in self.study.task_names
            for run in self.runs_of(task)
            for fold in self.folds(task)
        ]

    def create_routine(self) -> None:
        super().create_routine()
        for network in self.measured:
            self.add("measure_shades", **network)
        self.add("measure_range")

    def before_training_hook(self, data, model, trainer) -> None:
        print(f"own hook: training {self.task} fold {self.fold}")

    def before_finishing_hook(self) -> None:
        self.return_value = {"measured": self.commands.count("measure_shades")}
