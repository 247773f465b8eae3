"""Inputs and params of rules/post.smk."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.creator_registry import get_creator

if TYPE_CHECKING:
    from snakemake.iocontainers import Wildcards

    from mml_lib.schedulers.post import PostScheduler
    from mml_lib.studies.study import Study

MODE = "post"


class PostInputs:
    """Predictions that calibrations, ensembles and comparisons read.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.fm = study.fm
        self.answers = study.answers

    def _scheduler(self, wildcards: "Wildcards") -> "PostScheduler":
        """Return the scheduler of the mode in the wildcards; without one, the study's if it calibrates, or `post`."""
        if mode := wildcards.get("mode"):
            return self.study.scheduler(mode)
        own = self.study.scheduler(self.study.cfg.mode.id)
        return own if own.gives_answers else self.study.scheduler(MODE)

    # --- calibration --------------------------------------------------------------------------------------------

    def calibration(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The `method` and the `prior` of a calibration."""
        options = self._scheduler(wildcards).options
        return {"method": options.calibration, "prior": options.prior}

    def validation(self, wildcards: "Wildcards") -> str:
        """The validation predictions of a network."""
        return self._prediction(wildcards, "val")

    def unlabelled(self, wildcards: "Wildcards") -> str | list[str]:
        """The predictions of unlabelled samples, if the prior is estimated from them."""
        needed = self._scheduler(wildcards).options.prior == "quantify"
        return self._prediction(wildcards, "unlabelled") if needed else []

    def test(self, wildcards: "Wildcards") -> str | list[str]:
        """The test predictions, if their targets give the prior."""
        needed = self._scheduler(wildcards).options.prior == "test"
        return self._prediction(wildcards, "test") if needed else []

    def groups(self, wildcards: "Wildcards") -> str | list[str]:
        """The description with the groups of validation samples, if these are calibrated: they are cross-fitted."""
        if wildcards.eval != "val":
            return []
        return self.study.tasks.description_path(wildcards.get("eval_task", wildcards.task))

    def _prediction(self, wildcards: "Wildcards", split: str) -> str:
        network = TrainedNetwork(wildcards.task, wildcards.run, int(wildcards.fold), wildcards.get("eval_task"))
        return self.answers.predictions_path(network, split)

    # --- ensembles ----------------------------------------------------------------------------------------------

    def members(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """The networks that an ensemble for one trained task may have."""
        return [network.tokens for network in self._members(wildcards)]

    def _members(self, wildcards: "Wildcards") -> list[TrainedNetwork]:
        return self.answers.candidates(wildcards.task, self._scheduler(wildcards))

    def member_predictions(self, wildcards: "Wildcards") -> list[str]:
        """The predictions of these networks: of the split in the wildcards, or else of their validation samples."""
        split, scheduler = wildcards.get("eval", "val"), self._scheduler(wildcards)
        return [self.answers.final_predictions_path(network, split, scheduler) for network in self._members(wildcards)]

    def ensemble_options(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The options by which an ensemble is selected."""
        return asdict(self._scheduler(wildcards).ensemble_options(wildcards.task))

    def description(self, wildcards: "Wildcards") -> str:
        """The description of a task of the study, with the groups of its samples."""
        return self.study.tasks.description_path(wildcards.task)

    # --- metadata -----------------------------------------------------------------------------------------------

    def dataset(self, wildcards: "Wildcards") -> str:
        """The manifest of the data set of a task without tags."""
        return self.fm.path("dataset", dataset=self.study.tasks.bases[wildcards.task].dataset)

    def metadata_source(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The `creator` of a task's metadata, its `arguments`, the `columns`, and whether files are `downloaded`."""
        task = self.study.cfg.tasks[wildcards.task]
        creator = get_creator(wildcards.task, task.creator)
        source = {"creator": creator.name, "arguments": creator.arguments(task)}
        return source | {"columns": list(task.metadata), "downloaded": bool(task.downloads)}

    # --- comparison ---------------------------------------------------------------------------------------------

    def compared_networks(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """Task, run and fold of each compared network; its label as `shown`, and whether it is `calibrated`."""
        scheduler = self._scheduler(wildcards)
        labels = self.answers.run_labels(wildcards.task, scheduler)
        return [
            {
                **network.tokens,
                "shown": {"fold": network.fold, **labels[network.run].as_params()},
                "calibrated": self.answers.is_calibrated(network, scheduler),
            }
            for network in self.answers.compared_networks(wildcards.task, scheduler)
        ]

    def compared_predictions(self, wildcards: "Wildcards") -> list[str]:
        """The predictions by which networks are compared, calibrated if the mode calibrates them."""
        scheduler = self._scheduler(wildcards)
        split = scheduler.reported_split(wildcards.task)
        networks = self.answers.compared_networks(wildcards.task, scheduler)
        return [self.answers.final_predictions_path(network, split, scheduler) for network in networks]

    def compared_ensembles(self, wildcards: "Wildcards") -> list[str]:
        """The predictions by which ensembles are compared."""
        scheduler = self._scheduler(wildcards)
        split = scheduler.reported_split(wildcards.task)
        ensembles = self.answers.compared_ensembles(wildcards.task, scheduler)
        return [self.fm.path("ensemble_predictions", **ensemble, eval=split) for ensemble in ensembles]

    def compared_ensemble_definitions(self, wildcards: "Wildcards") -> list[str]:
        """The definitions of the compared ensembles."""
        ensembles = self.answers.compared_ensembles(wildcards.task, self._scheduler(wildcards))
        return [self.fm.path("ensemble", **ensemble) for ensemble in ensembles]

    def ensemble_folds(self, wildcards: "Wildcards") -> dict[str, int | None]:
        """The fold whose test samples an ensemble predicts, by task; None for an ensemble of networks of all folds."""
        task, scheduler = wildcards.task, self._scheduler(wildcards)
        labels, networks = self.answers.run_labels(task, scheduler), self.answers.compared_networks(task, scheduler)
        folds = {network.task: labels[network.run].fold for network in networks}
        ensembles = self.answers.compared_ensembles(task, scheduler)
        return {ensemble["task"]: folds.get(ensemble["task"]) for ensemble in ensembles}

    def uncalibrated_predictions(self, wildcards: "Wildcards") -> list[str]:
        """The uncalibrated test predictions of the networks of the task itself, if they are compared calibrated."""
        scheduler = self._scheduler(wildcards)
        networks = [
            network for network in scheduler.networks(wildcards.task) if self.answers.is_calibrated(network, scheduler)
        ]
        return [self.answers.predictions_path(network, "test") for network in networks]

    def compared_descriptions(self, wildcards: "Wildcards") -> list[str]:
        """The descriptions of the tasks that are predicted."""
        tasks = dict.fromkeys(network.task for network in self._scheduler(wildcards).networks(wildcards.task))
        return [self.study.tasks.description_path(task) for task in tasks]

    def is_out_of_fold(self, wildcards: "Wildcards") -> bool:
        """True if runs are compared by the validation predictions of the networks of all folds."""
        return self._scheduler(wildcards).is_out_of_fold(wildcards.task)

    def metadata(self, wildcards: "Wildcards") -> list[str]:
        """The metadata of a task's samples, if the task names columns."""
        return self.study.tasks.metadata_paths(wildcards.task)

    def metrics(self, wildcards: "Wildcards") -> list[str]:
        """The named metrics of a task: those of the study, or else the usual ones."""
        task_type = self.study.task(wildcards.task).task_type
        named = [name for name in self.study.cfg.metrics_of(task_type) if isinstance(name, str)]
        return named or [*TASK_TYPES[task_type].default_metrics]
