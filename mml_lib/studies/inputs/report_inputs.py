"""Inputs and params of rules/report.smk."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mml_lib.config.download_options import without_passwords
from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.images.transforms import transforms_of_masks
from mml_lib.pipelines.pipeline import DEVICE_KEYS, PIPELINE_KEYS
from mml_lib.pipelines.trained_networks import TrainedNetwork
from mml_lib.studies.inputs.evaluate_inputs import METRICS_FILES
from mml_lib.studies.inputs.rule_inputs import RuleInputs
from mml_lib.task_types import TASK_TYPES

if TYPE_CHECKING:
    from snakemake.iocontainers import InputFiles, OutputFiles, Wildcards

    from mml_lib.schedulers.post import PostScheduler
    from mml_lib.studies.runs import Run

THREADS = 4
"""Processes that draw the figures of a study's only task."""

TABLES = (
    "leaderboard",
    "run_differences",
    "fold_tests",
    "class_results",
    "group_results",
    "calibration_errors",
)
"""Assignment keys of the outputs of `compare_runs`."""

SILENT = (
    *(
        "paths",
        "plugins",
        "rules",
        "reuse",
        "remove",
        "resources",
        "preprocess_shards",
        "num_workers",
        "networks_per_job",
        "warm_start",
    ),
    *("tensorboard", "logger", "tta", "notify", "run", "clean", "force", "retrain"),
)
"""Sections that change no result. Test-time augmentation changes results if it has transforms, and is added then."""


