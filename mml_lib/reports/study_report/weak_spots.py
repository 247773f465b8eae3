"""Weak spots of a procedure: classes, groups, calibration."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mml_lib.config.metric_options import lower_is_better
from mml_lib.evaluation.evaluation import evaluate
from mml_lib.evaluation.subgroups import class_table, group_table
from mml_lib.predictions.predictions import AnyPredictions, Predictions, pool
from mml_lib.predictions.scores import score_arguments
from mml_lib.reports.study_report.task_answer import number, percent
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.metadata import MOST_GROUPS

MOST = 3
"""Weak classes and groups of the first page."""

FEWEST = 10
"""Least number of samples of a group on the first page: values of smaller groups are unreliable."""

BY_CLASS = {"class": "recall", "labels": "f1", "mask": "dice"}
"""Metric of classes by kind of target."""

WORDS = {"recall": "of its images are recognised", "f1": "F1 score", "dice": "mean Dice coefficient"}


def classes_of(networks: Sequence[AnyPredictions], task: TaskDescription) -> pd.DataFrame:
    """Return the metrics of each class, the weakest first, over all networks; empty for regressions.

    `support` is the number of different images; for masks, of pixels over all networks.
    """
    kind = TASK_TYPES[task.header["task_type"]]
    if not networks or kind.target not in BY_CLASS:
        return pd.DataFrame()
    pooled = pool(networks)
    table = class_table(pooled, task.header["classes"])
    repeated = len(pooled.ids) / len(set(pooled.ids.tolist()))
    table["support"] = (table["support"] / repeated).round().astype(int)
    if "images" in table:
        table["images"] = (table["images"] / repeated).round().astype(int)
    return table.sort_values(BY_CLASS[kind.target], kind="stable", ignore_index=True)


def weak_classes(table: pd.DataFrame, task: TaskDescription) -> list[tuple[str, str]]:
    """Return names and values of the weakest classes as text."""
    if table.empty:
        return []
    target = TASK_TYPES[task.header["task_type"]].target
    metric = BY_CLASS[str(target)]
    defined = table[table[metric].notna()]
    if target == "mask":
        defined = defined[defined["class"] != task.header["classes"][0]]  # the background
    unit = "images" if "images" in table else "support"
    return [
        (row["class"], f"{_value(metric, row[metric])} ({row[unit]:,} images)")
        for _, row in defined.head(MOST).iterrows()
    ]


def _value(metric: str, value: float) -> str:
    return f"{percent(value)} {WORDS[metric]}" if metric == "recall" else f"{WORDS[metric]} {number(value)}"


def groups_of(networks: Sequence[AnyPredictions], task: TaskDescription, metric: str) -> pd.DataFrame:
    """Return the main metric of each group of a task, as mean over networks; empty if groups are patients."""
    groups = task.by_id("group")
    ids = {id_ for predictions in networks for id_ in predictions.ids.tolist()}
    if not 1 < len({groups.get(id_) for id_ in ids} - {None, ""}) <= MOST_GROUPS:
        return pd.DataFrame()
    tables = [group_table(predictions, {"group": groups}, [metric], resamples=0) for predictions in networks]
    return mean_groups(pd.concat(tables), metric)


def mean_groups(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the mean over networks of a metric by group, the weakest first: `column group samples value`.

    Columns of metadata come first; the column `group`, often patients, comes last.
    """
    own = table[(table["metric"] == metric) & table["value"].notna()]
    means = own.groupby(["column", "group"], sort=False).agg(samples=("samples", "max"), value=("value", "mean"))
    means = means.reset_index().sort_values("value", ascending=not lower_is_better(metric), kind="stable")
    return means.sort_values("column", key=lambda columns: columns == "group", kind="stable", ignore_index=True)


def weak_groups(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return names and values of the weakest groups with enough samples, as text."""
    if table.empty:
        return []
    return [
        (f"{row['column']} {row['group']}", f"{number(row['value'])} ({row['samples']:,} images)")
        for _, row in table[table["samples"] >= FEWEST].head(MOST).iterrows()
    ]


def guess_sentence(networks: Sequence[AnyPredictions], classes: Sequence[str]) -> str:
    """Return the accuracy of always predicting the most frequent class, as text; empty for other task types."""
    if not networks or not TASK_TYPES[networks[0].task_type].is_single_label:
        return ""
    pooled = pool(networks)
    targets = pooled.targets[pooled.targets >= 0]
    frequent = int(np.bincount(targets, minlength=len(classes)).argmax())
    share = percent(float(np.mean(targets == frequent)))
    return f"Always answering “{classes[frequent]}” would be right for {share} of the images."


def calibration_sentence(networks: Sequence[AnyPredictions]) -> str:
    """Return how far stated probabilities can be trusted; empty without probabilities."""
    if not networks or not TASK_TYPES[networks[0].task_type].has_probabilities:
        return ""
    pooled = pool(networks)
    error = evaluate(pooled, ["calibration_error"])["calibration_error"]
    stated = f"expected calibration error {number(error)}; 0 is perfect"
    if not (isinstance(pooled, Predictions) and TASK_TYPES[pooled.task_type].is_single_label):
        return f"Stated and observed probabilities differ by {number(error)} on average ({stated})."
    labelled = pooled.take(pooled.labelled)
    probabilities, targets, *_ = score_arguments(labelled.task_type, labelled.logits, labelled.targets)
    sure, right = probabilities.max(axis=1).mean(), np.mean(probabilities.argmax(axis=1) == targets)
    verdict = "overconfident" if sure - right > 0.02 else "underconfident" if right - sure > 0.02 else "well calibrated"
    return f"The best run is {verdict}: mean confidence {percent(sure)}, accuracy {percent(right)} ({stated})."
