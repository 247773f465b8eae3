"""Tables of an audit: a row for each finding, with the samples' split, fold, group and label."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from mml_lib.audit.audited_task import AuditedTask
from mml_lib.audit.confident_learning import find_label_errors
from mml_lib.audit.confusable_classes import confusable_classes
from mml_lib.audit.image_measures import ImageMeasures, find_faults
from mml_lib.audit.near_duplicates import Pairs
from mml_lib.audit.neighbours import Neighbours
from mml_lib.audit.outlier_scores import DEVIATIONS, neighbour_scores
from mml_lib.audit.perceptual_hashes import VIEWS
from mml_lib.audit.shortcuts import Shortcut

RELATIONS = ("across splits", "across folds", "within a part")
"""Relations of the samples of a pair, in the order of the table."""

KINDS = {
    **dict.fromkeys(("task", "id", "other", "label", "other_label", "suggested", "group"), "str"),
    **dict.fromkeys(("fold", "other_fold", "hash_bits"), "Int64"),
}
"""Types of the tables' columns, for reading."""

MOST_CLASS_PAIRS = 500
"""Largest number of pairs of classes in a table."""


def duplicate_table(task: AuditedTask, pairs: Pairs) -> pd.DataFrame:
    """Return the table of a task's near duplicates, pairs across splits first.

    The sample in `id` is the one to exclude: of a pair across splits, the training or unlabelled sample; otherwise, the
    later one.
    """
    rows = zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
    is_swapped = np.array([_sample_to_exclude(task, first, second) == first for first, second in rows], bool)
    excluded = np.where(is_swapped, pairs.first, pairs.second)
    other = np.where(is_swapped, pairs.second, pairs.first)
    names = np.array(RELATIONS)
    across_splits = task.split[excluded] != task.split[other]
    relation = np.where(across_splits, 0, np.where(task.fold[excluded] != task.fold[other], 1, 2))
    labels = np.array(task.labels)
    table = task.table(
        excluded,
        other=task.ids[other].tolist(),
        other_split=task.split[other].tolist(),
        other_fold=pd.array([None if fold < 0 else fold for fold in task.fold[other].tolist()], "Int64"),
        other_label=labels[other].tolist(),
        relation=names[relation].tolist(),
        same_group=(task.groups[excluded] == task.groups[other]).tolist(),
        **_likeness(pairs),
    )
    order = np.lexsort((pairs.second, pairs.first, -pairs.correlation, relation))
    return table.iloc[order].reset_index(drop=True)


def _likeness(pairs: Pairs) -> dict[str, Sequence[object]]:
    """Return the columns of pairs about the similarity of their images."""
    return {
        "view": np.array(VIEWS)[pairs.view].tolist(),
        "hash_bits": pd.array([None if bits < 0 else bits for bits in pairs.bits.tolist()], "Int64"),
        "correlation": _rounded(pairs.correlation),
        "feature_distance": _rounded(pairs.distance),
    }


def _rounded(values: np.ndarray) -> list[float]:
    return values.astype(np.float64).round(4).tolist()


def _sample_to_exclude(task: AuditedTask, first: int, second: int) -> int:
    """Return the sample of a pair to exclude."""
    rank = {"test": 0, "train": 1, "unlabelled": 2}
    ranks = [rank[str(task.split[row])] for row in (first, second)]
    return second if ranks[1] >= ranks[0] else first


def shared_table(tasks: Sequence[AuditedTask], pairs: Pairs) -> pd.DataFrame:
    """Return the table of near duplicates across data sets. Samples are numbered task by task."""
    owner = np.repeat(np.arange(len(tasks)), [len(task.ids) for task in tasks])
    place = np.concatenate([np.arange(len(task.ids)) for task in tasks])
    across = np.flatnonzero(owner[pairs.first] != owner[pairs.second])
    sides: dict[str, list[Any]] = {}
    for prefix, rows in (("", pairs.first[across]), ("other_", pairs.second[across])):
        samples = [(tasks[owner[row]], place[row]) for row in rows.tolist()]
        sides[f"{prefix}task"] = [task.name for task, _ in samples]
        sides["id" if not prefix else "other"] = [task.ids[row] for task, row in samples]
        sides[f"{prefix}split"] = [task.split[row] for task, row in samples]
        sides[f"{prefix}label"] = [task.labels[row] for task, row in samples]
    table = pd.DataFrame(sides).join(pd.DataFrame(_likeness(pairs)).iloc[across].reset_index(drop=True))
    return table.sort_values(["task", "other_task", "correlation"], ascending=[True, True, False], ignore_index=True)


def outlier_table(task: AuditedTask, neighbours: Neighbours) -> pd.DataFrame:
    """Return the table of outliers, the farthest first."""
    scores = neighbour_scores(neighbours.distances)
    rows = np.flatnonzero(scores >= DEVIATIONS)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    nearest = task.ids[neighbours.rows[rows, 0]].tolist()
    distance = _rounded(neighbours.distances[rows].mean(axis=1))
    return task.table(rows, score=scores[rows].round(2).tolist(), distance=distance, nearest=nearest)


def fault_table(task: AuditedTask, measures: ImageMeasures) -> pd.DataFrame:
    """Return the table of blank, dark, over-exposed and blurred images."""
    faults = find_faults(measures)
    rows = np.array([row for row, _, _ in faults], int)
    return task.table(rows, fault=[name for _, name, _ in faults], value=[round(value, 4) for *_, value in faults])


def shortcut_table(task: AuditedTask, shortcuts: Sequence[Shortcut]) -> pd.DataFrame:
    """Return the table of shortcuts."""
    names = list(asdict(Shortcut("", "")))
    table = pd.DataFrame([asdict(shortcut) for shortcut in shortcuts], columns=names)
    table.insert(0, "task", task.name)
    return table.round(4)


