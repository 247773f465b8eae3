"""A user's own scheduler: after training, one new atomic step measures how bright a task's images are."""

from mml_lib.files.manager import MMLFileManager
from mml_lib.schedulers.train import TrainScheduler

MMLFileManager.add_assignment_path("shades", "PROJ_PATH/SHADES/TASK_NAME/RUN-foldFOLD.txt")


class ShadesScheduler(TrainScheduler):
    """Trains, then measures brightness, fold by fold."""

    def create_routine(self) -> None:
        super().create_routine()
        for task in self.study.task_names:
            for run in self.runs_of(task):
                for fold in self.folds(task):
                    self.add("measure_shades", task=task, run=run.id, fold=fold)

    def before_training_hook(self, data, model, trainer) -> None:
        print(f"own hook: training {self.task} fold {self.fold}")

    def before_finishing_hook(self) -> None:
        self.return_value = {"measured": self.commands.count("measure_shades")}
