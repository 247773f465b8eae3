"""Choice of candidate networks, and their predictors."""

from collections.abc import Sequence
from pathlib import Path

from mml_lib.config.analysis.deployment_options import BEST
from mml_lib.config.prediction_options import TTA
from mml_lib.deployment.candidate_networks import CandidateNetwork
from mml_lib.deployment.predictor import Predictor
from mml_lib.deployment.predictor_loading import check_same_order, read_member
from mml_lib.deployment.stored_runs import read_calibration
from mml_lib.errors import MMLError
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage, Member
from mml_lib.evaluation.ensembles.fold_pools import spread
from mml_lib.files.checksums import verify
from mml_lib.models.model_selection import BestRun, best_run
from mml_lib.models.model_storage import ModelStorage
from mml_lib.pipelines.pipeline import Pipeline


def choose_run(candidates: Sequence[CandidateNetwork], run: str, metric: str) -> list[CandidateNetwork]:
    """Return the networks of the given run, or of the best one by validation.

    Args:
        candidates: networks of one task.
        run: id of the run, or `best`.
        metric: metric for choosing the best run; the validation loss for networks without it.
    """
    if run == BEST:
        run = best_of(candidates, metric).run
    return [candidate for candidate in candidates if candidate.run == run]


def best_of(candidates: Sequence[CandidateNetwork], metric: str) -> BestRun:
    """Return the best procedure of some networks by validation, and its best run."""
    storages = [ModelStorage.read(candidate.model) for candidate in candidates]
    procedures = {candidate.run: read_pipeline(candidate).procedure for candidate in candidates}
    return best_run(storages, {run: (procedure, run) for run, procedure in procedures.items()}, metric)


def read_pipeline(candidate: CandidateNetwork) -> Pipeline:
    """Return the pipeline of a network's run.

    Raises:
        MMLError: the file is damaged.
    """
    verify(Path(candidate.pipeline))
    return Pipeline.read(Path(candidate.pipeline))


def predictor_of_run(networks: Sequence[CandidateNetwork], dataset: str, tta: TTA) -> Predictor:
    """Return the predictor of the networks of one run.

    Args:
        networks: the networks.
        dataset: manifest of the data set of their task.
        tta: test-time augmentation.
    """
    pipeline = read_pipeline(networks[0])
    calibrations = [network.calibration and read_calibration(network.calibration) for network in networks]
    member = read_member(
        pipeline, [network.weights for network in networks], dataset, [c or None for c in calibrations], tta
    )
    return Predictor(networks[0].task, member.group.networks[0].classes, [member])


def predictor_of_ensemble(
    candidates: Sequence[CandidateNetwork], ensemble: EnsembleStorage, dataset: str, tta: TTA
) -> tuple[Predictor, list[CandidateNetwork]]:
    """Return the predictor of an ensemble of some of the networks, and these networks.

    Raises:
        MMLError: a member is not among the networks, or members have different classes or orders of classes.
    """
    networks = [Member(candidate.task, candidate.run, candidate.fold) for candidate in candidates]
    possible = {member for network in networks for member in (network, network.whole_run)}
    for member in ensemble.members:
        if member not in possible:
            raise MMLError(
                f"the ensemble of {ensemble.task} has a member that is not a network of the study ({member}); "
                "run mode post again"
            )
    if any(member.fold is None for member in ensemble.members):
        ensemble, indices = spread(ensemble, networks)
    else:
        indices = [networks.index(member) for member in ensemble.members]
    chosen = [candidates[index] for index in indices]
    members = [predictor_of_run([network], dataset, tta).members[0] for network in chosen]
    check_same_order(ensemble.task, [(member.run, member.group.networks[0].classes) for member in members])
    return Predictor(ensemble.task, members[0].group.networks[0].classes, members, ensemble), chosen
