"""Answer on a task: best procedures, weak classes and groups, calibration, samples, figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mml_lib.config.metric_options import lower_is_better, name_per_sample
from mml_lib.evaluation.comparisons.leaderboard import ENSEMBLE
from mml_lib.metrics import find_metric
from mml_lib.predictions.predictions import AnyPredictions
from mml_lib.reports.run_results import RunResults
from mml_lib.reports.study_report.answer_checks import Check
from mml_lib.reports.study_report.standing_rows import StandingRow, winner
from mml_lib.reports.study_report.thumbnails import file_address
from mml_lib.task_types import TASK_TYPES
from mml_lib.wording import counted, enumerated

SPLITS = {
    "test": "images that took no part in training",
    "val": "validation images",
    "out_of_fold": "images, each predicted by a network that was not trained on it",
}
"""Texts of splits for a general audience."""

FIGURES = (
    (
        "comparison/leaderboard.svg",
        "Runs",
        "Mean over networks with 95 % interval. Filled: not significantly different from the best.",
    ),
    ("predictions/{run}/confusion_matrix.svg", "Confusion matrix", "Rows: true classes. Columns: predicted classes."),
    (
        "predictions/{run}/roc_and_precision_recall.svg",
        "ROC and precision-recall curves",
        "Results for all thresholds of a class: the closer to the corner, the better.",
    ),
    ("predictions/{run}/predicted_values.svg", "Predicted and true values", "On the diagonal, both are equal."),
    (
        "predictions/{run}/overlap_by_class.svg",
        "Overlap of masks by class",
        "1: the predicted mask equals the true one.",
    ),
    (
        "calibration/{run}/reliability.svg",
        "Reliability",
        "On the diagonal, predicted and observed probabilities are equal.",
    ),
    ("calibration/errors.svg", "Calibration errors", "Errors of probabilities before and after calibration."),
    ("predictions/{run}/largest_losses.jpg", "Largest losses", "Images with the largest losses of the run."),
    ("comparison/*/groups.svg", "Results by group", "Mean over networks with 95 % interval, for each group."),
    ("ensemble/members.svg", "Members of the ensemble", "Their weights."),
    ("training/learning_curves.svg", "Learning curves", "Losses and metrics while training."),
    ("tasks/classes.png", "Training samples", "Frequency of each class, or distribution of values."),
)
"""Figures of a page of a task: path in the folder of figures, title, caption."""


@dataclass(frozen=True)
class Picture:
    """A picture with its texts."""

    address: str
    title: str
    caption: str = ""


@dataclass
class TaskAnswer:
    """Content of the pages of a task.

    Args:
        header: header of the task description.
        split: the split of the results.
        metric: the main metric.
        rows: procedures and ensembles, the best first.
        evaluated: number of evaluated images.
        checks: lines on the validity of the answer.
    """

    header: Mapping[str, Any]
    split: str
    metric: str
    rows: Sequence[StandingRow]
    evaluated: int
    checks: Sequence[Check] = ()
    examples: list[Picture] = field(default_factory=list)
    mistakes: list[Picture] = field(default_factory=list)
    figures: list[Picture] = field(default_factory=list)
    weak_classes: list[tuple[str, str]] = field(default_factory=list)
    weak_groups: list[tuple[str, str]] = field(default_factory=list)
    calibration: str = ""
    guess: str = ""
    tables: list[Any] = field(default_factory=list)
    samples: pd.DataFrame | None = None
    sample_addresses: list[str] = field(default_factory=list)
    total_samples: int = 0

    @property
    def name(self) -> str:
        """Name of the task."""
        return str(self.header["name"])

    @property
    def winner(self) -> StandingRow | None:
        """The best procedure."""
        return winner(self.rows)

    @property
    def equals(self) -> list[StandingRow]:
        """Procedures that do not differ significantly from the best one."""
        return [row for row in self.rows if row.is_best and row is not self.winner and row.name != ENSEMBLE]

    @property
    def description(self) -> str:
        """The task in plain sentences."""
        kind, classes = TASK_TYPES[self.header["task_type"]], self.header["classes"]
        names = enumerated(classes) if len(classes) <= 8 else f"{', '.join(classes[:6])} and {len(classes) - 6} more"
        question = {
            "class": f"Which of {len(classes)} classes does an image show: {names}?",
            "labels": f"Which of {len(classes)} labels does an image have: {names}? It may have several, or none.",
            "mask": f"Which class does each pixel of an image have: {names}?",
            "value": "Which number belongs to an image?",
            None: "",
        }[kind.target]
        train = counted(self.header["num_samples"].get("train", 0), "image")
        return f"{question} Networks learned from {train}; {self.evaluated:,} {SPLITS[self.split]} were evaluated."

    @property
    def has_masks(self) -> bool:
        """True for a segmentation."""
        return TASK_TYPES[self.header["task_type"]].has_masks

    @property
    def is_alone(self) -> bool:
        """True for a study with one run on this task."""
        return len(self.rows) == 1

    @property
    def metric_sentence(self) -> str:
        """The main metric in one sentence."""
        metric = find_metric(self.header["task_type"], name_per_sample(self.metric))
        if metric is None:
            return ""  # the direction of the metric is unknown
        direction = "Lower is better" if lower_is_better(name_per_sample(self.metric)) else "Higher is better"
        name = metric_title(self.metric)
        return f"{name[:1].upper()}{name[1:]}: {metric.description}. {direction}."


def read_figures(folder: Path, run: str) -> list[Picture]:
    """Return the figures of a task, those of runs of one run only."""
    return [
        Picture(file_address(path.read_bytes(), path.suffix), title, caption)
        for pattern, title, caption in FIGURES
        for path in sorted(folder.glob(pattern.format(run=run)))
    ]


def networks_of(row: StandingRow | None, results: RunResults) -> list[AnyPredictions]:
    """Return the predictions of the networks of a procedure, calibrated ones where they exist."""
    delivered = results.delivered
    return [predictions for run in (row.runs if row else ()) for predictions in delivered.get(run, {}).values()]


def number(value: float) -> str:
    """Return a metric with three decimals, or three significant digits."""
    if np.isnan(value):
        return "–"
    return f"{value:.3f}" if 0.001 <= abs(value) < 100 or value == 0 else f"{value:.4g}"


ABBREVIATIONS = {"auroc": "AUROC", "mae": "MAE", "rmse": "RMSE", "iou": "IoU", "f1": "F1", "r2": "R²"}
"""Metrics that are abbreviations, as people write them."""


def metric_title(metric: str) -> str:
    """Return a metric as people write it: `balanced accuracy`, `AUROC`."""
    return " ".join(ABBREVIATIONS.get(word, word) for word in metric.split("_"))


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.1f}\u00a0%"
