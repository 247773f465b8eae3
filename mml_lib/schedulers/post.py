"""Mode `post`: from predictions to an answer: calibration, an ensemble, and which run is best."""

import functools
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import ClassVar, get_args

from pydantic import TypeAdapter, ValidationError

from mml_lib.config.task_options import NESTED
from mml_lib.errors import MMLError, nearest
from mml_lib.evaluation.ensembles.options import PROGRAM_NEEDS_ALL, PROGRAM_WEIGHS_NONE, EnsembleOptions
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.schedulers.options.post_options import Part, PostOptions
from mml_lib.schedulers.transfer import TransferScheduler
from mml_lib.studies.answers import Answers
from mml_lib.studies.checks.class_names import check_prior
from mml_lib.studies.checks.guarding import Guards, guard_joining, seen_held_out
from mml_lib.studies.checks.mask_sizes import check_mask_sizes
from mml_lib.task_types import TASK_TYPES

FITTED = ("calibrate", "ensemble")
"""Subroutines that are fitted on validation predictions."""


class PostScheduler(TransferScheduler):
    """Trains and tests as the modes `train` or `tl`, calibrates each network, selects an ensemble, compares all."""

    Options: ClassVar[type[PostOptions]] = PostOptions
    options: PostOptions
    gives_answers = True
    next_modes: ClassVar[Mapping[str, str]] = {}
    available_subroutines = get_args(Part)

    @cached_property
    def answers(self) -> Answers:
        """Networks and predictions of ensembles and comparisons."""
        return Answers(self)

    @property
    def trained_tasks(self) -> list[str]:
        further = [task for task in self.options.source_tasks if task not in self.task_names]
        return [*super().trained_tasks, *(trained for task in further for trained in self.trained_for(task))]

    def create_routine(self) -> None:
        super().create_routine()
        for task in self.task_names:
            if self._check_answers(task):
                self._add_sources(task)
                self._add_answers(task)

    def _check_answers(self, task: str) -> bool:
        """Refuse what cannot be answered; return whether there is something to answer by.

        Raises:
            MMLError: no test split, or options that do not suit the task.
        """
        tested = self.trained_for(task)
        if not tested:
            return False
        if "test" not in self.splits(tested[0]):
            self._check_out_of_fold(task)
        if task == self.pivot and task in self.options.eval_on and not self.options.source_tasks:
            raise MMLError(
                f"mode.eval_on: {task} is the pivot, and no other task is trained; name in mode.source_tasks whose "
                "networks are to predict it"
            )
        if isinstance(self.options.prior, list):
            self._check_prior(task, self.options.prior)
        if self.options.prior == "quantify" and not self.study.tasks[task].has_unlabelled:
            raise MMLError(f"mode.prior: {task} has no unlabelled samples to quantify; set it to val")
        if not self.is_out_of_fold(task) or self.averages_out_of_fold(task):
            self.ensemble_options(tested[0])
        self._has_several_sizes(task)
        return True

    @functools.cache  # noqa: B019  (a scheduler lives as long as its process)
    def _has_several_sizes(self, task: str) -> bool:
        """Return True if masks of a task differ in size, and are compared at that of the delivered images.

        Raises:
            MMLError: some cannot be brought to it.
        """
        if not TASK_TYPES[self.study.tasks[task].task_type].has_masks:
            return False
        networks = self.answers.compared_networks(task) if "compare" in self.subroutines else []
        networks += [network for trained in self.trained_for(task) for network in self.answers.candidates(trained)]
        return check_mask_sizes(self.study, task, self.mode, networks)

    def _check_out_of_fold(self, task: str) -> None:
        """Refuse answers that are fitted on the samples that are reported, if there is no comparison, which is not.

        Raises:
            MMLError: calibration or ensemble alone are asked for, or folds are not pooled.
        """
        if self.is_out_of_fold(task) and ("compare" in self.subroutines or not {*FITTED} & {*self.subroutines}):
            return
        out = "" if self.is_out_of_fold(task) else ", or mode.cv: true to compare runs by out-of-fold predictions"
        raise MMLError(
            f"mode.{self.mode}: {task} has no test split, and calibrations and ensembles are chosen by its validation "
            f"split; set mode.nested: true, tasks.{self.study.tasks[task].base_name}.test_fraction{out}"
        )

    def is_out_of_fold(self, task: str) -> bool:
        """Return True if runs are compared by out-of-fold predictions of a task: it has folds, and no test split."""
        return task in self.study.tasks and self.pools_folds(task) and "test" not in self.splits(task)

    def averages_out_of_fold(self, task: str) -> bool:
        """Return True if an ensemble of all runs predicts out of fold: an average, for which nothing is chosen."""
        return self.is_out_of_fold(task) and "ensemble" in self.subroutines and len(self._members(task)) > 1

    def _members(self, task: str) -> set[tuple[str | None, str]]:
        """Return project and run of the members that an ensemble for a task may have."""
        return {(network.project, network.run) for network in self.answers.candidates(task)}

    def reported_split(self, task: str) -> str:
        """Return the split by which runs are compared on a task: that of tests, or the folds that are pooled."""
        return "val" if self.is_out_of_fold(task) else "test"

    def _notes_on(self, task: str, folds: int) -> list[str]:
        notes = super()._notes_on(task, folds)
        if self.is_out_of_fold(task) and "calibrate" in self.subroutines:
            notes.append(
                "no calibration, as it is fitted on the samples that are reported; it needs a test split or "
                "mode.nested: true"
            )
        if self.averages_out_of_fold(task):
            notes.append("the ensemble is the mean of all runs, as none is chosen by the samples that are reported")
        return notes

    def _check_prior(self, task: str, prior: list[float]) -> None:
        if len(prior) < 2:
            raise MMLError("mode.prior: a list has a frequency for each class; give as many as there are")
        if not all(0 <= frequency <= 1 for frequency in prior):
            raise MMLError(f"mode.prior: {prior} has a number that is not a frequency; give numbers from 0 to 1")
        if TASK_TYPES[self.study.tasks[task].task_type].is_single_label and abs(sum(prior) - 1) > 1e-3:
            raise MMLError(f"mode.prior: {prior} adds up to {sum(prior):.4g}; give frequencies that add up to 1")
        check_prior(task, self.study.tasks.classes_of(task), prior)

    def _add_answers(self, task: str) -> None:
        for network in self.networks(task):
            for split in self.splits(network.task):
                if "calibrate" in self.subroutines and self.calibrates(network.task):
                    self.add("calibrate_fold", **network.tokens, eval=split)
        for trained in self.trained_for(task):
            if "ensemble" in self.subroutines and (not self.is_out_of_fold(task) or self.averages_out_of_fold(task)):
                self.add("select_ensemble", task=trained, mode=self.mode)
                for split in self.splits(trained):
                    self.add("predict_ensemble", task=trained, mode=self.mode, eval=split)
        if "compare" in self.subroutines:
            self.add("compare_runs", task=task, mode=self.mode)

    @property
    def announcement(self) -> list[str]:
        notes = super().announcement
        notes += [
            f"{task}: masks differ in size, so they are joined and compared at the size of the delivered images"
            for task in self.task_names
            if {"ensemble", "compare"} & set(self.subroutines) and self._has_several_sizes(task)
        ]
        if not {"ensemble", "compare"} <= set(self.subroutines):
            return notes
        return notes + [line for task in self.task_names for line in self.answers.left_out(task)]

    # --- networks of other tasks --------------------------------------------------------------------------------

    def sources(self, task: str) -> list[str]:
        """Return other tasks whose networks predict a task, and are answers to it as its own are.

        They are those of `source_tasks`, and, where `eval_on` names the task, all that are trained and may be.

        Raises:
            MMLError: one of `source_tasks` may not be.
        """
        for source in self.options.source_tasks:
            if source != task and (problem := self._problem(task, source)):
                raise MMLError(f"mode.source_tasks: {problem}")
        is_predicted = task in self.options.eval_on and not self.learns_co_tasks
        named = [name for name in self.task_names if is_predicted and name != task and not self._problem(task, name)]
        return list(dict.fromkeys([*(name for name in self.options.source_tasks if name != task), *named]))

    @functools.cache  # noqa: B019  (a scheduler lives as long as its process)
    def _problem(self, task: str, source: str) -> str | None:
        """Return the reason why networks of another task are no answers to a task; None: they are."""
        identity, other = self.study.tasks[task], self.study.tasks.get(source)
        if other is None:
            return f"there is no task '{source}' in the study{nearest(source, self.study.tasks)}"
        if self.learns_co_tasks:
            return f"networks of {source} would learn no co-tasks; leave it out, or mode.multitask"
        if source in self.pretrain_tasks:
            return f"{source} is what networks start from (mode.pretrain_task); leave it out"
        if other.task_type != identity.task_type:
            return f"{source} is a {other.task_type}, {task} a {identity.task_type}; leave it out"
        if self.folds(source) != self.folds(task):
            return (
                f"{source} has the folds {_listed(self.folds(source))}, {task} has {_listed(self.folds(task))}, and "
                "the network of each fold predicts what that fold holds out; give both the same folds, or set "
                "mode.cv: false"
            )
        for on, trained in zip(self.trained_for(task), self.trained_for(source), strict=True):
            for run in self.runs_of(trained):
                if problem := seen_held_out(self.study, on, run):
                    return problem
        return None

    @cached_property
    def guards(self) -> Guards:
        guards = super().guards
        if self.options.source_tasks or self.options.eval_on or self.study.cfg.reuse.predictions:
            for trained in (name for task in self.task_names for name in self.trained_for(task)):
                for network in self.answers.candidates(trained):
                    if network.eval_task or network.project:
                        guard_joining(guards, trained, network)
        return guards

    def source_networks(self, trained: str) -> list[TrainedNetwork]:
        """Return networks of other tasks that predict a trained one.

        The network of a fold predicts the samples that the same fold of `trained` holds out, which it has not seen.
        """
        base, _, fold = trained.rpartition(NESTED) if self.options.nested else (trained, "", "")
        networks = [network for source in self.sources(base) for network in self.networks(source)]
        if self.options.nested:
            networks = [network for network in networks if network.task.endswith(f"{NESTED}{fold}")]
        return [replace(network, eval_task=trained) for network in networks]

    def _add_sources(self, task: str) -> None:
        """Plan the predictions of a task by networks of other tasks, and their metrics."""
        for trained in self.trained_for(task):
            for network in self.source_networks(trained):
                is_main = network.task in super().trained_tasks
                if "train" in self.subroutines and not is_main:
                    self.add("train_fold", task=network.task, run=network.run, fold=network.fold)
                planned = self.others(network.task) if is_main else []
                for split in self.splits(trained):
                    if (trained, split) not in planned:
                        self._add_evaluation("other", split, **network.tokens)

    # --- how ----------------------------------------------------------------------------------------------------

    def calibrates(self, task: str) -> bool:
        """Return True if there are probabilities to calibrate, and samples to fit on beside those that are reported."""
        return TASK_TYPES[self.study.task(task).task_type].has_probabilities and not self.is_out_of_fold(task)

    def ensemble_options(self, task: str) -> EnsembleOptions:
        """Return the options by which an ensemble for a task is selected: all members alike if there is no choice.

        Raises:
            MMLError: an unknown option, or one that does not suit the task.
        """
        kind = self.study.task(task).task_type
        members = len(self._members(task))
        options = dict(self.options.ensemble)
        alike = members == 1 or TASK_TYPES[kind].has_masks or self.is_out_of_fold(task)
        if self.is_out_of_fold(task) and options.get("strategy", "mean") != "mean":
            raise MMLError(
                f"mode.ensemble.strategy: {options['strategy']} chooses members by the samples of {task} that are "
                "reported; set it to mean, or mode.nested: true, or give the task a test split"
            )
        options.setdefault("strategy", "mean" if alike else "greedy")
        options.setdefault("max_ensemble_size", min(EnsembleOptions.max_ensemble_size, members))
        options.setdefault("seed", self.study.cfg.seed)
        problem = self._no_final_calibration(task)
        if problem and options.setdefault("calibrate", False):
            raise MMLError(f"mode.ensemble.calibrate: {problem}; leave it out")
        fields = EnsembleOptions.__dataclass_fields__
        for key in options:
            if key not in fields:
                raise MMLError(f"mode.ensemble: unknown key '{key}'{nearest(key, fields)}")
        try:
            ensemble = TypeAdapter(EnsembleOptions).validate_python(options)
        except ValidationError as error:
            first = error.errors()[0]
            raise MMLError(f"mode.ensemble.{first['loc'][0]}: {first['msg']}, not {first['input']!r}") from error
        ensemble.metric_of(kind)
        if ensemble.strategy == "program" and self.study.task(task).is_partial:
            raise MMLError(f"mode.{PROGRAM_NEEDS_ALL}")
        if ensemble.strategy == "program" and self.study.cfg.weighted_metrics and self.study.task(task).is_weighted:
            raise MMLError(f"mode.{PROGRAM_WEIGHS_NONE}")
        ensemble.check_members(members)
        return ensemble

    def _no_final_calibration(self, task: str) -> str | None:
        """Return the reason why the probabilities of an ensemble cannot be calibrated; None: they can."""
        if not self.calibrates(task):
            return f"{task} has no probabilities to calibrate"
        if "calibrate" not in self.subroutines or self.options.calibration == "none":
            return "the mode calibrates nothing"
        if self.options.prior != "val":
            return "validation samples, which it is fitted on, have other class frequencies than mode.prior"
        return None


def _listed(folds: list[int]) -> str:
    return ", ".join(map(str, folds))
