"""What the rules of the mode `post` ask, by their wildcards: which predictions belong together, and how."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mml_lib.config.metrics import DEFAULT
from mml_lib.errors import MMLError

if TYPE_CHECKING:
    from mml_lib.schedulers.post import PostScheduler
    from mml_lib.schedulers.study import Study

MODE = "post"


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

    def _prediction(self, wildcards: Any, split: str) -> str:
        tokens = {key: getattr(wildcards, key) for key in ("task", "run", "fold")}
        return self.fm.path("predictions", **tokens, eval=split)

    # --- ensembles ----------------------------------------------------------------------------------------------

    def members(self, wildcards: Any) -> list[dict[str, Any]]:
        """Task, run and fold of the networks of one trained task, and of those of other projects by `reuse`."""
        return self.networks(wildcards.task, self._scheduler(wildcards.mode))

    def networks(self, trained: str, scheduler: "PostScheduler") -> list[dict[str, Any]]:
        """Return the networks that an ensemble for a trained task may have, as a mode's scheduler plans them."""
        planned = [network for task in scheduler.task_names for network in scheduler.networks(task)]
        own = [network for network in planned if network["task"] == trained]
        runs = {network["run"] for network in own}
        return [*own, *(network for network in self._reused(trained) if network["run"] not in runs)]

    def _reused(self, task: str) -> list[dict[str, Any]]:
        """Return project, task, run and fold of networks of other projects whose predictions are there.

        Raises:
            MMLError: a project has none, or only those of another division of the samples.
        """
        networks: list[dict[str, Any]] = []
        for project, run in map(self.study.project_of, self.study.cfg.reuse.predictions):
            wanted = {"task": task} | ({"run": run} if run else {})
            found = self.fm.existing("predictions", project=project, eval="val", **wanted)
            alike = [told for told in found if self._is_same_task(project, told)]
            if not alike:
                why = f"those of {task} are divided otherwise, and their networks may have seen test samples"
                raise MMLError(
                    f"reuse.predictions: {project} has none for the validation samples of {task}"
                    f"{f' ({why})' if found else ''}; a study in mode post makes them"
                )
            networks += [
                {"project": project, "task": task, "run": told["run"], "fold": int(told["fold"])}
                for told in sorted(alike, key=lambda told: (told["run"], int(told["fold"])))
            ]
        return networks

    def _is_same_task(self, project: str, told: dict[str, str]) -> bool:
        known = self.study.runs.read(told["task"], told["run"], project).pipeline.task
        return known["id"] == self.study.task(told["task"]).id

    def member_predictions(self, wildcards: Any) -> list[str]:
        """What they predict: of a split where there is one among the wildcards, of their validation samples if not."""
        split = getattr(wildcards, "eval", "val")
        return [self.fm.path("predictions", **each, eval=split) for each in self.members(wildcards)]

    def ensemble_options(self, wildcards: Any) -> dict[str, Any]:
        """How an ensemble is selected."""
        return asdict(self._scheduler(wildcards.mode).ensemble_options(wildcards.task))

    def description(self, wildcards: Any) -> str:
        """The description that says which samples belong together."""
        return self.study.description_of(wildcards.task)

    # --- comparison ---------------------------------------------------------------------------------------------

    def compared(self, wildcards: Any) -> dict[str, list[dict[str, Any]]]:
        """What is compared on test samples, of a task with all that is nested in it: `networks` and `ensembles`."""
        scheduler = self._scheduler(wildcards.mode)
        trained = list(dict.fromkeys(each["task"] for each in scheduler.networks(wildcards.task)))
        ensembles = [{"task": task, "mode": wildcards.mode} for task in trained]
        return {
            "networks": scheduler.networks(wildcards.task),
            "ensembles": ensembles if "ensemble" in scheduler.subroutines else [],
        }

    def compared_predictions(self, wildcards: Any) -> list[str]:
        """What networks predict of test samples."""
        return [self.fm.path("predictions", **each, eval="test") for each in self.compared(wildcards)["networks"]]

    def compared_ensembles(self, wildcards: Any) -> list[str]:
        """What ensembles predict of test samples."""
        told = self.compared(wildcards)["ensembles"]
        return [self.fm.path("ensemble_predictions", **each, eval="test") for each in told]

    def compared_calibrated(self, wildcards: Any) -> list[str]:
        """What calibrated networks predict of test samples, where there are probabilities."""
        scheduler = self._scheduler(wildcards.mode)
        if "calibrate" not in scheduler.subroutines or not scheduler.calibrates(wildcards.task):
            return []
        return [self.fm.path("calibrated", **each, eval="test") for each in self.compared(wildcards)["networks"]]

    def compared_descriptions(self, wildcards: Any) -> list[str]:
        """The descriptions of the tasks of these networks."""
        tasks = dict.fromkeys(each["task"] for each in self.compared(wildcards)["networks"])
        return [self.study.description_of(task) for task in tasks]

    def metrics(self, wildcards: Any) -> list[str]:
        """The named metrics of a task: the study's, or those that are usual where it has none."""
        kind = self.study.task(wildcards.task).task_type
        return [each for each in self.study.cfg.metrics_of(kind) if isinstance(each, str)] or DEFAULT[kind]

    def compared_told(self, wildcards: Any) -> list[dict[str, Any]]:
        """Task, run and fold of each compared network, and what tables call it: `shown`, its run, label and fold."""
        shown = self.study.shown(wildcards.mode)
        networks = self.compared(wildcards)["networks"]
        return [{**each, "shown": {"fold": each["fold"], **shown[each["run"]]}} for each in networks]