class ReportInputs(RuleInputs):
    """Files and labels of figures and pages. A step that is not planned has no figure."""

    def _of(self, wildcards: "Wildcards", command: str) -> list[dict[str, Any]]:
        """Return the wildcards of a rule's planned steps on a task or its nested tasks."""
        scheduler = self._scheduler(wildcards)
        tasks = {wildcards.task, *(network.task for network in scheduler.networks(wildcards.task))}
        return [step for step in scheduler.steps_by_rule.get(command, ()) if step["task"] in tasks]

    # --- figures of a task --------------------------------------------------------------------------------------

    def _split(self, wildcards: "Wildcards") -> str:
        """Return the split that is drawn: the test split if networks are tested on it, or else the validation split."""
        return "test" if any(step["eval"] == "test" for step in self._of(wildcards, "test_fold")) else "val"

    def is_out_of_fold(self, wildcards: "Wildcards") -> bool:
        """True if figures pool the folds of a task, each sample once."""
        return self._split(wildcards) == "val" and bool(self._of(wildcards, "test_out_of_fold"))

    def _networks(self, wildcards: "Wildcards") -> list[TrainedNetwork]:
        """Return the networks that are tested on this split."""
        split = self._split(wildcards)
        tested = [step for step in self._of(wildcards, "test_fold") if step["eval"] == split]
        return [TrainedNetwork(step["task"], step["run"], step["fold"]) for step in tested]

    def histories(self, wildcards: "Wildcards") -> list[str]:
        """The histories of tested networks, except removed histories of trained networks."""
        if self.fm.remove.get("history"):
            return []
        networks = self._networks(wildcards)
        files = [
            (self.fm.path("history", **network.tokens), self.fm.path("models", **network.tokens))
            for network in networks
        ]
        return [history for history, model in files if Path(history).exists() or not Path(model).exists()]

    def tunings(self, wildcards: "Wildcards") -> list[str]:
        """The results of tunings of tested networks."""
        networks = [
            network
            for network in self._networks(wildcards)
            if self.study.run(network.task, network.run).pipeline.content.get("tune")
        ]
        return [self.fm.path("tuning", **network.tokens) for network in networks]

    def predictions(self, wildcards: "Wildcards") -> list[str]:
        """The predictions of tested networks; none if `remove` drops them."""
        if self.fm.remove.get("predictions"):
            return []
        split = self._split(wildcards)
        return [self.fm.path("predictions", **network.tokens, eval=split) for network in self._networks(wildcards)]

    def calibrated(self, wildcards: "Wildcards") -> list[str]:
        """The calibrated predictions of the same split, if they are planned and kept."""
        if self.fm.remove.get("calibrated"):
            return []
        split = self._split(wildcards)
        steps = [step for step in self._of(wildcards, "calibrate_fold") if step["eval"] == split]
        return [self.fm.path("calibrated", **step) for step in steps]

    def drawn_networks(self, wildcards: "Wildcards", input: "InputFiles") -> dict[str, list[dict[str, str]]]:
        """The wildcards of the networks behind the files of `draw_results`, file by file."""
        keys = ("history", "tuning", "predictions", "calibrated")
        return {key: [self.fm.wildcards(key, path) for path in input[key]] for key in keys}

    def ensembles(self, wildcards: "Wildcards") -> list[str]:
        """The planned ensembles."""
        return [self.fm.path("ensemble", **step) for step in self._of(wildcards, "select_ensemble")]

    def tables(self, wildcards: "Wildcards") -> list[str]:
        """The tables of a planned comparison."""
        compared = self._of(wildcards, "compare_runs")
        return [self.fm.path(key, **step) for step in compared for key in TABLES]

    def run_labels(self, wildcards: "Wildcards") -> dict[str, dict[str, Any]]:
        """The labels of each run in figures of a task, by run id; with runs of other tasks that answer this one."""
        return {run: label.as_params() for run, label in self._run_labels(wildcards).items()}

    def _run_labels(self, wildcards: "Wildcards") -> dict[str, RunLabel]:
        scheduler = self._scheduler(wildcards)
        if self._of(wildcards, "select_ensemble") or self._of(wildcards, "compare_runs"):
            post = cast("PostScheduler", scheduler)
            baselines = [baseline.run for baseline in post.feature_baselines.of(wildcards.task)]
            labels = {run: post.feature_baselines.labels[run] for run in baselines}
            return post.answers.run_labels(wildcards.task) | labels
        runs = {network.run for network in scheduler.networks(wildcards.task)}
        return {run: label for run, label in scheduler.run_labels.items() if run in runs}

    def transforms(self, wildcards: "Wildcards") -> dict[str, list[dict[str, Any]]]:
        """The transforms before the masks of a segmentation's runs, by the run in figures, which shows images so."""
        if not TASK_TYPES[self.study.task(wildcards.task).task_type].has_masks:
            return {}
        labels = self._run_labels(wildcards)
        networks = self._networks(wildcards)
        runs = {network.run: self.study.run(network.task, network.run) for network in networks}
        return {labels[id_].run: transforms_of_masks(run.pipeline) for id_, run in runs.items() if id_ in labels}

    def drawing_threads(self, wildcards: "Wildcards") -> int:
        """The threads of `draw_results`: processes that draw. Several tasks are drawn beside each other instead."""
        tasks = len(self._scheduler(wildcards).steps_by_rule.get("draw_results", ()))
        return self.study.resources.threads("draw_results", THREADS if tasks == 1 else 1)

    def metrics(self, wildcards: "Wildcards") -> list[str]:
        """The named metrics of a task."""
        return self.study.cfg.named_metrics_of(self.study.task(wildcards.task).task_type)

    # --- entries of the report ----------------------------------------------------------------------------------

    def topic(self, wildcards: "Wildcards") -> str:
        """The category of a figure."""
        return wildcards.topic.capitalize()

    def figure(self, wildcards: "Wildcards") -> dict[str, str]:
        """The labels of a figure: its content, and its run or fold."""
        named = {label.run: label.label for label in self._run_labels(wildcards).values()}
        part = wildcards.get("part", "")
        label = f" ({named[part]})" if named.get(part) else ""
        return {
            "content": wildcards.figure.replace("_", " ").replace("roc", "ROC"),
            "subject": _plain(part + label),
            "mode": wildcards.mode,
        }

    def page(self, wildcards: "Wildcards") -> dict[str, str]:
        """The labels of a page."""
        return {"content": wildcards.page.replace("_", " "), "mode": wildcards.mode}

    # --- pages of a study ---------------------------------------------------------------------------------------

    def done(self, wildcards: "Wildcards") -> list[str]:
        """The metrics and predictions that exist once all long steps are done, without those that `remove` drops."""
        steps = self._scheduler(wildcards).steps_by_rule
        rules = {**METRICS_FILES, "predict_fold": "predictions", "predict_other": "other_predictions"}
        return [
            self.fm.path(key, **step)
            for rule, key in rules.items()
            for step in steps.get(rule, ())
            if (rule.startswith("test") or step["eval"] == "unlabelled") and not self.fm.remove.get(key)
        ]

    def config(self, wildcards: "Wildcards") -> dict[str, Any]:
        """The merged config, without sections that change no result and without passwords."""
        config = {key: value for key, value in self.study.config.items() if key not in SILENT}
        if isinstance(trainer := self.study.config.get("trainer"), Mapping):
            config["trainer"] = {key: value for key, value in trainer.items() if key not in DEVICE_KEYS}
        return without_passwords(config | self.study.inputs.evaluate.prediction_params())

    def plan(self, wildcards: "Wildcards") -> dict[str, int]:
        """Number of planned steps by rule."""
        return dict(Counter(self._scheduler(wildcards).commands))

    def runs(self, wildcards: "Wildcards") -> list[dict[str, Any]]:
        """The label of each run, the keys of its pipeline that differ between runs, and its `added` parts."""
        scheduler = self._scheduler(wildcards)
        runs: dict[str, tuple[RunLabel, Run]] = {}
        for task in scheduler.trained_tasks:
            for run in scheduler.runs_of(task):
                label = scheduler.run_label(TrainedNetwork(task, run.id, fold=0))
                runs[label.run] = (label, run)
        by_task: dict[str, list[Run]] = {}
        for label, run in runs.values():
            by_task.setdefault(label.task, []).append(run)
        varied = {run.id: values for task_runs in by_task.values() for run, values in _differences(task_runs)}
        return [
            {
                **{"task": label.task, "run": label.run, "label": label.label},
                **varied[run.id],
                "added": run.pipeline.story,
            }
            for label, run in runs.values()
        ]

    def benchmarks(self, wildcards: "Wildcards", output: "OutputFiles") -> list[str]:
        """The folders of benchmark files, which no rule makes."""
        return [str(folder) for folder in self.fm.benchmark_folders]

    def measured(self, wildcards: "Wildcards") -> list[str]:
        """The first parts of the names of this mode's benchmark files."""
        tasks, scheduler = self.study.tasks.values(), self._scheduler(wildcards)
        names = [name for task in tasks for name in (task.dataset, f"{task.name}-{task.id}")]
        names += [f"{task}-{run.id}" for task in scheduler.trained_tasks for run in scheduler.runs_of(task)]
        return list(dict.fromkeys(names))

    # --- methods of a study -------------------------------------------------------------------------------------

    def _trained(self, wildcards: "Wildcards") -> list[TrainedNetwork]:
        """Return the networks of a mode."""
        scheduler = self._scheduler(wildcards)
        return [network for task in scheduler.task_names for network in scheduler.networks(task)]

    def pipelines(self, wildcards: "Wildcards") -> list[str]:
        """The pipelines of the runs of a mode."""
        runs = dict.fromkeys((network.task, network.run) for network in self._trained(wildcards))
        return [self.fm.path("pipeline", task=task, run=run) for task, run in runs]

    def models(self, wildcards: "Wildcards") -> list[str]:
        """The models of a mode."""
        return [self.fm.path("models", **network.tokens) for network in self._trained(wildcards)]

    def named_metrics(self, wildcards: "Wildcards") -> dict[str, list[str]]:
        """The named metrics of each task type of a mode."""
        kinds = dict.fromkeys(self.study.task(task).task_type for task in self._scheduler(wildcards).task_names)
        return {kind: self.study.cfg.named_metrics_of(kind) for kind in kinds}

    def evaluation(self, wildcards: "Wildcards") -> dict[str, Any]:
        """Options of a study that decide how networks are evaluated."""
        cfg, scheduler = self.study.cfg, self._scheduler(wildcards)
        return {
            "mode": wildcards.mode,
            "nested": scheduler.options.nested,
            "bootstrap": cfg.bootstrap,
            "per_group": cfg.per_group,
            "weighted_metrics": cfg.weighted_metrics,
            "tta": bool(cfg.tta.transforms),
            "compared": len(scheduler.questions.procedures),
        }


def _differences(runs: Sequence["Run"]) -> list[tuple["Run", dict[str, Any]]]:
    """Return each run with the dotted keys, and values, of its pipeline that differ between the runs."""
    contents = [_flat({key: run.pipeline.content.get(key) for key in PIPELINE_KEYS}) for run in runs]
    keys = dict.fromkeys(key for content in contents for key in content)
    varied = [key for key in keys if any(content.get(key) != contents[0].get(key) for content in contents)]
    return [(run, {key: content.get(key) for key in varied}) for run, content in zip(runs, contents, strict=True)]


def _flat(content: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return flat


def _plain(text: str) -> str:
    """Return a text without markup, which reports would interpret in labels."""
    return text.replace("<", "‹").replace(">", "›")
