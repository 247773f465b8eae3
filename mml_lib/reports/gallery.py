"""The gallery of a task: a folder of all pictures that a report shows of its networks, and pages of its tables.

Pictures are in a folder for each topic, those of one run or fold in a subfolder: `training/learning_curves.svg`,
`predictions/3f9ac21b/confusion_matrix.svg`.
"""

import contextlib
import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mml_lib.config.metric_options import name_per_sample
from mml_lib.errors import MMLError
from mml_lib.evaluation.alignment import arguments_of
from mml_lib.evaluation.calibration.reliability import reliability
from mml_lib.evaluation.comparisons.leaderboard import ENSEMBLE, RUN
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage, Member
from mml_lib.evaluation.run_labels import RunLabel
from mml_lib.evaluation.subgroups import class_table, largest_losses
from mml_lib.files.atomic import write_text
from mml_lib.images.decoding import decode_row
from mml_lib.images.display import displayed
from mml_lib.images.transforms import TRANSFORMS
from mml_lib.machine.forked_calls import ForkedCalls
from mml_lib.metrics.classification import is_of_class
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions, pool
from mml_lib.predictions.scores import confusion_matrix, pixel_confusion
from mml_lib.reports.canvas import at_print_resolution, run_styles
from mml_lib.reports.figures import (
    draw_calibration_errors,
    draw_ensemble,
    draw_leaderboard,
    draw_learning_curves,
    draw_tuning_curve,
)
from mml_lib.reports.group_figures import draw_groups
from mml_lib.reports.mask_figures import draw_overlap, draw_worst_masks, worst_part
from mml_lib.reports.pages import table_page
from mml_lib.reports.prediction_figures import (
    draw_confusion,
    draw_curves,
    draw_largest_losses,
    draw_reliability,
)
from mml_lib.reports.run_results import METRICS, Predictions, long_form, procedures_of
from mml_lib.reports.task_figures import draw_classes, draw_samples
from mml_lib.reports.value_figures import draw_values
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription

logger = logging.getLogger(__name__)

RUNS = 12
"""Number of best runs that have pictures of single runs."""
CURVES = 20
"""Runs whose learning curves are drawn."""
SAMPLES = 12
"""Samples with the largest loss that are drawn of a run."""


