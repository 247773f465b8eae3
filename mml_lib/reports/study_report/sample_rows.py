"""Samples of a split with the predictions of one procedure: one row for each image."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mml_lib.evaluation.subgroups import largest_losses
from mml_lib.predictions.predictions import AnyPredictions, pool
from mml_lib.task_types import TASK_TYPES

COLUMNS = ("id", "true", "predicted", "right", "networks", "probability", "error", "dice", "loss", "group")
"""Columns of samples, in this order."""


def sample_rows(
    networks: Sequence[AnyPredictions], classes: Sequence[str], groups: Mapping[str, str | None]
) -> pd.DataFrame:
    """Return one row for each labelled image, the largest loss first.

    Args:
        networks: finite predictions of the networks of a procedure.
        classes: names of the classes.
        groups: group of each sample, by id.

    Returns:
        `id true predicted networks loss`, with `right` (networks that are right) and `probability` (mean over networks)
        of classes, `right` of labels, `error` (mean absolute error) of values, and `dice` of masks; with `group` where
        samples have groups. `predicted` is what most networks predict, of values their mean. Images without foreground,
        true or predicted, have no Dice coefficient, and no row.
    """
    kind = TASK_TYPES[networks[0].task_type]
    pooled = pool(networks)
    table = largest_losses(pooled, classes, len(pooled.ids))
    if kind.has_values:
        table["predicted"] = table["predicted"].astype(float)
        table["error"] = (table["predicted"] - table["true"].astype(float)).abs()
    else:
        table["right"] = table["true"] == table["predicted"]
    grouped = table.groupby("id", sort=False)
    merged = grouped.agg(true=("true", "first"), loss=("loss", "mean"))
    merged["networks"] = pd.Series(pooled.ids).value_counts().reindex(merged.index)
    if kind.has_values:
        merged["predicted"] = grouped["predicted"].mean()
        merged["error"] = grouped["error"].mean()
    else:
        merged["predicted"] = grouped["predicted"].agg(lambda names: names.mode().iat[0])
    if kind.has_masks:
        merged["dice"] = 1 - merged["loss"]
    elif kind.has_probabilities:
        merged["right"] = grouped["right"].sum()
    if kind.is_single_label:
        merged["probability"] = grouped["probability"].mean()
    if any(groups.get(id_) for id_ in merged.index):
        merged["group"] = [groups.get(id_) or "" for id_ in merged.index]
    ordered = merged.sort_values("loss", ascending=False, kind="stable").reset_index()
    return ordered[[column for column in COLUMNS if column in ordered]]


def chosen_rows(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return at most `count` rows: half with the largest losses, half evenly from the others."""
    if len(table) <= count:
        return table
    first = count // 2
    rest = np.linspace(first, len(table) - 1, count - first).round().astype(int)
    return table.iloc[[*range(first), *rest]]
