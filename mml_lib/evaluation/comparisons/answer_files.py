"""Predictions of the compared networks and ensembles, read for an answer."""

from collections.abc import Mapping, Sequence

from mml_lib.evaluation.comparisons.answer import Answer, ComparedNetwork
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
from mml_lib.predictions.predictions import AnyPredictions, read_predictions
from mml_lib.tasks.description import TaskDescription


def add_networks(
    answer: Answer, networks: Sequence[ComparedNetwork], predictions: Sequence[AnyPredictions], tasks: Sequence[str]
) -> None:
    """Add networks to an answer.

    Args:
        answer: the answer.
        networks: the compared networks, N.
        predictions: test predictions of each network, N.
        tasks: paths of the descriptions of all predicted tasks.
    """
    descriptions = {task.header["name"]: task for task in map(TaskDescription.read, tasks)}
    for network, network_predictions in zip(networks, predictions, strict=True):
        answer.add(network, network_predictions, descriptions[network.task])


def add_ensembles(
    answer: Answer,
    networks: Sequence[ComparedNetwork],
    ensembles: Sequence[str],
    predictions: Sequence[AnyPredictions],
    folds: Mapping[str, int | None],
) -> None:
    """Add the ensembles of predicted tasks to an answer.

    Args:
        answer: the answer.
        networks: the compared networks, in the order of the tasks that they predict.
        ensembles: path of the ensemble of each predicted task; empty without ensembles.
        predictions: test predictions of each ensemble.
        folds: by predicted task, the fold of the ensemble.
    """
    tasks = dict.fromkeys(network.task for network in networks)
    for task, ensemble, ensemble_predictions in zip(tasks, ensembles, predictions, strict=False):
        answer.add_ensemble(EnsembleStorage.read(ensemble), ensemble_predictions, folds[task])


def read_uncalibrated(
    networks: Sequence[ComparedNetwork], predictions: Sequence[str]
) -> dict[str, dict[int, AnyPredictions]]:
    """Return predictions before calibration by run and fold; empty if nothing is calibrated.

    Args:
        networks: the compared networks, N.
        predictions: path of the predictions of each network, N or none.
    """
    uncalibrated: dict[str, dict[int, AnyPredictions]] = {}
    for network, path in zip(networks, predictions, strict=False):
        uncalibrated.setdefault(network.run, {})[network.fold] = read_predictions(path)
    return uncalibrated
