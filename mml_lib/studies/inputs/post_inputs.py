"""Inputs and params of rules/post.smk."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.studies.checks.mask_sizes import differ_in_size, mask_transforms
from mml_lib.studies.inputs.rule_inputs import RuleInputs
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.creator_registry import get_creator

if TYPE_CHECKING:
    from snakemake.iocontainers import OutputFiles, Wildcards

    from mml_lib.evaluation.run_labels import RunLabel
    from mml_lib.schedulers.post import PostScheduler
    from mml_lib.studies.answers import Answers

MODE = "post"

MaskTransforms = list[list[dict[str, Any]]]
"""The transforms between delivered images and the masks of each network."""


class PostInputs(RuleInputs):
    """Predictions that calibrations, ensembles and comparisons read."""

    def _scheduler(self, wildcards: "Wildcards") -> "PostScheduler":
        """Return the scheduler of the mode in the wildcards; without one, the study's if it calibrates, or `post`."""
        own = self.study.cfg.mode.id
        mode = wildcards.get("mode") or (own if self.study.scheduler(own).gives_answers else MODE)
        return cast("PostScheduler", self.study.scheduler(mode))

    def _answers(self, wildcards: "Wildcards") -> "Answers":
        return self._scheduler(wildcards).answers

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
        return self._answers(wildcards).predictions_path(network, split)

    # --- ensembles ----------------------------------------------------------------------------------------------

    def members(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """The networks that an ensemble for one trained task may have."""
        return [network.tokens for network in self._answers(wildcards).candidates(wildcards.task)]

    def member_predictions(self, wildcards: "Wildcards") -> list[str]:
        """The predictions of these networks: of the split in the wildcards, or else of their validation samples."""
        answers, split = self._answers(wildcards), wildcards.get("eval", "val")
        return [answers.final_predictions_path(network, split) for network in answers.candidates(wildcards.task)]

    def ensemble_options(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The options by which an ensemble is selected."""
        return asdict(self._scheduler(wildcards).ensemble_options(wildcards.task))

    # --- masks of several sizes ---------------------------------------------------------------------------------

    def member_transforms(self, wildcards: "Wildcards", output: "OutputFiles | None" = None) -> MaskTransforms | None:
        """The transforms between delivered images and the masks of each member; None where masks are of one size.

        A member more or less repeats a step anyway, so these need not.
        """
        networks = self._answers(wildcards).candidates(wildcards.task)
        return self._of_several_sizes(wildcards.task, networks)

    def member_dataset(self, wildcards: "Wildcards") -> str | list[str]:
        """The manifest of the data set, if members predict masks of several sizes."""
        return self._manifest(wildcards.task) if self.member_transforms(wildcards) else []

    def member_description(self, wildcards: "Wildcards") -> str | list[str]:
        """The description of the predicted task, if members predict masks of several sizes."""
        return self.study.tasks.description_path(wildcards.task) if self.member_transforms(wildcards) else []

    def compared_transforms(
        self, wildcards: "Wildcards", output: "OutputFiles | None" = None
    ) -> dict[str, MaskTransforms] | None:
        """The same of the compared `networks`, and of the `ensembles`, whose masks may be at the original size."""
        answers, task = self._answers(wildcards), wildcards.task
        networks = answers.compared_networks(task)
        members = [answers.candidates(ensemble["task"]) for ensemble in answers.compared_ensembles(task)]
        together = [*networks, *(network for of_ensemble in members for network in of_ensemble)]
        if self._of_several_sizes(task, together) is None:
            return None
        alike = [mask_transforms(self.study, of_ensemble) for of_ensemble in members]
        of_ensembles = [[] if differ_in_size(of_members) else of_members[0] for of_members in alike]
        return {"networks": mask_transforms(self.study, networks), "ensembles": of_ensembles}

    def compared_dataset(self, wildcards: "Wildcards") -> str | list[str]:
        """The manifest of the data set, if masks of several sizes are compared."""
        return self._manifest(wildcards.task) if self.compared_transforms(wildcards) else []

    def _of_several_sizes(self, task: str, networks: Sequence[TrainedNetwork]) -> MaskTransforms | None:
        """Return the transforms of the masks of each network; None where masks are of one size."""
        if not TASK_TYPES[self.study.task(task).task_type].has_masks:
            return None
        transforms = mask_transforms(self.study, networks)
        return transforms if differ_in_size(transforms) else None

    def _manifest(self, task: str) -> str:
        return self.fm.path("dataset", dataset=self.study.task(task).dataset)

    # --- metadata -----------------------------------------------------------------------------------------------

    def metadata_source(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The `creator` of a task's metadata, its `arguments`, the `columns`, and whether files are `downloaded`."""
        task = self.study.tasks.options_of(wildcards.task)
        creator = get_creator(f"tasks.{wildcards.task}", task.creator)
        source = {"creator": creator.name, "arguments": creator.arguments(task)}
        return source | {"columns": list(task.metadata), "downloaded": bool(task.downloads)}

    # --- comparison ---------------------------------------------------------------------------------------------

    def compared_networks(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """Task, run and fold of each compared network; its label as `shown`, and whether it is `calibrated`."""
        answers = self._answers(wildcards)
        labels = answers.run_labels(wildcards.task)
        return [
            {
                **network.tokens,
                "shown": {"fold": network.fold, **labels[network.run].as_params()},
                "calibrated": answers.is_calibrated(network),
            }
            for network in answers.compared_networks(wildcards.task)
        ] + [
            {"task": task, "run": run, "fold": fold, "shown": {"fold": fold, **label.as_params()}, "baseline": True}
            for task, run, fold, label in self._baselines(wildcards)
        ]

    def compared_predictions(self, wildcards: "Wildcards") -> list[str]:
        """The predictions by which networks are compared, calibrated if the mode calibrates them."""
        answers, split = self._answers(wildcards), self._scheduler(wildcards).reported_split(wildcards.task)
        networks = answers.compared_networks(wildcards.task)
        return [answers.final_predictions_path(network, split) for network in networks] + [
            self.fm.path("baseline_predictions", task=task, run=run, fold=fold, eval=split)
            for task, run, fold, _ in self._baselines(wildcards)
        ]

    def _baselines(self, wildcards: "Wildcards") -> list[tuple[str, str, int, "RunLabel"]]:
        """Return task, run, fold and label of the baselines on features that are compared on a task."""
        scheduler, task = self._scheduler(wildcards), wildcards.task
        labels = scheduler.feature_baselines.labels
        runs = [baseline.run for baseline in scheduler.feature_baselines.of(task)]
        return [(task, run, fold, labels[run]) for run in runs for fold in scheduler.folds(task)]

    def compared_ensembles(self, wildcards: "Wildcards") -> list[str]:
        """The predictions by which ensembles are compared."""
        split = self._scheduler(wildcards).reported_split(wildcards.task)
        ensembles = self._answers(wildcards).compared_ensembles(wildcards.task)
        return [self.fm.path("ensemble_predictions", **ensemble, eval=split) for ensemble in ensembles]

    def compared_ensemble_definitions(self, wildcards: "Wildcards") -> list[str]:
        """The definitions of the compared ensembles."""
        ensembles = self._answers(wildcards).compared_ensembles(wildcards.task)
        return [self.fm.path("ensemble", **ensemble) for ensemble in ensembles]

    def ensemble_folds(self, wildcards: "Wildcards") -> dict[str, int | None]:
        """The fold whose test samples an ensemble predicts, by task; None for an ensemble of networks of all folds."""
        answers, task = self._answers(wildcards), wildcards.task
        labels = answers.run_labels(task)
        folds = {network.task: labels[network.run].fold for network in answers.compared_networks(task)}
        return {ensemble["task"]: folds.get(ensemble["task"]) for ensemble in answers.compared_ensembles(task)}

    def uncalibrated_predictions(self, wildcards: "Wildcards") -> list[str]:
        """The uncalibrated test predictions of the networks of the task itself, if they are compared calibrated."""
        answers, networks = self._answers(wildcards), self._scheduler(wildcards).networks(wildcards.task)
        return [answers.predictions_path(network, "test") for network in networks if answers.is_calibrated(network)]

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
        return self.study.cfg.named_metrics_of(task_type) or [*TASK_TYPES[task_type].default_metrics]
