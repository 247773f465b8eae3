"""Mode `train`: networks for the tasks of a study, their predictions and their test metrics."""

from typing import Literal

from pydantic import Field

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
    eval: list[Literal["val", "test"]] | None = Field(
        None, description="Splits to predict and test on; unset: the test split, or val where there is none."
    )


class TrainScheduler(AbstractBaseScheduler):
    """Trains each run of each task on each fold, predicts, tests, and sums up over folds."""

    Options = TrainOptions
    available_subroutines = ("train", "predict", "test")

    def create_routine(self) -> None:
        for task in self.study.task_names:
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
            if "test" in self.subroutines:
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
        has_test = self.study.tasks[task].has_test
        if self.options.eval and "test" in self.options.eval and not has_test:
            raise MMLError(f"mode.eval: task {task} has no test split; set tasks.{task}.test_fraction, or eval: [val]")
        return list(self.options.eval or (["test"] if has_test else ["val"]))

    def before_finishing_hook(self) -> None:
        """Return the best run: highest mean of the first metric over folds."""
        results = [read_metrics(path) for path in self.study.metrics_of(self.mode)]
        if not results:
            return
        metric = next(iter(results[0]["metrics"]))
        means = {}
        for key in {(result["task"], result["run"]) for result in results}:
            values = [r["metrics"][metric] for r in results if (r["task"], r["run"]) == key]
            means[key] = sum(values) / len(values)
        (task, run), best = max(sorted(means.items()), key=lambda item: item[1])
        self.return_value = {"task": task, "run": run, "metric": metric, "mean": best}
