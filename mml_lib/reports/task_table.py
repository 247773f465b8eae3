"""Tables of tasks: one row each."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mml_lib.reports.pages import table_page
from mml_lib.tasks.description import one_sided_labels


def task_table(headers: Sequence[Mapping[str, Any]], dimensions: Sequence[pd.DataFrame] = ()) -> pd.DataFrame:
    """Return the headers of task descriptions: samples, classes, imbalance, sizes, keywords, data set.

    Args:
        headers: headers of the tasks.
        dimensions: rows of intrinsic dimensions by `task`, which become columns.
    """
    table = pd.DataFrame([_row(header) for header in headers])
    return table.merge(pd.concat(dimensions), on="task", how="left") if dimensions else table


def label_table(headers: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return known, positive and unknown entries of each label of partially labelled tasks, a row for each split."""
    rows = [
        {"task": header["name"], "label": label, "split": split, **counts}
        for header in headers
        for split, labels in header.get("label_counts", {}).items()
        for label, counts in labels.items()
    ]
    return pd.DataFrame(rows, columns=["task", "label", "split", "known", "positive", "unknown"])


def label_page(headers: Sequence[Mapping[str, Any]]) -> str | None:
    """Return a page of the entries of labels and of one-sided labels; None if a task has neither."""
    table, lines = label_table(headers), [line for header in headers for line in one_sided_labels(header)]
    return table_page("labels", table, "labels.csv", lines) if len(table) or lines else None


def _row(header: Mapping[str, Any]) -> dict[str, Any]:
    samples, sizes = header["num_samples"], header["sizes"]
    return {
        "task": header["name"],
        "id": header["id"],
        "type": header["task_type"],
        "samples": samples["all"],
        **{split: samples.get(split, 0) for split in ("train", "test", "unlabelled")},
        "folds": header["num_folds"],
        "classes": header["num_classes"],
        "imbalance_ratio": header["imbalance_ratio"],
        "height": _range(sizes["min_height"], sizes["max_height"]),
        "width": _range(sizes["min_width"], sizes["max_width"]),
        "modality": header["modalities"].get("image", ""),
        "keywords": " ".join(header["keywords"]),
        "license": header["license"],
        "dataset": header["dataset"],
        "protocol": "; ".join(header["protocol"]),
    }


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"


def as_text(table: pd.DataFrame) -> str:
    """Return the table as shown in a terminal, without its longest columns."""
    printed = table.drop(columns=["protocol", "license", "modality"])
    return printed.to_string(index=False, na_rep="")
