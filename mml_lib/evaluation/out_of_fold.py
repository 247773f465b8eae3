"""Out-of-fold results: each sample is predicted once, by the network of the fold that did not train on it.

The predictions of all folds are pooled and evaluated as those of one network. Scores of different networks may have
different scales, which affects metrics of ranks (Forman & Scholz 2010). Therefore tables also contain the mean over
folds.
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
        where: name of the network in messages.

    Raises:
        MMLError: a sample is in several folds.
    """
    pooled = pool(list(folds.values()))
    ids, counts = np.unique(pooled.ids, return_counts=True)
    if (counts > 1).any():
        raise MMLError(f"{where}: sample '{ids[counts.argmax()]}' is in several folds; predict all folds again")
    return pooled


def evaluate_out_of_fold(
    folds: Mapping[int, AnyPredictions],
    metrics: Sequence[str | Metric],
    resamples: int,
    groups: Groups | None = None,
    per_group: str = "mean",
) -> Resampled:
    """Return the named metrics of pooled predictions, and those of each fold, for the variance between trainings.

    Args:
        folds: predictions of the validation samples of each fold.
        metrics, resamples, groups, per_group: see `evaluate_resampled`.

    Raises:
        MMLError: a sample is in several folds.
    """
    options = (metrics, resamples, groups, per_group)
    pooled = evaluate_resampled(pool_out_of_fold(folds, "out-of-fold predictions"), *options)
    return _add_folds(pooled, [evaluate_resampled(predictions, *options) for predictions in folds.values()])


def with_folds(pooled: Resamples, folds: Resamples) -> Resamples:
    """Return the metrics of pooled predictions of runs, with the values of their folds. Ensembles have no folds."""
    runs = {
        run: {number: _add_folds(network, list(folds.runs[run].values())) for number, network in networks.items()}
        for run, networks in pooled.runs.items()
        if run in folds.runs
    }
    return replace(pooled, runs={**pooled.runs, **runs})


def _add_folds(pooled: Resampled, folds: Sequence[Resampled]) -> Resampled:
    values, draws = (np.stack([getattr(fold, key) for fold in folds], axis=1) for key in ("values", "draws"))
    return replace(pooled, fold_values=values, fold_draws=draws)
