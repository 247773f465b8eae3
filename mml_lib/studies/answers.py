"""Answers to a task: the networks that an ensemble may have, those that are compared, and their predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.pipelines.differences import differences
from mml_lib.pipelines.pipeline import PIPELINE_KEYS
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.studies.checks.study_checks import holds_out_alike
from mml_lib.studies.reused import ReusedPredictions
from mml_lib.studies.runs import Run

if TYPE_CHECKING:
    from mml_lib.schedulers.post import PostScheduler
    from mml_lib.studies.study import Study

NAMED_KEYS = 3
"""Keys of a pipeline that the label of a run of another project names, at most."""


class Answers:
    """Networks and predictions that answer a task, as a scheduler plans them.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.fm = study.fm

    # --- networks -----------------------------------------------------------------------------------------------

    def candidates(self, trained: str, scheduler: "PostScheduler") -> list[TrainedNetwork]:
        """Return the networks that an ensemble for a trained task may have."""
        planned = [network for task in scheduler.task_names for network in scheduler.networks(task)]
        own = [network for network in planned if network.task == trained]
        own += scheduler.source_networks(trained)
        runs = {network.run for network in own}
        folds = list(dict.fromkeys(network.fold for network in own))
        splits = ["val", *scheduler.splits(trained)]
        # Runs without validation predictions are compared, but cannot join an ensemble.
        reused = self.reused.networks(trained, folds, splits, needed="compare" not in scheduler.subroutines)
        return [*own, *(network for network in reused if network.run not in runs)]

    def compared_networks(self, task: str, scheduler: "PostScheduler") -> list[TrainedNetwork]:
        """Return the networks that are compared on a task, with all tasks nested in it.

        Networks of other tasks and projects come last.
        """
        own = scheduler.networks(task)
        trained = list(dict.fromkeys(network.task for network in own))
        others = [network for name in trained for network in scheduler.source_networks(name)]
        others += [network for name in trained for network in self._reused(name, scheduler, own)]
        return [*own, *others]

    def compared_ensembles(self, task: str, scheduler: "PostScheduler") -> list[dict[str, str]]:
        """Return `task` and `mode` of the ensembles that are compared on a task."""
        if "ensemble" not in scheduler.subroutines:
            return []
        if scheduler.is_out_of_fold(task) and not scheduler.averages_out_of_fold(task):
            return []
        trained = dict.fromkeys(network.task for network in scheduler.networks(task))
        return [{"task": name, "mode": scheduler.mode} for name in trained]

    def left_out(self, task: str, scheduler: "PostScheduler") -> list[str]:
        """Return a line for each run of another project that is compared but cannot join the ensemble."""
        trained = dict.fromkeys(network.task for network in scheduler.networks(task))
        members = {(network.project, network.run) for name in trained for network in self.candidates(name, scheduler)}
        reused = [network for network in self.compared_networks(task, scheduler) if network.project]
        left = {(network.project, network.run) for network in reused} - members
        return [
            f"  run {run} of {project} is compared on {task}, but joins no ensemble: it has no validation predictions "
            "there, which mode post makes"
            for project, run in sorted(left)
        ]

    def _reused(self, trained: str, scheduler: "PostScheduler", own: Sequence[TrainedNetwork]) -> list[TrainedNetwork]:
        """Return the networks of other projects that predicted a trained task, without runs of this study."""
        runs = {network.run for network in own}
        folds = list(dict.fromkeys(network.fold for network in own if network.task == trained))
        networks = self.reused.networks(trained, folds, [scheduler.reported_split(trained)])
        return [network for network in networks if network.run not in runs]

    @cached_property
    def reused(self) -> ReusedPredictions:
        """The predictions of other projects."""
        return ReusedPredictions(self.study)

    def leak(self, task: str, run: Run, project: str | None = None) -> str | None:
        """Return why networks of a run may have seen held-out samples of a task, in any fold; None if they have not.

        Args:
            task: the task that they are to predict.
            run: a run of another task.
            project: project of the run; None: this one.
        """
        identity = self.study.task(task)
        for learned in run.pipeline.tasks:
            if not holds_out_alike(identity, learned):
                return (
                    f"{learned['name']} divides the images of {task} in another way, so its networks may have seen "
                    "what is held out; give both the same folds, test_fraction, seed and idx_to_class, or leave it out"
                )
        for model in run.pipeline.pretraining.get("models", ()):
            started = self.study.runs.of_model({**model, "project": model["project"] or project})
            # The fold that is chosen there may be another one than here.
            same = [learned["name"] for learned in started.pipeline.tasks if learned["dataset"] == identity.dataset]
            if same:
                return f"networks of {run.pipeline.task['name']} start from {same[0]}, which has images of {task}"
        return None

    # --- predictions --------------------------------------------------------------------------------------------

    def predictions_path(self, network: TrainedNetwork, split: str) -> str:
        """Return the predictions of a network for its own task, or for the `eval_task`."""
        return self.fm.path("other_predictions" if network.eval_task else "predictions", **network.tokens, eval=split)

    def final_predictions_path(self, network: TrainedNetwork, split: str, scheduler: "PostScheduler") -> str:
        """Return the predictions of a network that a mode reports: calibrated ones, if there are some."""
        if not self.is_calibrated(network, scheduler):
            return self.predictions_path(network, split)
        return self.fm.path(self._calibrated_key(network), **network.tokens, eval=split)

    def is_calibrated(self, network: TrainedNetwork, scheduler: "PostScheduler") -> bool:
        """Return True if a mode calibrates a network, or another project has calibrated its own network."""
        predicted = network.predicted_task
        if "calibrate" not in scheduler.subroutines or not scheduler.calibrates(predicted):
            return False
        if network.project is None:
            return True
        folds = [0] if scheduler.options.nested else scheduler.folds(predicted)
        parts = [(fold, split) for fold in folds for split in ("val", *scheduler.splits(predicted))]
        key = self._calibrated_key(network)
        tokens = [{**network.tokens, "fold": fold, "eval": split} for fold, split in parts]
        return all(Path(self.fm.path(key, **part)).exists() for part in tokens)

    def _calibrated_key(self, network: TrainedNetwork) -> str:
        return "other_calibrated" if network.eval_task else "calibrated"

    # --- labels -------------------------------------------------------------------------------------------------

    def run_labels(self, task: str, scheduler: "PostScheduler") -> dict[str, RunLabel]:
        """Return the label of each compared run in tables of a task, by run id."""
        own, labels = scheduler.run_labels, {}
        for network in self.compared_networks(task, scheduler):
            if network.project:
                labels[network.run] = self._foreign_label(network, scheduler)
            elif network.eval_task:
                labels[network.run] = scheduler.source_label(network.task, self.study.run(network.task, network.run))
            else:
                labels[network.run] = own[network.run]
        return labels

    def _foreign_label(self, network: TrainedNetwork, scheduler: "PostScheduler") -> RunLabel:
        """Return the label of a run of another project, or of another mode of this one.

        It names the project, the mode, the task if it is another one, and the differences to the nearest run of the
        study.
        """
        run = self.study.runs.read(network.task, network.run, network.project)
        origin = [network.project, run.pipeline.mode, *([network.task] if network.eval_task else [])]
        changed = self._changed(run, scheduler)
        unseeded = {key: value for key, value in changed.items() if key != "seed"}
        return replace(
            scheduler.run_label(network.task, run),
            label=f"{', '.join(origin)}: {_words(changed) or 'as here'}",
            procedure_label=f"{', '.join(origin)}: {_words(unseeded) or 'as here'}",
        )

    def _changed(self, run: Run, scheduler: "PostScheduler") -> dict[str, Any]:
        """Return the keys in which a run differs from the nearest run of the study, with their values."""
        own = [planned for task in scheduler.trained_tasks for planned in scheduler.runs_of(task)]
        content = _compared_part(run)
        nearest = min((differences(content, _compared_part(planned)) for planned in own), key=len, default={})
        return {key: value for key, (value, _) in nearest.items()}


def _compared_part(run: Run) -> dict[str, Any]:
    return {key: run.pipeline.content.get(key) for key in (*PIPELINE_KEYS, "code")}


def _words(changed: Mapping[str, Any]) -> str:
    """Return changed keys as text for a label: the first ones, and the number of the others."""
    words = [f"{key}={value}" for key, value in list(changed.items())[:NAMED_KEYS]]
    more = len(changed) - NAMED_KEYS
    return ", ".join([*words, *([f"{more} more keys"] if more > 0 else [])])
