"""Inputs and params of rules/evaluate.smk, and of other rules that read a trained network's task."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mml_lib.images.transforms import transforms_of_masks
from mml_lib.machine.terminal import summarized
from mml_lib.pipelines.own_code import code_of, code_of_hooks
from mml_lib.pipelines.step_hooks import PREDICTING
from mml_lib.studies.inputs.rule_inputs import RuleInputs

if TYPE_CHECKING:
    from snakemake.iocontainers import OutputFiles, Wildcards

METRICS_FILES = {
    "test_fold": "metrics",
    "test_other": "other_metrics",
    "test_out_of_fold": "out_of_fold_metrics",
    "test_baseline": "baseline_metrics",
    "test_pooled_baseline": "pooled_baseline_metrics",
}
"""Assignment keys of metrics, by rule."""

RESAMPLED_FILES = {
    "test_fold": "resampled_metrics",
    "test_other": "other_resampled_metrics",
    "test_out_of_fold": "out_of_fold_resampled_metrics",
    "test_baseline": "baseline_resampled_metrics",
    "test_pooled_baseline": "pooled_baseline_resampled_metrics",
}
"""Assignment keys of metrics on resamples, by rule."""


class EvaluateInputs(RuleInputs):
    """Tasks, metrics and labels of trained networks."""

    # --- predictions --------------------------------------------------------------------------------------------

    def description(self, wildcards: "Wildcards") -> str:
        """The description of the task that a run was planned for."""
        return self.study.inputs.train.learned_files(wildcards.task, wildcards.run).descriptions[0]

    def packed_images(self, wildcards: "Wildcards") -> str:
        """The packed images of the task that a run was planned for."""
        return self.study.inputs.train.learned_files(wildcards.task, wildcards.run).packed_images[0]

    def other_description(self, wildcards: "Wildcards") -> str:
        """The description of another task that a network predicts."""
        return self.study.tasks.description_path(wildcards.eval_task)

    def other_packed_images(self, wildcards: "Wildcards") -> str:
        """The packed images of another task that a network predicts, with the preprocessing of its training."""
        pack = self.study.run(wildcards.task, wildcards.run).pipeline.task["pack"]
        return self.fm.path("packed", dataset=self.study.task(wildcards.eval_task).dataset, pack=pack)

    def prediction_params(self) -> dict[str, Any]:
        """Params whose change repeats predictions: `tta` and `code`, if there are any."""
        cfg = self.study.cfg
        params = {"tta": cfg.tta.model_dump(by_alias=True)} if cfg.tta.transforms else {}
        hooks = code_of_hooks(type(self.study.scheduler(cfg.mode.id)), PREDICTING)
        code = code_of(params) | hooks
        return params | ({"code": code} if code else {})

    def predicted_dataset(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The manifest behind the images that a network predicts."""
        if name := wildcards.get("eval_task"):
            return self.fm.path("dataset", dataset=self.study.task(name).dataset)
        task = self.study.run(wildcards.task, wildcards.run).pipeline.task
        return self.fm.path("dataset", dataset=task["dataset"])

    def run_name(self, wildcards: "Wildcards", output: "OutputFiles") -> str:
        """The name of a run in messages. Snakemake does not repeat steps for new params that use the output."""
        return self.study.run(wildcards.task, wildcards.run).display_name

    # --- metrics ------------------------------------------------------------------------------------------------

    def metrics(self, wildcards: "Wildcards") -> list[Any]:
        """The metrics of the predicted task."""
        if hasattr(wildcards, "eval_task"):
            task_type = self.study.task(wildcards.eval_task).task_type
        else:
            task_type = self.study.run(wildcards.task, wildcards.run).pipeline.task["task_type"]
        metrics = self.study.cfg.metrics_of(task_type)
        return [metric if isinstance(metric, str) else metric.model_dump(by_alias=True) for metric in metrics]

    def metric_params(self) -> dict[str, Any]:
        """Params whose change repeats metrics, besides their names: the `code` of the user's metrics."""
        code = code_of(self.study.cfg.model_dump(include={"metrics"}, by_alias=True))
        return {"code": code} if code else {}

    def weighing_params(self) -> dict[str, Any]:
        """The param `weighted` of rules whose metrics weigh samples, if the study sets it."""
        return {"weighted": True} if self.study.cfg.weighted_metrics else {}

    def fold_predictions(self, wildcards: "Wildcards") -> list[str]:
        """The validation predictions of the networks of all folds, fold by fold."""
        return [
            self.fm.path("predictions", task=wildcards.task, run=wildcards.run, fold=fold, eval="val")
            for fold in range(self.study.task(wildcards.task).num_folds)
        ]

    # --- masks --------------------------------------------------------------------------------------------------

    def transforms(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """The transforms between delivered images and the masks that a run predicts."""
        return transforms_of_masks(self.study.run(wildcards.task, wildcards.run).pipeline)

    def mask_metrics(self, wildcards: "Wildcards") -> list[str]:
        """The named metrics of a segmentation."""
        task_type = self.study.task(wildcards.get("eval_task", wildcards.task)).task_type
        return self.study.cfg.named_metrics_of(task_type)

    # --- summary of a mode --------------------------------------------------------------------------------------

    def all_metrics(self, wildcards: "Wildcards") -> list[str]:
        """The metrics files of a mode."""
        return self._tested(wildcards.mode, METRICS_FILES)

    def all_resampled_metrics(self, wildcards: "Wildcards") -> list[str]:
        """The same metrics on resamples of the samples."""
        return self._tested(wildcards.mode, RESAMPLED_FILES)

    def _tested(self, mode: str, keys: Mapping[str, str]) -> list[str]:
        """Return an output of each planned test, by the assignment key for its rule."""
        steps = self.study.scheduler(mode).steps
        return [self.fm.path(keys[command], **wildcards) for command, wildcards in steps if command in keys]

    def run_labels(self, wildcards: "Wildcards") -> dict[str, dict[str, Any]]:
        """The labels of each run in tables of a mode, by run id."""
        return {run: label.as_params() for run, label in self.study.scheduler(wildcards.mode).run_labels.items()}

    def split_notes(self, wildcards: "Wildcards") -> list[str]:
        """Lines that name the networks and samples behind the results of a mode."""
        notes = self.study.scheduler(wildcards.mode).split_notes
        weighted = [task.name for task in self.study.tasks.values() if task.is_weighted]
        if weighted and self.study.cfg.weighted_metrics:
            return [*notes, f"metrics of {summarized(weighted)} weigh samples by the column weight"]
        return notes
