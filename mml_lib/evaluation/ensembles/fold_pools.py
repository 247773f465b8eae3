"""Pooling of folds: the networks of all folds of a run are one member of an ensemble."""

from collections.abc import Sequence
from dataclasses import replace

from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage, Member
from mml_lib.predictions.predictions import AnyPredictions, pool


def pool_folds(
    networks: Sequence[Member], predictions: Sequence[AnyPredictions]
) -> tuple[list[Member], list[AnyPredictions]]:
    """Return the runs with their out-of-fold predictions, pooled over folds (Wolpert 1992).

    Args:
        networks: networks of all runs and folds.
        predictions: predictions of their validation samples.

    Returns:
        The runs, and the pooled predictions of each run.
    """
    runs: dict[Member, list[AnyPredictions]] = {}
    for network, fold_predictions in zip(networks, predictions, strict=True):
        runs.setdefault(network.whole_run, []).append(fold_predictions)
    return list(runs), [pool(folds) for folds in runs.values()]


def spread(ensemble: EnsembleStorage, networks: Sequence[Member]) -> tuple[EnsembleStorage, list[int]]:
    """Return an ensemble of runs as an ensemble of their networks, and the places of these among all networks.

    The networks of a run share its weight equally.

    Args:
        ensemble: ensemble of runs.
        networks: networks of all runs and folds.
    """
    members, weights, places = [], [], []
    for member, weight in zip(ensemble.members, ensemble.weights, strict=True):
        of_run = [place for place, network in enumerate(networks) if network.whole_run == member]
        members += [networks[place] for place in of_run]
        weights += [weight / len(of_run)] * len(of_run)
        places += of_run
    return replace(ensemble, members=members, weights=weights), places
