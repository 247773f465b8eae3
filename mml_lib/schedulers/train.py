"""Mode `train`: networks for the tasks of a study, their predictions and their test metrics."""

from typing import Any, Literal

from pydantic import Field

from mml_lib.config.metrics import LOWER_IS_BETTER
from mml_lib.errors import MMLError
from mml_lib.postprocessing.evaluation import read_metrics
from mml_lib.schedulers.base import AbstractBaseScheduler, Options


class TrainOptions(Options):
    """Options of the mode `train`."""

    subroutines: list[Literal["train", "predict", "test"]] | None = Field(
        None, description="Parts of the mode; unset: all. Each brings what it needs."
    )
    cv: bool = Field(True, description="Train on every fold; false: on the first one only.")
    folds: list[int] | None = Field(None, description="Folds to train on, of those that cv allows; unset: all.")
    eval: list[Literal["val", "test", "unlabelled"]] | None = Field(
        None,
        description="Splits to predict and test on; unset: the test split, or val where there is none, and "
        "predictions of unlabelled samples where there are some.",
    )


class TrainScheduler(AbstractBaseScheduler):
    """Trains each run of each task on each fold, predicts, tests, and sums up over folds."""

    Options = TrainOptions
    available_subroutines = ("train", "predict", "test")

    def create_routine(self) -> None:
        for task in self.study.task_names:
            if self.study.tasks[task].task_type == "no_task":
                raise MMLError(f"mode {self.mode}: {task} has no labels to learn from; set pivot.name to another task")
            for run in self.study.runs_of(task):
                for fold in self.folds(task):
                    self._add_fold(task, run.id, fold)
        if "test" in self.subroutines:
            self.add("summarize", mode=self.mode)

    def _add_fold(self, task: str, run: str, fold: int) -> None:
        if "train" in self.subroutines:
            self.add("train_fold", task=task, run=run, fold=fold)
        for split in self.splits(task):
            if "predict" in self.subroutines:
                self.add("predict_fold", task=task, run=run, fold=fold, eval=split)
            if "test" in self.subroutines and split != "unlabelled":
                self.add("test_fold", task=task, run=run, fold=fold, eval=split)

    def folds(self, task: str) -> list[int]:
        """Return the folds of a task that are asked for.

        Raises:
            MMLError: one that the task does not have.
        """
        number = self.study.tasks[task].num_folds if self.options.cv else 1
        for fold in self.options.folds or []:
            if fold not in range(number):
                raise MMLError(f"mode.folds: task {task} has no fold {fold} here; it has 0 to {number - 1}")
        return list(range(number)) if self.options.folds is None else self.options.folds

    def splits(self, task: str) -> list[str]:
        """Return the splits of a task to predict and test on."""
        known = self.study.tasks[task]
        asked = self.options.eval or []
        if "test" in asked and not known.has_test:
            raise MMLError(f"mode.eval: task {task} has no test split; set tasks.{task}.test_fraction, or eval: [val]")
        if "unlabelled" in asked and not known.has_unlabelled:
            raise MMLError(f"mode.eval: task {task} has no unlabelled samples; leave 'unlabelled' out")
        by_default = ["test" if known.has_test else "val", *(["unlabelled"] if known.has_unlabelled else [])]
        return list(asked or by_default)

    def before_finishing_hook(self) -> None:
        """Return the best run of each task: best mean of its first metric over folds."""
        results = [read_metrics(path) for path in self.study.metrics_of(self.mode)]
        best: dict[str, dict[str, Any]] = {}
        for task, run in sorted({(result["task"], result["run"]) for result in results}):
            of_run = [result["metrics"] for result in results if (result["task"], result["run"]) == (task, run)]
            metric = next(iter(of_run[0]))
            found = {"task": task, "run": run, "metric": metric, "mean": sum(r[metric] for r in of_run) / len(of_run)}
            sign = -1 if metric in LOWER_IS_BETTER else 1
            if task not in best or sign * found["mean"] > sign * best[task]["mean"]:
                best[task] = found
        self.return_value = list(best.values())
