"""Reliability: accuracy of predictions by their confidence (Niculescu-Mizil and Caruana 2005)."""

import numpy as np
import pandas as pd

from mml_lib.errors import MMLError
from mml_lib.metrics.log_loss import BINS, bin_of
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions
from mml_lib.predictions.scores import score_arguments
from mml_lib.task_types import TASK_TYPES


def reliability(predictions: AnyPredictions, bins: int = BINS) -> pd.DataFrame:
    """Return the data of a reliability diagram: a row for each bin of probabilities with samples.

    Args:
        predictions: predictions of classes or labels. Unlabelled samples are left out.
        bins: number of bins of equal width.

    Returns:
        `low high samples confidence accuracy`: ends of the bin, number of samples, mean probability, and share of
        correct predictions. A classification uses the most probable class. For labels, the column `label` contains the
        index of the label, and `accuracy` is the share of samples with this label.

    Raises:
        MMLError: the predictions have no probabilities.
    """
    if isinstance(predictions, MaskPredictions) or TASK_TYPES[predictions.task_type].has_values:
        raise MMLError(
            f"predictions of a {predictions.task_type.replace('_', ' ')} have no probabilities, which reliability "
            "needs; use predictions of classes or labels"
        )
    labelled = predictions.take(predictions.labelled)
    probabilities, targets, *is_known = score_arguments(labelled.task_type, labelled.logits, labelled.targets)
    if TASK_TYPES[predictions.task_type].is_single_label:
        return _binned(probabilities.max(axis=1), probabilities.argmax(axis=1) == targets, bins)
    labelled_entries = is_known[0] if is_known else np.ones_like(targets)
    columns = zip(probabilities.T, targets.T, labelled_entries.T, strict=True)
    tables = [_binned(confidence[rows], is_positive[rows], bins) for confidence, is_positive, rows in columns]
    for label, table in enumerate(tables):
        table.insert(0, "label", label)
    return pd.concat(tables, ignore_index=True)


def _binned(confidence: np.ndarray, correct: np.ndarray, bins: int) -> pd.DataFrame:
    number = bin_of(confidence, bins)
    samples = np.bincount(number, minlength=bins)
    used = samples > 0
    sums = (np.bincount(number, values, bins)[used] for values in (confidence, correct))
    means = [sum_ / samples[used] for sum_ in sums]
    edges = np.linspace(0, 1, bins + 1)
    columns = {"low": edges[:-1][used], "high": edges[1:][used], "samples": samples[used]}
    return pd.DataFrame(columns | dict(zip(("confidence", "accuracy"), means, strict=True)))
