"""Feature baselines of a mode that tests networks: additional rows of its tables."""

from typing import TYPE_CHECKING

from mml_lib.errors import MMLError
from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.pipelines.feature_baselines import FeatureBaseline
from mml_lib.studies.checks.guarding import Guards
from mml_lib.task_types import TASK_TYPES

if TYPE_CHECKING:
    from mml_lib.schedulers.train import TrainScheduler


class FeatureBaselines:
    """Baselines of all tasks of a mode, as its option `feature_baselines` names them.

    Args:
        scheduler: the scheduler of the mode.
    """

    def __init__(self, scheduler: "TrainScheduler"):
        self.scheduler = scheduler
        self.study = scheduler.study

    def of(self, task: str) -> list[FeatureBaseline]:
        """Return the baselines of a task."""
        models = dict.fromkeys(self.scheduler.options.feature_baselines)
        return [self.study.inputs.features.baseline(task, model) for model in models]

    @property
    def labels(self) -> dict[str, RunLabel]:
        """Names of all baselines in tables and figures, by run id."""
        baselines = [baseline for task in self.scheduler.task_names for baseline in self.of(task)]
        return {one.run: RunLabel(one.task, one.run, one.label, one.run, one.label) for one in baselines}

    def add_steps(self, task: str) -> None:
        """Plan features, predictions and tests of the baselines of a task.

        Raises:
            MMLError: the task has masks, or the features do not suit it.
        """
        scheduler, features = self.scheduler, self.study.inputs.features
        if not scheduler.options.feature_baselines:
            return
        self._check(task)
        if not features.is_reused(task):
            scheduler.add("extract_features", **features.tokens(task))
        for baseline in self.of(task):
            for fold in scheduler.folds(task):
                if baseline.model.method == "linear_probe":
                    scheduler.add("fit_linear_probe", task=task, run=baseline.run, fold=fold)
                for split in scheduler.splits(task):
                    wildcards = {"task": task, "run": baseline.run, "fold": fold, "eval": split}
                    scheduler.add("predict_baseline", **wildcards)
                    if split != "unlabelled":
                        scheduler.add("test_baseline", **wildcards)
            if scheduler.pools_folds(task):
                scheduler.add("test_pooled_baseline", task=task, run=baseline.run)

    def _check(self, task: str) -> None:
        kind, options = TASK_TYPES[self.study.task(task).task_type], self.study.cfg.features
        if kind.has_masks or not kind.is_learnable:
            raise MMLError(
                f"mode.feature_baselines: {task} is a {kind.title}, and baselines predict classes, labels and values; "
                "leave the task out, set pivot.name to another one, or leave out feature_baselines beside networks"
            )
        if self.scheduler.options.nested:
            raise MMLError("mode.feature_baselines: nested folds have no baselines; leave out nested or the baselines")
        if options.pooling != "pooled":
            raise MMLError("mode.feature_baselines: they need one vector per image; set features.pooling: pooled")
        dataset = self.study.task(task).dataset
        for model in self.study.extractors.own.models:
            learned = self.study.runs.of_model(model).pipeline.tasks
            if same := [entry["name"] for entry in learned if entry["dataset"] == dataset]:
                raise MMLError(
                    f"mode.feature_baselines: the features of {task} are by a network that has learned images of it "
                    f"({same[0]}); set features.arch, or features.task to a task on other images"
                )
        self._check_neighbours(task)

    def _check_neighbours(self, task: str) -> None:
        """Refuse more neighbours than training samples, if the task is described."""
        samples, folds = self.study.tasks.num_samples(task).get("train"), self.study.task(task).num_folds
        numbers = [model.neighbours for model in self.scheduler.options.feature_baselines if model.neighbours]
        if samples and numbers:
            from mml_lib.features.baseline_models import check_neighbours  # imports numpy, which plans do without

            check_neighbours(task, samples - samples // folds, max(numbers))

    def guarded(self, guards: Guards) -> Guards:
        """Return image guards, with those of networks of the features and the samples that baselines are tested on."""
        for task in self.scheduler.task_names if self.scheduler.options.feature_baselines else ():
            for model in self.study.extractors.own.models:
                for learned in self.study.runs.of_model(model).pipeline.tasks:
                    guards.add(learned, task, "features.task", "test", "val")
        return guards
