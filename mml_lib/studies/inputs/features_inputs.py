"""Inputs and params of rules/features.smk, and the features that other rules read."""

from typing import TYPE_CHECKING, Any

from mml_lib.errors import MMLError
from mml_lib.pipelines.feature_baselines import METHODS, BaselineModel, FeatureBaseline
from mml_lib.studies.extractors import Extractor
from mml_lib.studies.inputs.rule_inputs import RuleInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import OutputFiles, Wildcards


class FeaturesInputs(RuleInputs):
    """Features of tasks, and inputs of their extraction."""

    # --- for other rules and for schedulers -------------------------------------------------------------------------

    def path(self, task: str, extractor: Extractor | None = None) -> str:
        """Return the features of a task of the study, from a project of `reuse.features` or from this project.

        Args:
            task: name of the task.
            extractor: one of `study.extractors`; None: that of the section `features`.
        """
        tokens = self.tokens(task, extractor)
        reused = self.fm.reusables.inputs("features", **tokens)
        return reused[0] if reused else self.fm.path("features", **tokens)

    def tokens(self, task: str, extractor: Extractor | None = None) -> dict[str, Any]:
        """Return the wildcards of the step that extracts the features of a task."""
        name = (extractor or self.study.extractors.own).name
        return {"task": task, "task_id": self.study.task(task).id, "extractor": name}

    def is_reused(self, task: str, extractor: Extractor | None = None) -> bool:
        """True if another project has the features of a task."""
        return bool(self.fm.reusables.inputs("features", **self.tokens(task, extractor)))

    # --- inputs of the rule -----------------------------------------------------------------------------------------

    def description(self, wildcards: "Wildcards") -> str:
        """The description of the task."""
        return self.fm.path("description", task=wildcards.task, task_id=wildcards.task_id)

    def packed_images(self, wildcards: "Wildcards") -> str:
        """The packed images of the task."""
        definition = self.study.tasks.definition(wildcards.task, wildcards.task_id)
        return self.fm.path("packed", dataset=definition["dataset"], pack=self._extractor(wildcards).pack)

    def candidate_models(self, wildcards: "Wildcards") -> list[str]:
        """The storages of the trained networks that the backbone may be of; none for one of a library."""
        return [self.fm.path("models", **model) for model in self._extractor(wildcards).models]

    def candidate_parameters(self, wildcards: "Wildcards") -> list[str]:
        """The weights of these networks."""
        return [self.fm.path("parameters", **model) for model in self._extractor(wildcards).models]

    # --- params -----------------------------------------------------------------------------------------------------

    def options(self, wildcards: "Wildcards", output: "OutputFiles") -> dict[str, Any]:
        """The section `features` of the extractor. Snakemake does not repeat steps for new params of the output."""
        return self._extractor(wildcards).options.model_dump(mode="json", by_alias=True)

    def candidates(self, wildcards: "Wildcards", output: "OutputFiles") -> list[dict[str, Any]]:
        """The trained networks: `project` (None: this one), `task`, `run`, `fold`."""
        return [dict(model) for model in self._extractor(wildcards).models]

    def by(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The metric by which the best of these networks is chosen."""
        return self._extractor(wildcards).by

    def parts(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The folder for features of an interrupted extraction."""
        tokens = {key: wildcards[key] for key in ("task", "task_id", "extractor")}
        return self.fm.path("feature_parts", **tokens)

    def code(self, wildcards: "Wildcards", output: "OutputFiles") -> dict[str, str]:
        """The digests of the user's own code of the backbone, as they were planned."""
        return self._extractor(wildcards).content.get("code", {})

    def _extractor(self, wildcards: "Wildcards") -> Extractor:
        return self.study.extractors.named(wildcards.extractor)

    # --- baselines on features --------------------------------------------------------------------------------------

    def baseline(self, task: str, model: BaselineModel) -> FeatureBaseline:
        """Return a baseline on the features of a task by the extractor of the section `features`."""
        extractor = self.study.extractors.own
        return FeatureBaseline(task, self.study.task(task).id, model, extractor.name, extractor.content)

    def baseline_features(self, wildcards: "Wildcards") -> str:
        """The features that a baseline is fitted on."""
        return self.path(wildcards.task)

    def baseline_description(self, wildcards: "Wildcards") -> str:
        """The description of the task of a baseline."""
        return self.study.tasks.description_path(wildcards.task)

    def baseline_fold_predictions(self, wildcards: "Wildcards") -> list[str]:
        """The validation predictions of a baseline of all folds, fold by fold."""
        folds = range(self.study.task(wildcards.task).num_folds)
        tokens = {"task": wildcards.task, "run": wildcards.run, "eval": "val"}
        return [self.fm.path("baseline_predictions", **tokens, fold=fold) for fold in folds]

    def baseline_metrics(self, wildcards: "Wildcards") -> list[Any]:
        """The metrics of the task of a baseline."""
        metrics = self.study.cfg.metrics_of(self.study.task(wildcards.task).task_type)
        return [metric if isinstance(metric, str) else metric.model_dump(by_alias=True) for metric in metrics]

    def probe(self, wildcards: "Wildcards") -> list[str]:
        """The fitted probe of a baseline; none for nearest neighbours."""
        if self._baseline(wildcards).model.method != "linear_probe":
            return []
        tokens = {key: wildcards[key] for key in ("task", "run", "fold")}
        return [self.fm.path("baseline_probe", **tokens)]

    def penalty(self, wildcards: "Wildcards") -> float | None:
        """The penalty of a linear probe; None: its default."""
        return self._baseline(wildcards).model.penalty

    def neighbours(self, wildcards: "Wildcards") -> int | None:
        """The number of nearest neighbours; None: its default."""
        return self._baseline(wildcards).model.neighbours

    def baseline_label(self, wildcards: "Wildcards") -> str:
        """The name of a baseline in tables."""
        return self._baseline(wildcards).model.label

    def _baseline(self, wildcards: "Wildcards") -> FeatureBaseline:
        """Return the baseline of a run.

        Raises:
            MMLError: the study has no baseline of this run.
        """
        options = self.study.scheduler(self.study.cfg.mode.id).options
        models = [*(BaselineModel(method=method) for method in METHODS), *getattr(options, "feature_baselines", ())]
        baselines = {(one := self.baseline(wildcards.task, model)).run: one for model in models}
        if wildcards.run not in baselines:
            raise MMLError(
                f"run {wildcards.run} of {wildcards.task} is not a baseline on the features of this study "
                f"({self.study.extractors.own.name}), whose runs are {', '.join(baselines)}"
            )
        return baselines[wildcards.run]
