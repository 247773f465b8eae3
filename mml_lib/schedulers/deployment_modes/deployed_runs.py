"""Deployed runs: the trained networks of a study that the modes `apply` and `export` use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from mml_lib.config.analysis.deployment_options import BEST, ENSEMBLE, DeployedRun
from mml_lib.errors import MMLError, nearest
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.schedulers.train import TrainScheduler

if TYPE_CHECKING:
    from mml_lib.schedulers.post import PostScheduler
    from mml_lib.studies.study import Study

TRAINING_MODE = "train"
"""Mode whose networks are used where that of the study trains none."""


@dataclass(frozen=True)
class DeployedRuns:
    """Networks of a study that a section `apply` or `export` names.

    Args:
        study: the study.
        section: name of the section, for messages.
        options: the section.
    """

    study: "Study"
    section: str
    options: DeployedRun

    @property
    def trained(self) -> TrainScheduler:
        """The scheduler that trains the networks: that of the study's mode, or of mode `train`."""
        own = self.study.scheduler(self.study.cfg.mode.id)
        return own if isinstance(own, TrainScheduler) else cast(TrainScheduler, self.study.scheduler(TRAINING_MODE))

    @property
    def task(self) -> str:
        """The task of the networks.

        Raises:
            MMLError: there is no such task, or there are several and none is named.
        """
        tasks, name = self.trained.task_names, self.options.task
        if name is None and len(tasks) > 1:
            raise MMLError(f"{self.section}.task: the study has the tasks {', '.join(tasks)}; name one of them")
        if name is not None and name not in tasks:
            raise MMLError(f"{self.section}.task: the study trains no task '{name}'{nearest(name, tasks)}")
        return name or tasks[0]

    @property
    def networks(self) -> list[TrainedNetwork]:
        """The networks of the named run; of `best` and `ensemble` all that may be meant.

        Raises:
            MMLError: the study has no such run, no such fold, or no ensemble.
        """
        task, run, folds = self.task, self.options.run, self.options.folds
        if self.trained.options.nested:
            raise MMLError(f"{self.section}: networks of mode.nested are for estimates; set nested: false")
        networks = self.trained.networks(task)
        runs = {network.run for network in networks}
        if not runs:
            raise MMLError(f"{self.section}.task: {task} has no labels to learn from; name another task")
        if run not in (BEST, ENSEMBLE, *runs):
            raise MMLError(
                f"{self.section}.run: the study has no run '{run}' of {task}{nearest(run, [*runs, BEST, ENSEMBLE])}"
            )
        if run == ENSEMBLE:
            self._check_ensemble(task)
            return networks
        for fold in folds or ():
            if fold not in {network.fold for network in networks}:
                own = sorted({network.fold for network in networks})
                raise MMLError(f"{self.section}.folds: {task} has no fold {fold}; it has {', '.join(map(str, own))}")
        return [
            network for network in networks if run in (BEST, network.run) and (folds is None or network.fold in folds)
        ]

    def _check_ensemble(self, task: str) -> None:
        if not self.trained.gives_answers or "ensemble" not in self.trained.subroutines:
            raise MMLError(
                f"{self.section}.run: the study selects no ensemble; set mode: post, or name a run ({BEST}, or its id)"
            )
        if self.options.folds is not None:
            raise MMLError(f"{self.section}.folds: an ensemble has its own members; leave folds out")
        others = [
            network
            for network in cast("PostScheduler", self.trained).answers.candidates(task)
            if network.project is not None or network.eval_task is not None
        ]
        if others:
            raise MMLError(
                f"{self.section}.run: the ensemble of {task} may have networks of other tasks or projects "
                f"({others[0].task}); name a run"
            )

    # --- files ------------------------------------------------------------------------------------------------------

    def paths(self, key: str) -> list[str]:
        """Return the file of an assignment key for each network."""
        return [self.study.fm.path(key, **tokens) for tokens in self.tokens]

    @property
    def pipelines(self) -> list[str]:
        """The pipeline of each network."""
        return [self.study.fm.path("pipeline", task=network.task, run=network.run) for network in self.networks]

    @property
    def packed_images(self) -> list[str]:
        """The packed images of the task for each network."""
        packs = [self.study.run(network.task, network.run).pipeline.task for network in self.networks]
        return [self.study.fm.path("packed", dataset=task["dataset"], pack=task["pack"]) for task in packs]

    @property
    def calibrations(self) -> list[str]:
        """The calibration of each network; empty where the study calibrates none."""
        networks = self.networks
        if not self.trained.gives_answers:
            return []
        answers = cast("PostScheduler", self.trained).answers
        if not all(answers.is_calibrated(network) for network in networks):
            return []
        split = self.trained.splits(self.task)[0]
        return [
            self.study.fm.path("calibration", task=network.task, run=network.run, fold=network.fold, eval=split)
            for network in networks
        ]

    @property
    def ensemble(self) -> list[str]:
        """The ensemble, if one is meant."""
        if self.options.run != ENSEMBLE:
            return []
        return [self.study.fm.path("ensemble", task=self.task, mode=self.trained.mode)]

    @property
    def tokens(self) -> list[dict[str, Any]]:
        """Task, run and fold of each network."""
        return [{"task": network.task, "run": network.run, "fold": network.fold} for network in self.networks]


def used_ids(networks: Sequence[TrainedNetwork]) -> list[str]:
    """Return the runs of networks, each once."""
    return list(dict.fromkeys(network.run for network in networks))