@dataclass(frozen=True)
class Gallery:
    """Draws figures into a folder. Figures that cannot be drawn are left out; the log has the reason.

    Args:
        folder: folder of the figures.
        task: task that the networks learned.
        labels: display names by run id.
        metrics: named metrics of the task, the main one first.
        transforms: of each run of masks, what made the images that it saw, as `mml_lib.images.transforms.resolve` gives
            them.
        calls: calls that draw the pictures, perhaps in `finish`.
    """

    folder: Path
    task: TaskDescription
    labels: Mapping[str, RunLabel]
    metrics: Sequence[str]
    transforms: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    calls: ForkedCalls = field(default_factory=ForkedCalls)

    @property
    def names(self) -> dict[str, str]:
        """Labels of procedures and runs, by id."""
        labels = [*self.labels.values()][::-1]  # the label of this study takes precedence
        procedures = {label.procedure: label.procedure_label for label in labels if label.procedure_label}
        return procedures | {label.run: label.label for label in labels if label.label}

    @property
    def _styles(self) -> dict[str, Any]:
        # The ensemble has its place in every mode: a run looks the same with and without it.
        runs = {label.run for label in self.labels.values()}
        return run_styles([ENSEMBLE, *runs, *procedures_of(self.labels)])

    def _draw(self, draw: Callable[[Path], None], *parts: str, printed: bool = True) -> None:
        """Draw a picture.

        Args:
            draw: writes it to a path.
            parts: folders and name of the file.
            printed: True for a drawing that is also written at the resolution of print.
        """
        self.calls.add(partial(self._write, draw, parts, printed), long=printed)

    def _write(self, draw: Callable[[Path], None], parts: Sequence[str], printed: bool) -> None:
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with at_print_resolution() if printed else contextlib.nullcontext():
                draw(path)
        except MMLError as error:
            logger.warning("no %s: %s", "/".join(parts), error)

    def finish(self) -> None:
        """Draw pending pictures, and remove empty folders."""
        self.calls.finish()
        for folder in sorted(self.folder.rglob("*"), reverse=True):
            if folder.is_dir():
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def draw_task(self, dataset: Dataset) -> None:
        """Draw samples, and how often each class is there."""
        self._draw(partial(draw_samples, self.task, dataset), "tasks", "samples.png")
        self._draw(partial(draw_classes, self.task), "tasks", "classes.png")

    def draw_training(self, histories: Mapping[str, Mapping[int, pd.DataFrame]], order: Sequence[str]) -> None:
        """Draw learning curves of the first runs of an order."""
        chosen = {run: list(histories[run].values()) for run in order[:CURVES] if run in histories}
        columns = ["train/loss", "val/loss", *(f"val/{metric}" for metric in self.metrics[:1]), "lr"]
        if chosen:
            draw = partial(draw_learning_curves, chosen, self._styles, columns=columns, names=self.names)
            self._draw(draw, "training", "learning_curves.svg")

    def draw_tuning(self, tunings: Mapping[str, Mapping[int, Any]], order: Sequence[str]) -> None:
        """Draw the range test of learning rates for the first fold of runs that have one."""
        for run in _first(order, tunings):
            tuning = tunings[run][min(tunings[run])]
            if tuning.curve:
                draw = partial(draw_tuning_curve, tuning.curve, tuning.lr)
                self._draw(draw, "training", run, "tuning_curve.svg", printed=False)

    # --- predictions --------------------------------------------------------------------------------------------

    def draw_predictions(self, runs: Predictions, order: Sequence[str], dataset: Dataset) -> None:
        """Draw confusion matrices and curves of some runs, with the predictions of all folds together."""
        for place, run in enumerate(_first(order, runs)):
            pooled = pool(list(runs[run].values()))
            target = TASK_TYPES[pooled.task_type].target
            for name, draw in PICTURES[target].items() if target else ():
                drawing = partial(draw, pooled, self.task.header["classes"])
                self._draw(drawing, "predictions", run, name, printed=place == 0)
            self._draw(partial(self._draw_worst, run, pooled, dataset), "predictions", run, "largest_losses.jpg")

    def _draw_worst(self, run: str, pooled: AnyPredictions, dataset: Dataset, path: Path) -> None:
        """Draw samples with the largest loss, each once, with the prediction of the worst fold."""
        classes = self.task.header["classes"]
        worst = largest_losses(pooled, classes, len(pooled.ids)).drop_duplicates("id").head(SAMPLES)
        rows = dict(zip(self.task.samples["id"], self.task.samples["row"], strict=True))
        transforms = self.transforms.get(run, ())
        images = [displayed(decode_row(dataset, rows[id_], transforms)[0]) for id_ in worst["id"]]
        if isinstance(pooled, MaskPredictions):
            pairs = list(pooled.images())
            masks = [pairs[number] for number in worst.index]
            parts = [worst_part(*pair) for pair in masks]
            images = [
                TRANSFORMS["resize"](image, None, mask.shape)[0][part]
                for image, (mask, _), part in zip(images, masks, parts, strict=True)
            ]
            masks = [(mask[part], target[part]) for (mask, target), part in zip(masks, parts, strict=True)]
            draw_worst_masks(worst, images, masks, classes, path)
        else:
            draw_largest_losses(worst, images, path)

    def draw_calibration(self, runs: Predictions, calibrated: Predictions, order: Sequence[str]) -> None:
        """Draw the reliability of probabilities of some runs, before and, if available, after calibration."""
        for place, run in enumerate(_first(order, runs)):
            pooled = pool(list(runs[run].values()))
            if not TASK_TYPES[pooled.task_type].has_probabilities:
                continue
            after = pool(list(calibrated[run].values())) if run in calibrated else None
            draw = partial(_draw_calibration, pooled, after)
            self._draw(draw, "calibration", run, "reliability.svg", printed=place == 0)

    # --- comparison ---------------------------------------------------------------------------------------------

    def draw_comparison(self, standing: pd.DataFrame | None) -> None:
        """Draw the leaderboard of procedures and the ensemble."""
        if standing is not None:
            entries = standing[standing["kind"] != RUN]
            entries = entries.assign(run=entries["run"].where(entries["run"] != "", entries["procedure"]))
            draw = partial(draw_leaderboard, entries, _drawn_metrics(entries), self._styles, names=self.names)
            self._draw(draw, "comparison", "leaderboard.svg")

    def draw_ensembles(self, ensembles: Mapping[str, EnsembleStorage], folds: Mapping[str, Iterable[int]]) -> None:
        """Draw who belongs to an ensemble, and with which weight.

        Args:
            ensembles: by trained task.
            folds: folds of the networks, by run.
        """
        for task, ensemble in ensembles.items():
            labels = [self.labels.get(member.run) or _elsewhere(member) for member in ensemble.members]
            members = pd.DataFrame({"run": [label.run for label in labels], "weight": list(ensemble.weights)})
            own = [_listed(folds.get(label.run, ())) if label.fold is None else label.fold for label in labels]
            members["fold"] = own
            part = [f"fold{label.fold}" for label in labels if label.fold is not None][:1]
            others = dict.fromkeys(members["run"], self._styles[ENSEMBLE])
            draw = partial(draw_ensemble, members, others | self._styles, names=self.names)
            self._draw(draw, "ensemble", *part, "members.svg")
            logger.info("the ensemble of %s has %d members", task, len(ensemble.members))

    def _draw_groups(self, table: pd.DataFrame, order: Iterable[str]) -> None:
        """Draw metrics of runs for each group of a column, in a folder for each column."""
        parts: list[str] = []
        for place, (column, of_column) in enumerate(table.groupby("column", sort=False)):
            part = re.sub("[^a-z0-9]", "", str(column).lower()) or "column"
            parts.append(part + (str(place) if part in parts else ""))
            runs = list(dict.fromkeys(order))
            draw = partial(draw_groups, of_column, self.metrics[0], runs, self._styles, names=self.names)
            self._draw(draw, "comparison", parts[-1], "groups.svg")

    def write_tables(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Write the tables of a comparison as pages, and draw calibration errors before and after calibration."""
        for name, table in tables.items():
            if table.empty:
                continue
            if name == "calibration":
                means = table.groupby(["run", "metric"], sort=False)[["before", "after"]].mean().reset_index()
                self._draw(partial(draw_calibration_errors, means, names=self.names), "calibration", "errors.svg")
            if name == "groups":
                order = tables["leaderboard"]["run"] if "leaderboard" in tables else table["run"]
                self._draw_groups(table, order[order != ""])
            topic = "calibration" if name == "calibration" else "comparison"
            led = long_form(table) if name == "leaderboard" else table.copy()
            if "rank" in led:
                led["rank"] = led["rank"].astype("Int64")
            if "label" not in led and "run" in led:
                led.insert(led.columns.get_loc("run") + 1, "label", [self.names.get(run, "") for run in led["run"]])
            title = f"{self.task.header['name']}: {name.replace('_', ' ')}"
            write_text(self.folder / topic / f"{name}_table.html", table_page(title, led, f"{name}.csv"))


def _elsewhere(member: Member) -> RunLabel:
    """Return the names of a run of another project in pictures."""
    of_task = f"{member.task}: " if member.eval_task else ""
    run = f"{of_task}{member.run} ({member.project or 'of no mode here'})"
    return RunLabel(member.task, run, "", run, "")


def _listed(folds: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(folds))) or "all"


def _first(order: Sequence[str], runs: Collection[str]) -> list[str]:
    """Return the runs that have pictures of single runs."""
    return [run for run in order if run in runs][:RUNS]


# --- predictions of a run -----------------------------------------------------------------------------------------


def _draw_confusion(pooled: AnyPredictions, classes: Sequence[str], path: Path) -> None:
    unit = "pixels" if isinstance(pooled, MaskPredictions) else "images"
    draw_confusion(confusion_of(pooled), classes, path, unit, len(pooled.ids) / len(set(pooled.ids.tolist())))


def _draw_curves(pooled: AnyPredictions, classes: Sequence[str], path: Path) -> None:
    probabilities, targets, *is_known = arguments_of(pooled, "the run")
    draw_curves(probabilities, is_of_class(targets, len(classes)), classes, path, *is_known)


def _draw_calibration(pooled: AnyPredictions, calibrated: AnyPredictions | None, path: Path) -> None:
    tables = {"as predicted" if calibrated is None else "before": reliability(pooled)}
    if calibrated is not None:
        tables["after"] = reliability(calibrated)
    draw_reliability(tables, path)


def _draw_values(pooled: AnyPredictions, classes: Sequence[str], path: Path) -> None:
    values, targets = arguments_of(pooled, "the run")
    draw_values(values, targets, path)


def _draw_overlap(pooled: AnyPredictions, classes: Sequence[str], path: Path) -> None:
    draw_overlap(class_table(pooled, classes, "the run"), path)


CONFUSION, ROC = {"confusion_matrix.svg": _draw_confusion}, {"roc_and_precision_recall.svg": _draw_curves}
PICTURES: Mapping[str, Mapping[str, Callable[[AnyPredictions, Sequence[str], Path], None]]] = {
    "class": CONFUSION | ROC,
    "labels": ROC,
    "value": {"predicted_values.svg": _draw_values},
    "mask": CONFUSION | {"overlap_by_class.svg": _draw_overlap},
}
"""Pictures of the predictions of a run by kind of target: file names, and functions that draw them."""


# --- what is drawn ------------------------------------------------------------------------------------------------


def _drawn_metrics(standing: pd.DataFrame) -> list[str]:
    """Return the metrics of a leaderboard figure: the main one, the same per group, and the next."""
    main = standing["metric"].iloc[0]
    defined = [name for name, means in standing.groupby("metric", sort=False)["mean"] if means.notna().any()]
    return sorted(defined, key=lambda name: (name != main, name_per_sample(name) != main))[:METRICS] or [main]


def confusion_of(predictions: AnyPredictions) -> np.ndarray:
    """Return counts of true and predicted class, C×C: of samples, or of pixels that are not ignored."""
    if not isinstance(predictions, MaskPredictions):
        probabilities, targets = arguments_of(predictions, "a prediction")
        return confusion_matrix(targets, probabilities.argmax(axis=1), probabilities.shape[1])
    return pixel_confusion(predictions.masks, predictions.targets, predictions.classes)
