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
"""Relations of the samples of a pair, the worst first."""

KINDS = {
    **dict.fromkeys(("task", "id", "other", "label", "other_label", "suggested", "group"), "str"),
    **dict.fromkeys(("fold", "other_fold", "hash_bits"), "Int64"),
}
"""Types of columns of the tables, for reading them."""

MOST_CLASS_PAIRS = 500
"""Pairs of classes that a table lists, the most alike first."""


def duplicate_table(task: AuditedTask, pairs: Pairs) -> pd.DataFrame:
    """Return near duplicates of a task, pairs across splits first.

    The sample in `id` is the one to leave out: of a pair across splits that of training, or without a label; otherwise
    the later one.
    """
    rows = zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
    swapped = np.array([_left_out(task, first, second) == first for first, second in rows], bool)
    left_out = np.where(swapped, pairs.first, pairs.second)
    kept = np.where(swapped, pairs.second, pairs.first)
    names = np.array(RELATIONS)
    other_split = task.split[left_out] != task.split[kept]
    relation = np.where(other_split, 0, np.where(task.fold[left_out] != task.fold[kept], 1, 2))
    labels = np.array(task.labels)
    table = task.table(
        left_out,
        other=task.ids[kept].tolist(),
        other_split=task.split[kept].tolist(),
        other_fold=pd.array([None if fold < 0 else fold for fold in task.fold[kept].tolist()], "Int64"),
        other_label=labels[kept].tolist(),
        relation=names[relation].tolist(),
        same_group=(task.groups[left_out] == task.groups[kept]).tolist(),
        **_likeness(pairs),
    )
    order = np.lexsort((pairs.second, pairs.first, -pairs.correlation, relation))
    return table.iloc[order].reset_index(drop=True)


def _likeness(pairs: Pairs) -> dict[str, Sequence[object]]:
    """Return the columns of pairs that say how alike their images are."""
    return {
        "view": np.array(VIEWS)[pairs.view].tolist(),
        "hash_bits": pd.array([None if bits < 0 else bits for bits in pairs.bits.tolist()], "Int64"),
        "correlation": _rounded(pairs.correlation),
        "feature_distance": _rounded(pairs.distance),
    }


def _rounded(values: np.ndarray) -> list[float]:
    return values.astype(np.float64).round(4).tolist()


def _left_out(task: AuditedTask, first: int, second: int) -> int:
    """Return the sample of a pair that is left out."""
    rank = {"test": 0, "train": 1, "unlabelled": 2}
    ranks = [rank[str(task.split[row])] for row in (first, second)]
    return second if ranks[1] >= ranks[0] else first


def shared_table(tasks: Sequence[AuditedTask], pairs: Pairs) -> pd.DataFrame:
    """Return near duplicates across data sets; samples are numbered one task after the other."""
    owner = np.repeat(np.arange(len(tasks)), [len(task.ids) for task in tasks])
    place = np.concatenate([np.arange(len(task.ids)) for task in tasks])
    across = np.flatnonzero(owner[pairs.first] != owner[pairs.second])
    sides: dict[str, list[Any]] = {}
    for prefix, rows in (("", pairs.first[across]), ("other_", pairs.second[across])):
        of_task = [(tasks[owner[row]], place[row]) for row in rows.tolist()]
        sides[f"{prefix}task"] = [task.name for task, _ in of_task]
        sides["id" if not prefix else "other"] = [task.ids[row] for task, row in of_task]
        sides[f"{prefix}split"] = [task.split[row] for task, row in of_task]
        sides[f"{prefix}label"] = [task.labels[row] for task, row in of_task]
    table = pd.DataFrame(sides).join(pd.DataFrame(_likeness(pairs)).iloc[across].reset_index(drop=True))
    return table.sort_values(["task", "other_task", "correlation"], ascending=[True, True, False], ignore_index=True)


def outlier_table(task: AuditedTask, neighbours: Neighbours) -> pd.DataFrame:
    """Return the samples far from all others, the farthest first."""
    scores = neighbour_scores(neighbours.distances)
    rows = np.flatnonzero(scores >= DEVIATIONS)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    nearest = task.ids[neighbours.rows[rows, 0]].tolist()
    distance = _rounded(neighbours.distances[rows].mean(axis=1))
    return task.table(rows, score=scores[rows].round(2).tolist(), distance=distance, nearest=nearest)


def fault_table(task: AuditedTask, measures: ImageMeasures) -> pd.DataFrame:
    """Return blank, dark, over-exposed and blurred images."""
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
    """Return samples whose labels are probably wrong, pairs of classes by how alike they are, and estimates.

    Args:
        task: a classification, or a multi-label one.
        probabilities: out of sample, N×C; NaN where there are none.
    """
    if task.kind.is_single_label:
        return _single_label_tables(task, probabilities)
    tables, samples, wrong, agreed = [], 0, 0.0, 0
    for number, label in enumerate(task.classes):
        targets = task.task.targets.values[:, number]
        rows = np.flatnonzero(~np.isnan(targets) & ~np.isnan(probabilities[:, number]))
        stated = (targets[rows] >= 0.5).astype(int)
        if len(np.unique(stated)) < 2:
            continue
        of_label = np.stack([1 - probabilities[rows, number], probabilities[rows, number]], axis=1)
        errors = find_label_errors(stated, of_label)
        names = [f"{label}: no", f"{label}: yes"]
        tables.append(_suspects(task, rows, stated, of_label, errors.suspects, names, errors.quality))
        samples, wrong = samples + len(rows), wrong + errors.noise * len(rows)
        agreed += int((errors.predicted == stated).sum())
    joined = pd.concat(tables) if tables else _suspects(task, *_nothing(), [], np.array([]))
    table = joined.sort_values("quality", kind="stable", ignore_index=True)
    estimates = {"samples": samples, "noise": wrong / max(samples, 1), "agreement": agreed / max(samples, 1)}
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
    stated: np.ndarray,
    probabilities: np.ndarray,
    suspects: np.ndarray,
    names: Sequence[str],
    quality: np.ndarray,
) -> pd.DataFrame:
    """Return the table of suspects.

    Args:
        task: the task.
        rows: rows of the samples that were looked at, M.
        stated: class of their label, M.
        probabilities: M×C.
        suspects: numbers among them, the most suspicious first.
        names: of the classes.
        quality: of their labels, M.
    """
    others = probabilities.copy()
    others[np.arange(len(stated)), stated] = -1
    best = others[suspects].argmax(axis=1) if len(suspects) else np.array([], int)
    table = task.table(
        rows[suspects],
        suggested=[names[number] for number in best.tolist()],
        quality=quality[suspects].round(4).tolist(),
        probability_of_label=probabilities[suspects, stated[suspects]].round(4).tolist(),
        probability_of_suggested=probabilities[suspects, best].round(4).tolist(),
    )
    table["label"] = [names[number] for number in stated[suspects].tolist()]
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
    """Return each sample of the tables once, with its reasons, those with most reasons first.

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
    every = pd.concat(parts, ignore_index=True).drop_duplicates(["id", "reason"])
    first = every.drop_duplicates("id").drop(columns="reason").set_index("id")
    reasons = every.groupby("id", sort=False)["reason"]
    first["reasons"], first["number"] = reasons.agg("; ".join), reasons.size()
    table = first.reset_index().sort_values("number", ascending=False, kind="stable", ignore_index=True)
    return table[[*columns, "reasons", "number"]].astype({"fold": "Int64"})


def _reasons(reason: str, table: pd.DataFrame) -> pd.Series:
    return table["fault"] if "fault" in table else pd.Series(reason, index=table.index)
