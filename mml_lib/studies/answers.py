"""Inputs of the rules of mode `post`, by their wildcards: predictions that belong together."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.task_types import TASK_TYPES
from mml_lib.pipelines.differences import differences
from mml_lib.pipelines.pipeline import PIPELINE_KEYS
from mml_lib.studies.checks import holds_out_alike
from mml_lib.studies.reused import ReusedPredictions
from mml_lib.studies.runs import Run

if TYPE_CHECKING:
    from mml_lib.schedulers.post import PostScheduler
    from mml_lib.studies.study import Study

MODE = "post"

NAMED_KEYS = 3
"""Keys of a pipeline that the label of a run of another project names, at most."""


class Answers:
    """Predictions by what they are answers to.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.fm = study.fm

    def _scheduler(self, mode: str | None = None) -> "PostScheduler":
        """Return a mode's scheduler; without a mode that of the study's, if it calibrates, or else of `post`."""
        from mml_lib.schedulers.post import PostScheduler

        own = self.study.scheduler(self.study.cfg.mode.id)
        if mode is None and isinstance(own, PostScheduler):
            return own
        return self.study.scheduler(mode or MODE)

    # --- calibration --------------------------------------------------------------------------------------------

    def calibration(self, wildcards: Any) -> dict[str, Any]:
        """How predictions are calibrated: `method` and `prior`."""
        options = self._scheduler().options
        return {"method": options.calibration, "prior": options.prior}

    def validation(self, wildcards: Any) -> str:
        """The validation predictions of a network."""
        return self._prediction(wildcards, "val")

    def unlabelled(self, wildcards: Any) -> str | list[str]:
        """The predictions that the prior is estimated of, where it is."""
        asked = self._scheduler().options.prior == "quantify"
        return self._prediction(wildcards, "unlabelled") if asked else []

    def test(self, wildcards: Any) -> str | list[str]:
        """The test predictions whose targets give the prior, where they do."""
        return self._prediction(wildcards, "test") if self._scheduler().options.prior == "test" else []

    def groups(self, wildcards: Any) -> str | list[str]:
        """The description with the groups of validation samples, which are calibrated part by part."""
        if wildcards.eval != "val":
            return []
        return self.study.description_of(getattr(wildcards, "eval_task", wildcards.task))

    def _prediction(self, wildcards: Any, split: str) -> str:
        keys = ("task", "run", "fold", "eval_task")
        return self.predicted({key: getattr(wildcards, key) for key in keys if hasattr(wildcards, key)}, split)

    # --- ensembles ----------------------------------------------------------------------------------------------

    def members(self, wildcards: Any) -> list[dict[str, Any]]:
        """The networks that an ensemble for one trained task may have."""
        return self.networks(wildcards.task, self._scheduler(wildcards.mode))

    def networks(self, trained: str, scheduler: "PostScheduler") -> list[dict[str, Any]]:
        """Return the networks that an ensemble for a trained task may have, as a mode's scheduler plans them.

        Returns:
            `task`, `run` and `fold`; `eval_task` of those of other tasks, `project` of those of other projects.
        """
        planned = [network for task in scheduler.task_names for network in scheduler.networks(task)]
        own = [network for network in planned if network["task"] == trained]
        own += scheduler.source_networks(trained)
        runs = {network["run"] for network in own}
        folds = list(dict.fromkeys(network["fold"] for network in own))
        splits = ["val", *scheduler.splits(trained)]
        # Runs without validation predictions are compared, but no ensemble can be chosen of them.
        reused = self.reused.networks(trained, folds, splits, needed="compare" not in scheduler.subroutines)
        return [*own, *(network for network in reused if network["run"] not in runs)]

    @cached_property
    def reused(self) -> ReusedPredictions:
        """The predictions of other projects."""
        return ReusedPredictions(self.study)

    def seen(self, task: str, run: Run, project: str | None = None) -> str | None:
        """Return why networks of a run may have seen what a task holds out, fold by fold; None where they have not.

        Args:
            task: what they are to predict.
            run: of another task.
            project: where the run is from; None: this study.
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
            # Whichever fold is chosen there, it need not be this one.
            if known := [told["name"] for told in started.pipeline.tasks if told["dataset"] == identity.dataset]:
                return f"networks of {run.pipeline.task['name']} start from {known[0]}, which has images of {task}"
        return None

    def predicted(self, network: Mapping[str, Any], split: str) -> str:
        """Return the predictions of a network: of its own task, or of the `eval_task`."""
        return self.fm.path("other_predictions" if "eval_task" in network else "predictions", **network, eval=split)

    def delivered(self, network: Mapping[str, Any], split: str, scheduler: "PostScheduler") -> str:
        """Return the predictions of a network that a mode goes on with: calibrated where there are calibrated ones."""
        if not self.is_calibrated(network, scheduler):
            return self.predicted(network, split)
        return self.fm.path(self._calibrated_key(network), **network, eval=split)

    def is_calibrated(self, network: Mapping[str, Any], scheduler: "PostScheduler") -> bool:
        """Return whether a mode calibrates a network; one of another project has to be calibrated there."""
        predicted = network.get("eval_task", network["task"])
        if "calibrate" not in scheduler.subroutines or not scheduler.calibrates(predicted):
            return False
        if "project" not in network:
            return True
        folds = [0] if scheduler.options.nested else scheduler.folds(predicted)
        parts = [(fold, split) for fold in folds for split in ("val", *scheduler.splits(predicted))]
        key = self._calibrated_key(network)
        return all(Path(self.fm.path(key, **{**network, "fold": fold}, eval=split)).exists() for fold, split in parts)

    def _calibrated_key(self, network: Mapping[str, Any]) -> str:
        return "other_calibrated" if "eval_task" in network else "calibrated"

    def member_predictions(self, wildcards: Any) -> list[str]:
        """Predictions of the networks for the split in the wildcards, or for their validation samples."""
        split, scheduler = getattr(wildcards, "eval", "val"), self._scheduler(wildcards.mode)
        return [self.delivered(network, split, scheduler) for network in self.members(wildcards)]

    def ensemble_options(self, wildcards: Any) -> dict[str, Any]:
        """How an ensemble is selected."""
        return asdict(self._scheduler(wildcards.mode).ensemble_options(wildcards.task))

    def description(self, wildcards: Any) -> str:
        """The description that says which samples belong together."""
        return self.study.description_of(wildcards.task)

    # --- comparison ---------------------------------------------------------------------------------------------

    def compared(self, wildcards: Any) -> dict[str, list[dict[str, Any]]]:
        """Comparison of a task, with its nested tasks, on test samples: `networks`, those of other tasks
        and projects last, and `ensembles`.
        """
        return self.compared_by(wildcards.task, self._scheduler(wildcards.mode))

    def compared_by(self, task: str, scheduler: "PostScheduler") -> dict[str, list[dict[str, Any]]]:
        """Return the comparison of a mode's scheduler on a task."""
        own = scheduler.networks(task)
        trained = list(dict.fromkeys(network["task"] for network in own))
        planned = not scheduler.is_out_of_fold(task) or scheduler.averages_out_of_fold(task)
        ensembles = [{"task": name, "mode": scheduler.mode} for name in trained if planned]
        others = [network for name in trained for network in scheduler.source_networks(name)]
        others += [network for name in trained for network in self._reused(name, scheduler, own)]
        return {
            "networks": [*own, *others],
            "ensembles": ensembles if "ensemble" in scheduler.subroutines else [],
        }

    def left_out(self, task: str, scheduler: "PostScheduler") -> list[str]:
        """Return a line for each run of another project that is compared, but cannot join the ensemble."""
        trained = dict.fromkeys(network["task"] for network in scheduler.networks(task))
        members = {
            (network.get("project"), network["run"]) for name in trained for network in self.networks(name, scheduler)
        }
        reused = [network for network in self.compared_by(task, scheduler)["networks"] if "project" in network]
        left = {(network["project"], network["run"]) for network in reused} - members
        return [
            f"  run {run} of {project} is compared on {task}, but joins no ensemble: it has no validation predictions "
            "there, which mode post makes"
            for project, run in sorted(left)
        ]

    def _reused(
        self, trained: str, scheduler: "PostScheduler", own: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Return the networks of other projects that predicted a trained task, but for runs of the study's own."""
        runs = {network["run"] for network in own}
        folds = list(dict.fromkeys(network["fold"] for network in own if network["task"] == trained))
        networks = self.reused.networks(trained, folds, [scheduler.reported_split(trained)])
        return [network for network in networks if network["run"] not in runs]

    def compared_predictions(self, wildcards: Any) -> list[str]:
        """Predictions of the samples that networks are compared on, calibrated where there are calibrated ones."""
        scheduler = self._scheduler(wildcards.mode)
        split = scheduler.reported_split(wildcards.task)
        return [self.delivered(network, split, scheduler) for network in self.compared(wildcards)["networks"]]

    def is_out_of_fold(self, wildcards: Any) -> bool:
        """Return True if runs are compared by what the networks of all folds predict of their validation samples."""
        return self._scheduler(wildcards.mode).is_out_of_fold(wildcards.task)

    def compared_ensembles(self, wildcards: Any) -> list[str]:
        """Predictions of ensembles for test samples."""
        split = self._scheduler(wildcards.mode).reported_split(wildcards.task)
        ensembles = self.compared(wildcards)["ensembles"]
        return [self.fm.path("ensemble_predictions", **ensemble, eval=split) for ensemble in ensembles]

    def compared_ensemble_definitions(self, wildcards: Any) -> list[str]:
        """Definitions of the compared ensembles."""
        return [self.fm.path("ensemble", **ensemble) for ensemble in self.compared(wildcards)["ensembles"]]

    def ensemble_folds(self, wildcards: Any) -> dict[str, int | None]:
        """Fold whose test samples an ensemble predicts, by task; None of an ensemble of networks of all folds."""
        compared = self.compared(wildcards)
        called = self.called(wildcards)
        folds = {network["task"]: called[network["run"]].get("fold") for network in compared["networks"]}
        return {ensemble["task"]: folds.get(ensemble["task"]) for ensemble in compared["ensembles"]}

    def compared_uncalibrated(self, wildcards: Any) -> list[str]:
        """Test predictions of the networks of the task itself, where networks are compared calibrated."""
        scheduler = self._scheduler(wildcards.mode)
        networks = scheduler.networks(wildcards.task)
        return [self.predicted(network, "test") for network in networks if self.is_calibrated(network, scheduler)]

    def compared_descriptions(self, wildcards: Any) -> list[str]:
        """The descriptions of the tasks that are predicted."""
        tasks = dict.fromkeys(each["task"] for each in self._scheduler(wildcards.mode).networks(wildcards.task))
        return [self.study.description_of(task) for task in tasks]

    def metadata(self, wildcards: Any) -> list[str]:
        """Metadata of the samples of a task, if it names columns."""
        return self.study.metadata_of(wildcards.task)

    def metrics(self, wildcards: Any) -> list[str]:
        """The named metrics of a task: the study's, or those that are usual where it has none."""
        kind = self.study.task(wildcards.task).task_type
        named = [metric for metric in self.study.cfg.metrics_of(kind) if isinstance(metric, str)]
        return named or [*TASK_TYPES[kind].default_metrics]

    def compared_told(self, wildcards: Any) -> list[dict[str, Any]]:
        """Task, run and fold of each compared network; as `shown` its run, label, fold and procedure in tables, and
        whether it is `calibrated`.
        """
        networks, scheduler = self.compared(wildcards)["networks"], self._scheduler(wildcards.mode)
        called = self.called(wildcards)
        return [
            {
                **network,
                "shown": {"fold": network["fold"], **called[network["run"]]},
                "calibrated": self.is_calibrated(network, scheduler),
            }
            for network in networks
        ]

    def called(self, wildcards: Any) -> dict[str, dict[str, Any]]:
        """Display names of the compared runs in the tables of a task, by run id."""
        scheduler, shown = self._scheduler(wildcards.mode), self.study.shown(wildcards.mode)
        called = {}
        for network in self.compared(wildcards)["networks"]:
            if "project" in network:
                called[network["run"]] = self._called_elsewhere(network, scheduler)
            elif "eval_task" in network:
                called[network["run"]] = scheduler.shown_source(network)
            else:
                called[network["run"]] = shown[network["run"]]
        return called

    def _called_elsewhere(self, network: Mapping[str, Any], scheduler: "PostScheduler") -> dict[str, Any]:
        """Return the display name of a run of another project, or of another mode of this one.

        Its labels name the project, the mode, a task that is another one, and what its pipeline has otherwise than the
        nearest run of the study.
        """
        run = self.study.runs.read(network["task"], network["run"], network["project"])
        shown = scheduler.shown(network["task"], run)
        where = ", ".join(
            [network["project"], run.pipeline.mode, *([network["task"]] if "eval_task" in network else [])]
        )
        changed = self._changed(run, scheduler)
        words = {
            name: _words(keys) or "as here" for name, keys in (("run", changed), ("procedure", _unseeded(changed)))
        }
        return {**shown, "label": f"{where}: {words['run']}", "procedure_label": f"{where}: {words['procedure']}"}

    def _changed(self, run: Run, scheduler: "PostScheduler") -> dict[str, Any]:
        """Return the keys in which a run differs from that run of the study which is the nearest, with its values."""
        own = [planned for task in scheduler.trained_tasks for planned in scheduler.runs_of(task)]
        content = _compared_part(run)
        nearest = min((differences(content, _compared_part(planned)) for planned in own), key=len, default={})
        return {key: value for key, (value, _) in nearest.items()}


def _compared_part(run: Run) -> dict[str, Any]:
    return {key: run.pipeline.content.get(key) for key in (*PIPELINE_KEYS, "code")}


def _unseeded(changed: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in changed.items() if key != "seed"}


def _words(changed: Mapping[str, Any]) -> str:
    """Return changed keys as a label has them, the first of many."""
    words = [f"{key}={value}" for key, value in list(changed.items())[:NAMED_KEYS]]
    more = len(changed) - NAMED_KEYS
    return ", ".join([*words, *([f"{more} more keys"] if more > 0 else [])])
