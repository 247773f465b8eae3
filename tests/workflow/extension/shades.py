"""A user's own scheduler: after training, new atomic steps measure how bright a task's images are, and the range of it.

What they make can be reused by other projects, `reuse: {shades: a_project, shade_range: a_project}`.
"""

from mml_lib.files.manager import MMLFileManager
from mml_lib.schedulers.train import TrainScheduler
from mml_lib.steps.training_step import TrainingStep

MMLFileManager.add_assignment_path("shades", "PROJ_PATH/SHADES/TASK_NAME/RUN-foldFOLD.txt", reusable=True)
MMLFileManager.add_assignment_path("shade_range", "PROJ_PATH/SHADES/range.txt", reusable=True)


class ShadesStep(TrainingStep):
    """A training that reports its trainer."""

    def create_trainer(self, **arguments):
        print("own step: trainer created")
        return super().create_trainer(**arguments)


class ShadesScheduler(TrainScheduler):
    """Trains, then measures brightness, fold by fold."""

    Step = ShadesStep

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

    def before_training_hook(self, step, data, model, trainer) -> None:
        print(f"own hook: training {step.task} fold {step.fold}")

    def before_finishing_hook(self, step) -> None:
        step.return_value = {"measured": self.commands.count("measure_shades")}
