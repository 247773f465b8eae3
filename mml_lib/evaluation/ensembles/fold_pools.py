"""Folds: the networks of a run are one member of an ensemble, whichever fold each was validated on."""

from collections.abc import Sequence
from dataclasses import replace

from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage, Member
from mml_lib.predictions.predictions import AnyPredictions, pool


def pool_folds(
    networks: Sequence[Member], predictions: Sequence[AnyPredictions]
) -> tuple[list[Member], list[AnyPredictions]]:
    """Return each run with the predictions of its networks together, of the samples that each was not trained on.

    Args:
        networks: networks of all runs and folds.
        predictions: predictions of their validation samples.

    Returns:
        The runs, and their out-of-fold predictions (Wolpert 1992).
    """
    runs: dict[Member, list[AnyPredictions]] = {}
    for network, of_fold in zip(networks, predictions, strict=True):
        runs.setdefault(network.whole_run, []).append(of_fold)
    return list(runs), [pool(of_folds) for of_folds in runs.values()]


def spread(ensemble: EnsembleStorage, networks: Sequence[Member]) -> tuple[EnsembleStorage, list[int]]:
    """Return an ensemble of runs as one of their networks, each with its share of the weight, and their places.

    Args:
        ensemble: ensemble of runs.
        networks: networks of all runs and folds.
    """
    members, weights, places = [], [], []
    for member, weight in zip(ensemble.members, ensemble.weights, strict=True):
        own = [place for place, network in enumerate(networks) if network.whole_run == member]
        members += [networks[place] for place in own]
        weights += [weight / len(own)] * len(own)
        places += own
    return replace(ensemble, members=members, weights=weights), places
