"""Out-of-fold results: each sample is predicted once, by the network of the fold that did not train on it.

The predictions of all folds are pooled, and measured as those of one network. Pooled scores of different networks need
not be on one scale, which metrics of ranks feel (Forman & Scholz 2010); the mean over folds stands beside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mml_lib.config.metric_options import Metric
from mml_lib.errors import MMLError
from mml_lib.evaluation.evaluation import evaluate_resampled
from mml_lib.evaluation.resampled import Groups, Resampled
from mml_lib.evaluation.run_comparison import Resamples
from mml_lib.predictions.predictions import AnyPredictions, pool


def pool_out_of_fold(folds: Mapping[int, AnyPredictions], where: str) -> AnyPredictions:
    """Return the predictions of all folds together.

    Args:
        folds: predictions of the validation samples of each fold.
        where: the network, for errors.

    Raises:
        MMLError: a sample is in two folds.
    """
    pooled = pool(list(folds.values()))
    names, number = np.unique(pooled.ids, return_counts=True)
    if (number > 1).any():
        raise MMLError(f"{where}: sample '{names[number.argmax()]}' is in several folds; predict all folds anew")
    return pooled


def evaluate_out_of_fold(
    folds: Mapping[int, AnyPredictions],
    metrics: Sequence[str | Metric],
    resamples: int,
    groups: Groups | None = None,
    per_group: str = "mean",
) -> Resampled:
    """Return the named metrics of pooled predictions, with those of each fold, which tell how trainings differ.

    Args:
        folds: predictions of the validation samples of each fold.
        metrics, resamples, groups, per_group: see `evaluate_resampled`.

    Raises:
        MMLError: a sample is in two folds.
    """
    options = (metrics, resamples, groups, per_group)
    pooled = evaluate_resampled(pool_out_of_fold(folds, "out-of-fold predictions"), *options)
    return _beside_folds(pooled, [evaluate_resampled(predictions, *options) for predictions in folds.values()])


def with_folds(pooled: Resamples, folds: Resamples) -> Resamples:
    """Return the metrics of pooled predictions of runs, with the values of their folds; ensembles have none."""
    runs = {
        run: {number: _beside_folds(network, list(folds.runs[run].values())) for number, network in networks.items()}
        for run, networks in pooled.runs.items()
        if run in folds.runs
    }
    return replace(pooled, runs={**pooled.runs, **runs})


def _beside_folds(pooled: Resampled, folds: Sequence[Resampled]) -> Resampled:
    values, draws = (np.stack([getattr(fold, key) for fold in folds], axis=1) for key in ("values", "draws"))
    return replace(pooled, fold_values=values, fold_draws=draws)
