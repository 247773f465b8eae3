"""Answers to a task: candidate networks of its ensemble, compared networks, and their predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.studies.reused import reused_networks

if TYPE_CHECKING:
    from mml_lib.schedulers.post import PostScheduler


class Answers:
    """Networks and predictions that answer the tasks of a mode.

    Args:
        scheduler: the scheduler of the mode.
    """

    def __init__(self, scheduler: "PostScheduler"):
        self.scheduler = scheduler
        self.fm = scheduler.fm

    # --- networks -----------------------------------------------------------------------------------------------

    def candidates(self, trained: str) -> list[TrainedNetwork]:
        """Return the networks that an ensemble for a trained task may have."""
        planned = [network for task in self.scheduler.task_names for network in self.scheduler.networks(task)]
        own = [network for network in planned if network.task == trained]
        own += self.scheduler.source_networks(trained)
        runs = {network.run for network in own}
        folds = list(dict.fromkeys(network.fold for network in own))
        splits = ["val", *self.scheduler.splits(trained)]
        # Runs without validation predictions are compared, but cannot join an ensemble.
        reused = reused_networks(
            self.scheduler.study, trained, folds, splits, needed="compare" not in self.scheduler.subroutines
        )
        return [*own, *(network for network in reused if network.run not in runs)]

    def compared_networks(self, task: str) -> list[TrainedNetwork]:
        """Return the networks that are compared on a task, with all tasks nested in it.

        Networks of other tasks and projects come last.
        """
        own = self.scheduler.networks(task)
        trained = list(dict.fromkeys(network.task for network in own))
        others = [network for name in trained for network in self.scheduler.source_networks(name)]
        others += [network for name in trained for network in self._of_other_projects(name, own)]
        return [*own, *others]

    def compared_ensembles(self, task: str) -> list[dict[str, str]]:
        """Return `task` and `mode` of the ensembles that are compared on a task."""
        if "ensemble" not in self.scheduler.subroutines:
            return []
        if self.scheduler.is_out_of_fold(task) and not self.scheduler.averages_out_of_fold(task):
            return []
        trained = dict.fromkeys(network.task for network in self.scheduler.networks(task))
        return [{"task": name, "mode": self.scheduler.mode} for name in trained]

    def left_out(self, task: str) -> list[str]:
        """Return a line for each run of another project that is compared but cannot join the ensemble."""
        trained = dict.fromkeys(network.task for network in self.scheduler.networks(task))
        members = {(network.project, network.run) for name in trained for network in self.candidates(name)}
        reused = [(network.project, network.run) for network in self.compared_networks(task) if network.project]
        return [
            f"  run {run} of {project} is compared on {task}, but joins no ensemble: it has no validation predictions "
            "there, which mode post makes"
            for project, run in sorted(set(reused) - members)
        ]

    def _of_other_projects(self, trained: str, own: Sequence[TrainedNetwork]) -> list[TrainedNetwork]:
        """Return the networks of other projects that predicted a trained task, without runs of this study."""
        runs = {network.run for network in own}
        folds = list(dict.fromkeys(network.fold for network in own if network.task == trained))
        networks = reused_networks(self.scheduler.study, trained, folds, [self.scheduler.reported_split(trained)])
        return [network for network in networks if network.run not in runs]

    # --- predictions --------------------------------------------------------------------------------------------

    def predictions_path(self, network: TrainedNetwork, split: str) -> str:
        """Return the predictions of a network for its own task, or for the `eval_task`."""
        return self.fm.path("other_predictions" if network.eval_task else "predictions", **network.tokens, eval=split)

    def final_predictions_path(self, network: TrainedNetwork, split: str) -> str:
        """Return the predictions of a network that the mode reports: calibrated ones, if there are some."""
        if not self.is_calibrated(network):
            return self.predictions_path(network, split)
        return self.fm.path(_calibrated_key(network), **network.tokens, eval=split)

    def is_calibrated(self, network: TrainedNetwork) -> bool:
        """Return True if the mode calibrates a network, or another project has calibrated its own network."""
        scheduler, predicted = self.scheduler, network.predicted_task
        if "calibrate" not in scheduler.subroutines or not scheduler.calibrates(predicted):
            return False
        if network.project is None:
            return True
        folds = [0] if scheduler.options.nested else scheduler.folds(predicted)
        parts = [(fold, split) for fold in folds for split in ("val", *scheduler.splits(predicted))]
        tokens = [{**network.tokens, "fold": fold, "eval": split} for fold, split in parts]
        return all(Path(self.fm.path(_calibrated_key(network), **part)).exists() for part in tokens)

    # --- labels -------------------------------------------------------------------------------------------------

    def run_labels(self, task: str) -> dict[str, RunLabel]:
        """Return the label of each compared run in tables of a task, by run id."""
        return {network.run: self.scheduler.run_label(network) for network in self.compared_networks(task)}


def _calibrated_key(network: TrainedNetwork) -> str:
    return "other_calibrated" if network.eval_task else "calibrated"
