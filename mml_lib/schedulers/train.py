"""Mode `train`: networks for the tasks of a study, their predictions and their test metrics."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from mml_lib.config.schema import StudyConfig
from mml_lib.config.sections import Mode
from mml_lib.config.task_options import NESTED, learned_as
from mml_lib.errors import MMLError, nearest
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.pipelines.variants import Variant
from mml_lib.schedulers.base import AbstractBaseScheduler
from mml_lib.schedulers.feature_plans.baseline_rows import FeatureBaselines
from mml_lib.schedulers.options.train_options import TrainOptions
from mml_lib.studies.best_runs import best_runs
from mml_lib.studies.blueprints import lay_blueprint
from mml_lib.studies.checks.class_names import check_same_classes
from mml_lib.studies.checks.explaining import check_explanations
from mml_lib.studies.checks.guarding import Guards, guards_of
from mml_lib.studies.checks.partial_labels import check_partial_metrics
from mml_lib.studies.checks.study_checks import check_leakage, check_other
from mml_lib.studies.checks.thresholding import tasks_with_thresholds
from mml_lib.studies.checks.weighing import check_weighing_metrics
from mml_lib.studies.multitask import multitask
from mml_lib.studies.questions import Questions
from mml_lib.studies.searches.planned_search import PlannedSearch
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.task_identity import TaskIdentity

if TYPE_CHECKING:
    from mml_lib.steps.step import Step


class TrainScheduler(AbstractBaseScheduler):
    """Trains each run of each task on each fold, predicts, tests, and sums up over folds."""

    Options: ClassVar[type[TrainOptions]] = TrainOptions
    options: TrainOptions
    available_subroutines: ClassVar[tuple[str, ...]] = ("train", "predict", "test", "draw")
    searches: ClassVar[bool] = True
    next_modes: ClassVar[Mapping[str, str]] = {"post": "calibration, an ensemble, a comparison of the runs"}

    def create_routine(self) -> None:
        for task in self.task_names:
            self._check(task)
            for network in self.networks(task):
                self._add_fold(network)
            self._add_out_of_fold(task)
            self.feature_baselines.add_steps(task)
            if self.options.store_blueprint:
                self.add("store_blueprint", task=task, mode=self.mode)
        self.add_searches()
        if self.guards.guards:
            self.add("check_images", sha256=self.guards.sha256)
        if self.study.cfg.baseline:
            self.questions.baselines()
        if any(command.startswith("test_") for command, _ in self._plan):
            self.add("summarize", mode=self.mode)
            self._add_questions()
            self._add_details()
            if "draw" in self.subroutines:
                self._add_report()

    def add_searches(self) -> None:
        """Plan the table of trials of each task that is searched for."""
        for task in dict.fromkeys(search.task for search in self.planned_searches):
            self.add("collect_search", task=task)

    def packs_of(self, dataset: str) -> set[str]:
        tasks = [task for run in self.study.runs.planned.values() for task in run.pipeline.tasks]
        return {task["pack"] for task in tasks if task["dataset"] == dataset}

    @property
    def planned_searches(self) -> list[PlannedSearch]:
        """The searches for the tasks that networks are trained on."""
        if all(variant.study.search is None for variant in self.variants):
            return []
        return [search for task in self.trained_tasks for search in self.study.searches.of_task(task)]

    @property
    def trained_tasks(self) -> list[str]:
        """The tasks that networks are trained on: with `nested` the nested tasks, one for each fold."""
        return [trained for task in self.task_names for trained in self.trained_for(task)]

    def trained_for(self, task: str) -> list[str]:
        """Return the tasks that networks for a task are trained on."""
        return [f"{task}{NESTED}{fold}" for fold in self.folds(task)] if self.options.nested else [task]

    def networks(self, task: str) -> list[TrainedNetwork]:
        """Return all networks that are trained for a task."""
        return [
            TrainedNetwork(trained, run.id, fold)
            for trained in self.trained_for(task)
            for run in self.runs_of(trained)
            for fold in ([0] if self.options.nested else self.folds(task))
        ]

    @cached_property
    def config(self) -> dict[str, Any]:
        if self.options.use_blueprint is None:
            return self.study.config
        return lay_blueprint(self.study, self.options.use_blueprint, self.options.pipeline_keys)

    # --- options that variants set ------------------------------------------------------------------------------

    def options_of(self, cfg: StudyConfig) -> Any:
        """Return the options of the mode in a variant.

        Raises:
            MMLError: one that the mode does not have, or that has no such value.
        """
        if not self._is_main:
            return self.options
        if id(cfg.mode) not in self._checked_options:  # repetitions share the section
            label = next((variant.label for variant in self.variants if variant.study is cfg), "")
            self._checked_options[id(cfg.mode)] = cfg.mode, self._check_options(cfg.mode.options, label)
        return self._checked_options[id(cfg.mode)][1]

    @cached_property
    def _checked_options(self) -> dict[int, tuple[Mode, Any]]:
        return {}

    @cached_property
    def variant_options(self) -> list[Any]:
        """The options of the mode in each variant."""
        return [self.options_of(variant.study) for variant in self.variants]

    @property
    def pretrain_tasks(self) -> list[str]:
        """The tasks whose models networks start from in some variant."""
        return []

    @property
    def learns_co_tasks(self) -> bool:
        """True if a variant has co-tasks."""
        return any(options.learns_co_tasks for options in self.variant_options)

    @property
    def varies_co_tasks(self) -> bool:
        """True if variants differ in their co-tasks. Without a pivot, each task is then the main task in turn."""
        return len({str((options.learns_co_tasks, options.co_tasks)) for options in self.variant_options}) > 1

    def variants_of(self, task: str) -> list[Variant]:
        """Return the variants that train a task: without a pivot, those that name it as a co-task are of others."""
        if self.study.pivot is not None or not self.varies_co_tasks:
            return self.variants
        target = self.target_of(task)
        pairs = zip(self.variants, self.variant_options, strict=True)
        return [variant for variant, options in pairs if not _is_co_task(target, options.co_tasks)]

    def target_of(self, trained: str) -> str:
        """Return the task of a network; for nested tasks, the task whose fold is held out."""
        return trained.rpartition(NESTED)[0] if self.options.nested and NESTED in trained else trained

    def additions(self, task: TaskIdentity, cfg: StudyConfig) -> dict[str, Any]:
        options = self.options_of(cfg)
        if options.follows:
            return {"suggestion": self.study.suggestions.definition(options.follows, self._trained_sources)}
        if not options.learns_co_tasks:
            return {}
        target = self.target_of(task.name) if self.study.pivot is None and self.varies_co_tasks else self.study.pivot
        entries = multitask(self.study, target, cfg, options.co_tasks, options.task_weights, task.name)
        return {"multitask": entries}

    @property
    def _trained_sources(self) -> list[str]:
        """Tasks besides the pivot that the mode trains."""
        trained = [*self.pretrain_tasks, *(self.task_names if self.pivot is None else ())]
        return [task for task in trained if self.study.tasks.is_known(task)]

    def reports_validation(self, trained: str) -> bool:
        """Return True if results on the validation split of a trained task are reported."""
        reports = trained in self.trained_tasks and not self.options.nested
        return reports and "val" in self.splits(trained)

    # --- checks -------------------------------------------------------------------------------------------------

    def _check(self, task: str) -> None:
        """Refuse tasks that cannot be trained, and results on samples by which something was chosen.

        Raises:
            MMLError: the first problem.
        """
        identity = self.study.tasks[task]
        if not TASK_TYPES[identity.task_type].is_learnable:
            raise MMLError(
                f"mode {self.mode}: {task} has no labels to learn from; name their column (of a table, as columns: "
                "{label: diagnosis}), or set pivot.name to another task"
            )
        if self.options.nested and identity.num_folds < 2:
            raise MMLError(f"mode.nested: {task} brings its validation split, so there is no fold to hold out")
        for other in self.options.eval_on:
            self._check_other(identity, other)
        if not self.options.nested and "val" in self.splits(task):
            for variant in self.variants:
                check_leakage(identity, variant.study)

    def _check_other(self, task: TaskIdentity, name: str) -> None:
        if name not in self.study.tasks:
            raise MMLError(f"mode.eval_on: there is no task '{name}' in the study{nearest(name, self.study.tasks)}")
        other = self.study.tasks[name]
        learnable = TASK_TYPES[other.task_type].is_learnable
        if other.task_type != task.task_type and learnable and not self._has_head(task.name, name):
            raise MMLError(f"mode.eval_on: {name} is a {other.task_type}, {task.name} a {task.task_type}")
        if other.task_type == task.task_type and not self._has_head(task.name, name):
            check_same_classes(
                task.name, self.study.tasks.classes_of(task.name), name, self.study.tasks.classes_of(name)
            )
        check_other(other, task)
        for variant in self.variants if other.is_partial else ():
            check_partial_metrics(name, other.task_type, variant.study)
        if other.is_weighted and self.study.cfg.weighted_metrics:
            check_weighing_metrics(name, other.task_type, self.study.cfg)
        if not (other.has_test or other.has_unlabelled):
            raise MMLError(f"mode.eval_on: {name} has no test split; set tasks.{other.base_name}.test_fraction")

    def _has_head(self, task: str, other: str) -> bool:
        """Return True if all networks of a task have learned another task too."""
        runs = self.runs_of(self.trained_for(task)[0]) if self.learns_co_tasks else []
        learned = [[entry["name"] for entry in run.pipeline.tasks] for run in runs]
        return bool(runs) and all(learned_as(other, names) for names in learned)

    def _add_fold(self, network: TrainedNetwork) -> None:
        if "train" in self.subroutines:
            self.add("train_fold", **network.tokens)
        for split in self.splits(network.task):
            self._add_evaluation("fold", split, **network.tokens)
        for other, split in self.others(network.task):
            self._add_evaluation("other", split, **network.tokens, eval_task=other)

    def _add_evaluation(self, what: str, split: str, **wildcards: Any) -> None:
        if "predict" in self.subroutines:
            self.add(f"predict_{what}", **wildcards, eval=split)
        if "test" in self.subroutines and split != "unlabelled":
            self.add(f"test_{what}", **wildcards, eval=split)
            if TASK_TYPES[self.study.task(wildcards.get("eval_task", wildcards["task"])).task_type].has_masks:
                self.add("measure_masks" if what == "fold" else "measure_other_masks", **wildcards, eval=split)

    def _add_out_of_fold(self, task: str) -> None:
        """Plan results that pool all folds, if each sample is predicted once."""
        if self.pools_folds(task) and "test" in self.subroutines:
            for run in self.runs_of(task):
                self.add("test_out_of_fold", task=task, run=run.id)
                if TASK_TYPES[self.study.task(task).task_type].has_masks:
                    self.add("measure_out_of_fold_masks", task=task, run=run.id)

    def pools_folds(self, task: str) -> bool:
        """Return True if networks of all folds are tested on their validation samples: plain cross-validation."""
        number = self.study.tasks[task].num_folds
        every = sorted(self.folds(task)) == list(range(number))
        return number > 1 and every and not self.options.nested and "val" in self.splits(task)

    @property
    def split_notes(self) -> list[str]:
        notes = []
        for task in self.task_names:
            number = len(self.folds(task)) if self.study.tasks[task].num_folds else 0
            if number > 1 and not self.options.nested:
                notes += [f"{task}: {note}" for note in self._notes_on(task, number)]
        return notes

    def _notes_on(self, task: str, folds: int) -> list[str]:
        """Return the splits on which a task with several folds is evaluated."""
        identity, notes = self.study.tasks[task], []
        per_run = " of each run" if len(self.runs_of(task)) > 1 else ""
        if "test" in self.splits(task):
            notes.append(f"{folds} networks{per_run}, one per fold, all tested on the same test split")
            if not identity.brings_test and not identity.bases:
                notes[0] += (
                    "; for cross-validation, in which each sample is tested once, set "
                    f"tasks.{identity.base_name}.test_fraction: 0"
                )
        if self.pools_folds(task):
            notes.append(
                f"out_of_fold pools {folds} networks{per_run}: each sample is predicted once, by the network of the "
                "fold that did not train on it"
            )
            if len({run.pipeline.procedure for run in self.runs_of(task)}) > 1:
                notes.append("the best of several procedures is told by these samples, so its value is optimistic")
        return notes

    @cached_property
    def questions(self) -> Questions:
        """Differences to a baseline, learning curves, and procedures across tasks."""
        return Questions(self)

    def _add_report(self) -> None:
        """Plan the figures of each tested task, the pages of `snakemake --report`, and the report."""
        tested = {wildcards["task"] for command, wildcards in self._plan if command == "test_fold"}
        for task in self.task_names:
            if tested & set(self.trained_for(task)):
                self.add("draw_results", task=task, mode=self.mode)
        self.add("describe_study", mode=self.mode)
        self.add("write_methods", mode=self.mode)
        self.add("write_report", mode=self.mode)

    def _add_details(self) -> None:
        """Plan explanations and operating points of each tested task, if the study sets them."""
        tested = {wildcards["task"] for command, wildcards in self._plan if command == "test_fold"}
        for task in self.task_names if self.study.cfg.explain else ():
            check_explanations(self, task)
            if task in tested:
                self.add("explain", task=task, mode=self.mode)
        for task in tasks_with_thresholds(self):
            if task in tested:
                self.add("find_operating_points", task=task, mode=self.mode)

    def _add_questions(self) -> None:
        """Plan the ablation table, curves, and comparisons of tasks and sources, if networks are tested for them."""
        tested = {wildcards["task"] for command, wildcards in self._plan if command == "test_fold"}
        if not tested.issuperset(trained for task in self.task_names for trained in self.trained_for(task)):
            return
        if self.study.cfg.baseline:
            self.add("compare_with_baseline", mode=self.mode)
        for curve in self.questions.curves():
            self.add("draw_curve", curve=curve.name, mode=self.mode)
        if len(self.task_names) > 1 and len(self.questions.procedures) > 1:
            self.add("compare_across_tasks", mode=self.mode)
        for metric in self.questions.transfers.metrics:
            self.add("collect_transfer", metric=metric)

    @property
    def announcement(self) -> list[str]:
        searches = [search.announcement for search in self.planned_searches]
        return [*searches, *super().announcement, *self.questions.refusals()]

    def others(self, task: str) -> list[tuple[str, str]]:
        """Return other tasks and splits on which a network of this task is evaluated."""
        base = task.rpartition(NESTED)[0]
        own = [(base, "test")] if self.options.nested and self.study.tasks[base].has_test else []
        named = [(other, self.study.tasks[other]) for other in self.options.eval_on if other not in (task, base)]
        tests = [(name, "test") for name, other in named if other.has_test]
        return own + tests + [(name, "unlabelled") for name, other in named if other.has_unlabelled]

    @cached_property
    def guards(self) -> Guards:
        nested_co_tasks = self.learns_co_tasks and self.options.nested
        compared = self.options.eval_on or nested_co_tasks or self.pretrain_tasks
        # Without them, planning need not visit all runs.
        return self.feature_baselines.guarded(guards_of(self) if compared else Guards(self.study))

    @cached_property
    def feature_baselines(self) -> FeatureBaselines:
        """Simple models on features."""
        return FeatureBaselines(self)

    @property
    def run_labels(self) -> dict[str, Any]:
        return super().run_labels | self.feature_baselines.labels

    def folds(self, task: str) -> list[int]:
        """Return the folds of a task to train on.

        Raises:
            MMLError: one that the task does not have.
        """
        number = self.study.tasks[task].num_folds if self.options.cv else 1
        for fold in self.options.folds or []:
            if fold not in range(number):
                raise MMLError(f"mode.folds: task {task} has no fold {fold} here; it has 0 to {number - 1}")
        return list(range(number)) if self.options.folds is None else list(dict.fromkeys(self.options.folds))

    def splits(self, task: str) -> list[str]:
        """Return the splits of a task to predict and test on."""
        identity = self.study.task(task)
        splits = self.options.eval or []
        if "test" in splits and not identity.has_test:
            raise MMLError(f"mode.eval: task {task} has no test split; set tasks.{task}.test_fraction, or eval: [val]")
        if "unlabelled" in splits and not identity.has_unlabelled:
            raise MMLError(f"mode.eval: task {task} has no unlabelled samples; leave 'unlabelled' out")
        by_default = ["test" if identity.has_test else "val", *(["unlabelled"] if identity.has_unlabelled else [])]
        return list(splits or by_default)

    @property
    def finishing_files(self) -> dict[str, list[str]]:
        networks = [network for task in self.task_names for network in self.networks(task)]
        return {"models": [self.fm.path("models", **network.tokens) for network in networks]} if self._is_tested else {}

    @property
    def _is_tested(self) -> bool:
        return "summarize" in self.steps_by_rule

    def before_finishing_hook(self, step: "Step") -> None:
        """Return the best procedure and run of each task by validation; empty without tested networks."""
        step.return_value = best_runs(self, step.input.models, step.input.summary[0]) if self._is_tested else []


def _is_co_task(task: str, co_tasks: list[str] | str | int | None) -> bool:
    """Return True if a task is listed as a co-task. Drawn co-tasks never include the main task."""
    return isinstance(co_tasks, list) and task in co_tasks
