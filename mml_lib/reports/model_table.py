"""Tables of models: one row each, with the files of the model that exist."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import pandas as pd

from mml_lib.errors import MMLError
from mml_lib.files.checksums import damaged
from mml_lib.models.model_storage import ModelStorage

KEYS = ["task", "run", "fold"]
"""Key of a row."""

COLUMNS = (
    *("performance", "epochs", "stored_epoch", "training_time", "num_parameters", "device", "created"),
    *("weights", "predictions", "history", "checkpoint", "size_mb"),
)
"""Columns of each table. Metrics follow `performance`."""

SHOWN = 100
"""Most rows in a terminal."""


def read_models(models: Iterable[Mapping[str, Any]]) -> tuple[pd.DataFrame, list[str]]:
    """Return a row for each model of a project, and a line for each that cannot be read.

    Args:
        models: models from `mml_lib.models.model_files.stored_models`.

    Returns:
        `task`, `run`, `fold`; `performance` (validation loss) and the metrics `val/…` of the stored epoch; `epochs`,
        `stored_epoch` (from 0 on), `training_time` (s), `num_parameters`, `device`, `created`; existing files:
        `weights`, `history`, `checkpoint` (bool), the splits of `predictions` (of other tasks `task/split`), and
        `size_mb` of all that belongs to the model (10⁶ bytes).
    """
    rows, problems = [], []
    for model in models:
        try:
            rows.append(_row(model, ModelStorage.read(model["path"])))
        except MMLError as error:
            problems.append(str(error))
        except (KeyError, TypeError, AttributeError) as error:
            problems.append(str(damaged(model["path"], repr(error))))
    metrics = list(dict.fromkeys(column for row in rows for column in row if column.startswith("val/")))
    return pd.DataFrame(rows, columns=[*KEYS, COLUMNS[0], *metrics, *COLUMNS[1:]]), problems


def _row(model: Mapping[str, Any], storage: ModelStorage) -> dict[str, Any]:
    return {
        **{key: model[key] for key in KEYS},
        **{key: getattr(storage, key) for key in COLUMNS if hasattr(storage, key)},
        **{key: value for key, value in storage.metrics.items() if key.startswith("val/") and key != "val/loss"},
        "weights": "parameters" in model["keys"],
        "predictions": " ".join(sorted(model["predictions"])),
        "history": "history" in model["keys"],
        "checkpoint": "checkpoint" in model["keys"],
        "size_mb": model["bytes"] / 1e6,
    }


def add_labels(table: pd.DataFrame, labels: Mapping[str, Mapping[str, str]], without: str) -> pd.DataFrame:
    """Return a table of models with a column of the display names of their runs.

    Args:
        table: table of `read_models`.
        labels: by task and run.
        without: label of the runs that have none.
    """
    row_labels = [labels.get(task, {}).get(run, without) for task, run in zip(table["task"], table["run"], strict=True)]
    labelled = table.copy()
    labelled.insert(len(KEYS), "label", row_labels)
    return labelled


def as_text(table: pd.DataFrame) -> str:
    """Return a table of models for a terminal: of metrics the first one that a model has."""
    if table.empty:
        return "this project has no models yet"
    printed = table[[*KEYS, "label"]].copy()
    metrics = [column for column in table.columns if column.startswith("val/")]
    printed["loss"] = table["performance"].map("{:.4f}".format, na_action="ignore")
    printed["metric"] = table[metrics].apply(_first, axis=1) if metrics else ""
    printed["epochs"] = table["epochs"]
    printed["time"] = table["training_time"].map(lambda seconds: str(timedelta(seconds=round(seconds))))
    printed["MB"] = table["size_mb"].map("{:.2f}".format)
    printed["on disk"] = table.apply(_kept, axis=1)
    text = printed.head(SHOWN).to_string(index=False, na_rep="")
    return text if len(table) <= SHOWN else f"{text}\n… and {len(table) - SHOWN} more models"


def _first(values: pd.Series) -> str:
    numbers = values.dropna()
    return f"{numbers.index[0].removeprefix('val/')} {numbers.iloc[0]:.4f}" if len(numbers) else ""


def _kept(row: pd.Series) -> str:
    return " ".join(part for part in ("weights", "predictions", "history", "checkpoint") if row[part]) or "storage only"
