"""Folds: the networks of a run are one member of an ensemble, whichever fold each was validated on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
from mml_lib.predictions.predictions import MaskPredictions, Predictions, pool

AnyPredictions = Predictions | MaskPredictions


def pool_folds(
    networks: Sequence[Mapping[str, Any]], predictions: Sequence[AnyPredictions]
) -> tuple[list[dict[str, Any]], list[AnyPredictions]]:
    """Return each run with what its networks predict of the samples that each of them was not trained on, together.

    Args:
        networks: `task`, `run` and `fold` of each, and `project` where that is another one.
        predictions: of their validation samples.

    Returns:
        `task` and `run` of each run; its out-of-fold predictions (Wolpert 1992).
    """
    runs: dict[tuple[tuple[str, Any], ...], list[AnyPredictions]] = {}
    for network, of_fold in zip(networks, predictions, strict=True):
        runs.setdefault(tuple(_run_of(network).items()), []).append(of_fold)
    return [dict(run) for run in runs], [pool(of_folds) for of_folds in runs.values()]


def _run_of(network: Mapping[str, Any]) -> dict[str, Any]:
    """Return the key of a network without its fold: `task` and `run`, with `project` if it is another one."""
    return {key: value for key, value in network.items() if key != "fold"}


def spread(ensemble: EnsembleStorage, networks: Sequence[Mapping[str, Any]]) -> tuple[EnsembleStorage, list[int]]:
    """Return an ensemble of runs as one of their networks, each with its share of the weight, and where these stand.

    Args:
        ensemble: of runs.
        networks: `task`, `run` and `fold` of all.
    """
    members, weights, places = [], [], []
    for member, weight in zip(ensemble.members, ensemble.weights, strict=True):
        own = [place for place, network in enumerate(networks) if _run_of(network) == dict(member)]
        members += [dict(networks[place]) for place in own]
        weights += [weight / len(own)] * len(own)
        places += own
    return replace(ensemble, members=members, weights=weights), places
