"""Inputs of the report's rules, by their wildcards: pictures of a task, pages of a study."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.task_options import Preprocessing
from mml_lib.config.task_types import TASK_TYPES
from mml_lib.images.transforms import resolve
from mml_lib.pipelines.pipeline import DEVICE_KEYS, PIPELINE_KEYS

if TYPE_CHECKING:
    from mml_lib.studies.runs import Run
    from mml_lib.studies.study import Study

TABLES = (
    "leaderboard",
    "run_differences",
    "fold_tests",
    "class_results",
    "group_results",
    "calibration_errors",
)
"""Keys of what `compare_runs` writes."""

SILENT = (
    *("paths", "plugins", "rules", "reuse", "remove", "resources", "preprocess_shards", "num_workers", "warm_start"),
    *("tensorboard", "tta", "run", "clean", "force", "retrain"),
)
"""Sections that change no result; test-time augmentation does where there is some, and is added."""


class Results:
    """Results of a mode by its plan: without a step there is no picture.

    Args:
        study: the study.
    """

    def __init__(self, study: "Study"):
        self.study = study
        self.fm = study.fm
        self._steps = cache(self._planned)

    def _planned(self, mode: str) -> dict[str, list[dict[str, Any]]]:
        """Return the wildcards of each planned step by rule."""
        scheduler = self.study.scheduler(mode)
        steps: dict[str, list[dict[str, Any]]] = {}
        for command, wildcards in zip(scheduler.commands, scheduler.params, strict=True):
            steps.setdefault(command, []).append(wildcards)
        return steps

    def _of(self, wildcards: Any, command: str) -> list[dict[str, Any]]:
        """Return the steps of a rule that are about a task, or about what is nested in it."""
        tasks = {wildcards.task, *(network["task"] for network in self.study.networks(wildcards))}
        return [told for told in self._steps(wildcards.mode).get(command, ()) if told["task"] in tasks]

    # --- what is drawn of a task --------------------------------------------------------------------------------

    def _split(self, wildcards: Any) -> str:
        """Return the split that is drawn: the test split where networks are tested on it."""
        return "test" if any(told["eval"] == "test" for told in self._of(wildcards, "test_fold")) else "val"

    def is_out_of_fold(self, wildcards: Any) -> bool:
        """Return True if what is drawn pools the folds of a task, each sample once."""
        return self._split(wildcards) == "val" and bool(self._of(wildcards, "test_out_of_fold"))

    def _networks(self, wildcards: Any) -> list[dict[str, Any]]:
        """Return `task`, `run` and `fold` of the networks that are tested on this split."""
        split = self._split(wildcards)
        tested = [told for told in self._of(wildcards, "test_fold") if told["eval"] == split]
        return [{key: told[key] for key in ("task", "run", "fold")} for told in tested]

    def histories(self, wildcards: Any) -> list[str]:
        """The histories of tested networks, but of those that are trained and have none any more."""
        if self.fm.remove.get("history"):
            return []
        told = [(self.fm.path("history", **each), self.fm.path("models", **each)) for each in self._networks(wildcards)]
        return [history for history, model in told if Path(history).exists() or not Path(model).exists()]

    def tunings(self, wildcards: Any) -> list[str]:
        """Tuning results of the runs, if there are some."""
        networks = self._networks(wildcards)
        tuned = [told for told in networks if self.study.run(told["task"], told["run"]).pipeline.content.get("tune")]
        return [self.fm.path("tuning", **told) for told in tuned]

    def predictions(self, wildcards: Any) -> list[str]:
        """Predictions of the runs for their test samples; files that `remove` drops are not drawn."""
        if self.fm.remove.get("predictions"):
            return []
        split = self._split(wildcards)
        return [self.fm.path("predictions", **told, eval=split) for told in self._networks(wildcards)]

    def calibrated(self, wildcards: Any) -> list[str]:
        """The same, calibrated, where that is planned."""
        if self.fm.remove.get("calibrated"):
            return []
        split = self._split(wildcards)
        steps = [told for told in self._of(wildcards, "calibrate_fold") if told["eval"] == split]
        return [self.fm.path("calibrated", **told) for told in steps]

    def ensembles(self, wildcards: Any) -> list[str]:
        """Ensembles, where some are planned."""
        return [self.fm.path("ensemble", **told) for told in self._of(wildcards, "select_ensemble")]

    def tables(self, wildcards: Any) -> list[str]:
        """The tables of a comparison, where one is planned."""
        compared = self._of(wildcards, "compare_runs")
        return [self.fm.path(key, **told) for told in compared for key in TABLES]

    def shown(self, wildcards: Any) -> dict[str, dict[str, Any]]:
        """Display names of a task's runs in pictures, by run id, including runs of other tasks that predict it."""
        if self._of(wildcards, "select_ensemble") or self._of(wildcards, "compare_runs"):
            return self.study.answers.called(wildcards)
        shown, runs = self.study.shown(wildcards.mode), {network["run"] for network in self.study.networks(wildcards)}
        return {run: told for run, told in shown.items() if run in runs}

    def transforms(self, wildcards: Any) -> dict[str, list[dict[str, Any]]]:
        """Preprocessing of the images of each run, by display name: masks are drawn beside these images."""
        if not TASK_TYPES[self.study.task(wildcards.task).task_type].has_masks:
            return {}
        shown = self.shown(wildcards)
        runs = {told["run"]: self.study.run(told["task"], told["run"]) for told in self._networks(wildcards)}
        return {
            shown[run]["run"]: resolve(Preprocessing(**each.pipeline.content["preprocessing"]))
            for run, each in runs.items()
            if run in shown
        }

    # --- tables of masks ----------------------------------------------------------------------------------------

    def measured_dataset(self, wildcards: Any) -> str:
        """The manifest of the images whose masks are measured."""
        task = self.study.task(wildcards.get("eval_task", wildcards.task))
        return self.fm.path("dataset", dataset=task.dataset)

    def measured_transforms(self, wildcards: Any) -> list[dict[str, Any]]:
        """The transforms that made the images a run has seen."""
        content = self.study.run(wildcards.task, wildcards.run).pipeline.content
        return resolve(Preprocessing(**content["preprocessing"]))

    def mask_metrics(self, wildcards: Any) -> list[str]:
        """The named metrics of a segmentation."""
        kind = self.study.task(wildcards.get("eval_task", wildcards.task)).task_type
        return [metric for metric in self.study.cfg.metrics_of(kind) if isinstance(metric, str)]

    def metrics(self, wildcards: Any) -> list[str]:
        """The named metrics of a task."""
        kind = self.study.task(wildcards.task).task_type
        return [metric for metric in self.study.cfg.metrics_of(kind) if isinstance(metric, str)]

    # --- what the report calls a picture or a page --------------------------------------------------------------

    def topic(self, wildcards: Any) -> str:
        """The category of a picture."""
        return wildcards.topic.capitalize()

    def figure(self, wildcards: Any) -> dict[str, str]:
        """The labels of a picture: what it shows, and of which run or fold."""
        named = {told["run"]: told["label"] for told in self.shown(wildcards).values()}
        part = wildcards.get("part", "")
        label = f" ({named[part]})" if named.get(part) else ""
        return {
            "shown": wildcards.figure.replace("_", " ").replace("roc", "ROC"),
            "of": _plain(part + label),
            "mode": wildcards.mode,
        }

    def page(self, wildcards: Any) -> dict[str, str]:
        """The labels of a page."""
        return {"shown": wildcards.page.replace("_", " "), "mode": wildcards.mode}

    # --- what is said of a study --------------------------------------------------------------------------------

    def done(self, wildcards: Any) -> list[str]:
        """Metrics and predictions after all expensive steps, without files that `remove` drops."""
        steps = self._steps(wildcards.mode)
        rules = {
            "test_fold": "metrics",
            "test_other": "other_metrics",
            "test_out_of_fold": "out_of_fold_metrics",
            "predict_fold": "predictions",
            "predict_other": "other_predictions",
        }
        return [
            self.fm.path(key, **told)
            for rule, key in rules.items()
            for told in steps.get(rule, ())
            if (rule.startswith("test") or told["eval"] == "unlabelled") and not self.fm.remove.get(key)
        ]

    def config(self, wildcards: Any) -> dict[str, Any]:
        """The merged config without options that do not change results."""
        config = {key: value for key, value in self.study.config.items() if key not in SILENT}
        if isinstance(trainer := self.study.config.get("trainer"), Mapping):
            config["trainer"] = {key: value for key, value in trainer.items() if key not in DEVICE_KEYS}
        return config | self.study.prediction_params()

    def plan(self, wildcards: Any) -> dict[str, int]:
        """How many steps of each rule the mode plans."""
        return dict(Counter(self.study.scheduler(wildcards.mode).commands))

    def runs(self, wildcards: Any) -> list[dict[str, Any]]:
        """Display name of each run, the keys of its pipeline that differ within its task, and the entries of a mode."""
        scheduler = self.study.scheduler(wildcards.mode)
        runs = {
            told["run"]: (told, run)
            for task in scheduler.trained_tasks
            for run in scheduler.runs_of(task)
            if (told := scheduler.shown(task, run))
        }
        by_task: dict[str, list[Run]] = {}
        for told, run in runs.values():
            by_task.setdefault(told["task"], []).append(run)
        varied = {run.id: values for of_task in by_task.values() for run, values in _differences(of_task)}
        return [
            {**{key: told[key] for key in ("task", "run", "label")}, **varied[run.id], "added": run.pipeline.story}
            for told, run in runs.values()
        ]

    def measured(self, wildcards: Any) -> list[str]:
        """Prefix of the benchmark files of this mode."""
        tasks, scheduler = self.study.tasks.values(), self.study.scheduler(wildcards.mode)
        names = [name for task in tasks for name in (task.dataset, f"{task.name}-{task.id}")]
        names += [f"{task}-{run.id}" for task in scheduler.trained_tasks for run in scheduler.runs_of(task)]
        return list(dict.fromkeys(names))


def _differences(runs: Sequence["Run"]) -> list[tuple["Run", dict[str, Any]]]:
    """Return each run with the dotted keys of its pipeline and their values where runs do not all have the same."""
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
    """Return a text that a report can hold: it takes markup in labels for its own."""
    return text.replace("<", "‹").replace(">", "›")
