"""Reliability: how often predictions are right that are so sure of themselves (Niculescu-Mizil and Caruana 2005)."""

import numpy as np
import pandas as pd

from mml_lib.errors import MMLError
from mml_lib.metrics.log_loss import BINS, bin_of
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions
from mml_lib.predictions.scores import score_arguments
from mml_lib.task_types import TASK_TYPES


def reliability(predictions: AnyPredictions, bins: int = BINS) -> pd.DataFrame:
    """Return a row for each bin of probabilities, of equal width, that has samples; what a reliability diagram shows.

    Columns: `low` and `high`, its ends; `samples`; `confidence`, their mean probability; `accuracy`, the share that is
    right. Of a classification this is about the most probable class. Of labels there are rows for each one, its index
    in `label`; `accuracy` is the share of samples that have it. Samples without a label are left out.

    Raises:
        MMLError: predictions without probabilities.
    """
    if isinstance(predictions, MaskPredictions) or TASK_TYPES[predictions.task_type].has_values:
        raise MMLError(
            f"a {predictions.task_type.replace('_', ' ')} has no probabilities stored, so there is no reliability to "
            "tell; take predictions of classes or labels"
        )
    labelled = predictions.take(predictions.labelled)
    probabilities, targets, *is_known = score_arguments(labelled.task_type, labelled.logits, labelled.targets)
    if TASK_TYPES[predictions.task_type].is_single_label:
        return _binned(probabilities.max(axis=1), probabilities.argmax(axis=1) == targets, bins)
    of_labels = is_known[0] if is_known else np.ones_like(targets)
    columns = zip(probabilities.T, targets.T, of_labels.T, strict=True)
    tables = [_binned(confidence[rows], right[rows], bins) for confidence, right, rows in columns]
    for label, table in enumerate(tables):
        table.insert(0, "label", label)
    return pd.concat(tables, ignore_index=True)


def _binned(confidence: np.ndarray, right: np.ndarray, bins: int) -> pd.DataFrame:
    number = bin_of(confidence, bins)
    samples = np.bincount(number, minlength=bins)
    used = samples > 0
    sums = (np.bincount(number, values, bins)[used] for values in (confidence, right))
    means = [sum_ / samples[used] for sum_ in sums]
    edges = np.linspace(0, 1, bins + 1)
    columns = {"low": edges[:-1][used], "high": edges[1:][used], "samples": samples[used]}
    return pd.DataFrame(columns | dict(zip(("confidence", "accuracy"), means, strict=True)))