# --- labels -------------------------------------------------------------------------------------------------------


def label_tables(task: AuditedTask, probabilities: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame, Mapping[str, Any]]:
    """Return the table of probably wrong labels, the table of confusable classes, and estimates of label noise.

    Args:
        task: a classification or a multi-label classification.
        probabilities: out-of-sample probabilities, N×C; NaN without a prediction.

    Returns:
        Both tables, and `samples`, `noise` (0..1) and `agreement` (0..1).
    """
    if task.kind.is_single_label:
        return _single_label_tables(task, probabilities)
    tables, samples, wrong_labels, agreeing = [], 0, 0.0, 0
    for number, label in enumerate(task.classes):
        targets = task.task.targets.values[:, number]
        rows = np.flatnonzero(~np.isnan(targets) & ~np.isnan(probabilities[:, number]))
        given_labels = (targets[rows] >= 0.5).astype(int)
        if len(np.unique(given_labels)) < 2:
            continue
        pairs = np.stack([1 - probabilities[rows, number], probabilities[rows, number]], axis=1)
        errors = find_label_errors(given_labels, pairs)
        names = [f"{label}: no", f"{label}: yes"]
        tables.append(_suspects(task, rows, given_labels, pairs, errors.suspects, names, errors.quality))
        samples, wrong_labels = samples + len(rows), wrong_labels + errors.noise * len(rows)
        agreeing += int((errors.predicted == given_labels).sum())
    joined = pd.concat(tables) if tables else _suspects(task, *_nothing(), [], np.array([]))
    table = joined.sort_values("quality", kind="stable", ignore_index=True)
    estimates = {"samples": samples, "noise": wrong_labels / max(samples, 1), "agreement": agreeing / max(samples, 1)}
    return table, _class_table(task, []), estimates


def _nothing() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    empty = np.array([], int)
    return empty, empty, np.empty((0, 1)), empty


def _single_label_tables(
    task: AuditedTask, probabilities: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame, Mapping[str, Any]]:
    labels = task.task.targets.values
    rows = np.flatnonzero((labels >= 0) & ~np.isnan(probabilities).any(axis=1))
    errors = find_label_errors(labels[rows], probabilities[rows])
    table = _suspects(task, rows, labels[rows], probabilities[rows], errors.suspects, task.classes, errors.quality)
    pairs = confusable_classes(labels[rows], probabilities[rows], errors.confident, task.groups[rows])
    return (
        table,
        _class_table(task, pairs),
        {
            "samples": len(rows),
            "noise": errors.noise,
            "agreement": float((errors.predicted == labels[rows]).mean()) if len(rows) else 0.0,
        },
    )


def _suspects(
    task: AuditedTask,
    rows: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    suspects: np.ndarray,
    names: Sequence[str],
    quality: np.ndarray,
) -> pd.DataFrame:
    """Return the table of suspects.

    Args:
        task: the task.
        rows: rows of the examined samples, M.
        labels: class of their labels, M.
        probabilities: probabilities of their classes, M×C.
        suspects: indices among them, the most suspicious first.
        names: names of the classes.
        quality: quality of their labels, M.
    """
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -1
    best = others[suspects].argmax(axis=1) if len(suspects) else np.array([], int)
    table = task.table(
        rows[suspects],
        suggested=[names[number] for number in best.tolist()],
        quality=quality[suspects].round(4).tolist(),
        probability_of_label=probabilities[suspects, labels[suspects]].round(4).tolist(),
        probability_of_suggested=probabilities[suspects, best].round(4).tolist(),
    )
    table["label"] = [names[number] for number in labels[suspects].tolist()]
    return table


def _class_table(task: AuditedTask, pairs: Sequence[Any]) -> pd.DataFrame:
    columns = ["task", "class", "other_class", "samples", "auroc", "ci_low", "ci_high", "confused", "alike"]
    rows = [
        (task.name, task.classes[pair.first], task.classes[pair.second], *pair[2:], pair.are_alike)
        for pair in pairs[:MOST_CLASS_PAIRS]
    ]
    return pd.DataFrame(rows, columns=columns).round(4)


# --- all findings -------------------------------------------------------------------------------------------------


SAMPLES = {
    "near_duplicates": "near duplicate",
    "label_errors": "wrong label",
    "outliers": "outlier",
    "image_faults": "bad image",
}
"""Reasons of suspects, by the assignment key of their table."""


def suspect_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the table of all suspects: each sample once, with its reasons. Samples with most reasons come first.

    Args:
        tables: tables of an audit by assignment key.
    """
    columns = ["task", "id", "split", "fold", "group", "label"]
    parts = [
        tables[key][columns].assign(reason=_reasons(reason, tables[key]))
        for key, reason in SAMPLES.items()
        if key in tables and len(tables[key])
    ]
    if not parts:
        return pd.DataFrame(columns=[*columns, "reasons", "number"])
    all_rows = pd.concat(parts, ignore_index=True).drop_duplicates(["id", "reason"])
    suspects = all_rows.drop_duplicates("id").drop(columns="reason").set_index("id")
    reasons = all_rows.groupby("id", sort=False)["reason"]
    suspects["reasons"], suspects["number"] = reasons.agg("; ".join), reasons.size()
    table = suspects.reset_index().sort_values("number", ascending=False, kind="stable", ignore_index=True)
    return table[[*columns, "reasons", "number"]].astype({"fold": "Int64"})


def _reasons(reason: str, table: pd.DataFrame) -> pd.Series:
    return table["fault"] if "fault" in table else pd.Series(reason, index=table.index)
