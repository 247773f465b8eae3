"""Rows of predictions of new images, for notebooks and CSV files."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mml_lib.deployment.new_images import NewImage
from mml_lib.predictions.prediction_table import wide_table
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions
from mml_lib.task_types import TASK_TYPES

LABEL_THRESHOLD = 0.5
"""Probability from which a label counts as predicted."""

KEPT = ("id", "prediction", "probability/")
"""Columns, or beginnings of columns, of the table of predictions that new images have."""


def prediction_rows(predictions: AnyPredictions, classes: Sequence[str], images: Sequence[NewImage]) -> pd.DataFrame:
    """Return one row for each image: see `Predictor`.

    Args:
        predictions: unlabelled predictions, N.
        classes: names of the classes.
        images: the images, N.
    """
    if isinstance(predictions, MaskPredictions):
        return _pixel_rows(predictions, classes, images)
    table = wide_table(predictions, classes)
    table = table[[column for column in table if _is_kept(column)]]
    table.insert(1, "file", [image.file for image in images])
    if TASK_TYPES[predictions.task_type].is_multilabel:
        names = np.array(classes, dtype=object)
        chosen = table[[f"probability/{name}" for name in classes]].to_numpy() >= LABEL_THRESHOLD
        table.insert(2, "prediction", ["; ".join(names[row]) for row in chosen])
    return table


def _pixel_rows(predictions: MaskPredictions, classes: Sequence[str], images: Sequence[NewImage]) -> pd.DataFrame:
    """Return the pixels of each class in each image, as `prediction/<class>`."""
    counts = [np.bincount(mask.ravel(), minlength=predictions.classes) for mask, _ in predictions.images()]
    columns = {f"prediction/{name}": column for name, column in zip(classes, np.array(counts).T, strict=True)}
    return pd.DataFrame({"id": predictions.ids, "file": [image.file for image in images], **columns})


def _is_kept(column: str) -> bool:
    return any(column.startswith(kept) if kept.endswith("/") else column == kept for kept in KEPT)
