"""Tables of predictions: a row for each sample, or for each sample and class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions, Predictions
from mml_lib.predictions.scores import image_counts, sigmoid, softmax
from mml_lib.task_types import TASK_TYPES


def wide_table(predictions: AnyPredictions, classes: Sequence[str] | None = None) -> pd.DataFrame:
    """Return one row for each sample, N; columns of classes are called `<what>/<class>`.

    Args:
        predictions: predictions of one network for one split.
        classes: names of the classes; None, or of another number: classes are named by their number.

    Returns:
        `id` and further columns by task type. Regression: `target prediction`. Classification: `target prediction` as
        names of classes (missing if unlabelled), `probability/<class>`, `logit/<class>`. Multi-label classification:
        `target/…`, `probability/…`, `logit/…`. Segmentation, in pixels: `target/…`, `prediction/…`, `hits/…`.
    """
    table = pd.DataFrame({"id": predictions.ids})
    task_type = TASK_TYPES[predictions.task_type]
    if isinstance(predictions, Predictions) and task_type.has_values:
        return table.assign(target=predictions.targets, prediction=predictions.logits[:, 0])
    columns = _by_class(predictions)
    names = _names(columns, classes)
    if isinstance(predictions, Predictions) and task_type.is_single_label:
        labelled = predictions.targets >= 0
        table["target"] = pd.Series(np.array(names, dtype=object)[predictions.targets], dtype=object).where(labelled)
        table["prediction"] = np.array(names, dtype=object)[predictions.logits.argmax(axis=1)]
        del columns["target"]
    named = {f"{what}/{name}": values[:, index] for what, values in columns.items() for index, name in enumerate(names)}
    return pd.concat([table, pd.DataFrame(named)], axis=1)


def long_table(predictions: AnyPredictions, classes: Sequence[str] | None = None) -> pd.DataFrame:
    """Return one row for each sample and class, N·classes, sorted by sample.

    Args:
        predictions: predictions of one network for one split.
        classes: names of the classes; None, or of another number: classes are named by their number.

    Returns:
        `id class target probability logit`, with targets in 0..1 (NaN if unlabelled). Segmentation: `id class target
        prediction hits`, in pixels. Regression, which has no classes: `id target prediction`.
    """
    if TASK_TYPES[predictions.task_type].has_values:
        return wide_table(predictions)
    columns = _by_class(predictions)
    names = _names(columns, classes)
    table = pd.DataFrame({"id": np.repeat(predictions.ids, len(names)), "class": names * len(predictions.ids)})
    return table.assign(**{what: values.ravel() for what, values in columns.items()})


def _by_class(predictions: AnyPredictions) -> dict[str, np.ndarray]:
    """Return the columns of each sample and class, N×classes each."""
    if isinstance(predictions, MaskPredictions):
        hits, targets, predicted = image_counts(predictions.images(), predictions.classes)
        return {"target": targets, "prediction": predicted, "hits": hits}
    targets, logits = predictions.targets, predictions.logits
    if TASK_TYPES[predictions.task_type].is_single_label:
        number = np.arange(logits.shape[1])
        shares = np.where(targets[:, None] >= 0, targets[:, None] == number, np.nan)
        return {"target": shares, "probability": softmax(logits), "logit": logits}
    return {"target": targets, "probability": sigmoid(logits), "logit": logits}


def _names(columns: dict[str, np.ndarray], classes: Sequence[str] | None) -> list[str]:
    number = next(iter(columns.values())).shape[1]
    return list(classes) if classes is not None and len(classes) == number else [str(index) for index in range(number)]
