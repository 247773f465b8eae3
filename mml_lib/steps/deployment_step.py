"""Steps that use trained networks on new images.

Functions import modules that need torch, because the step may continue in a warm process.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.analysis.deployment_options import ENSEMBLE
from mml_lib.config.prediction_options import TTA
from mml_lib.steps.step import Step
from mml_lib.steps.step_gpus import limit_gpu_memory
from mml_lib.tasks.struct import TaskStruct

if TYPE_CHECKING:
    from mml_lib.deployment.applying import Applied
    from mml_lib.deployment.candidate_networks import CandidateNetwork
    from mml_lib.deployment.predictor import Predictor
    from mml_lib.deployment.training_distance import TrainingDistance

logger = logging.getLogger(__name__)


def chosen_predictor(
    step: Step,
    candidates: "Sequence[CandidateNetwork]",
    run: str,
    metric: str,
    dataset: str,
    tta: Mapping[str, Any] | None,
    ensemble: Sequence[str] = (),
) -> "tuple[Predictor, list[CandidateNetwork]]":
    """Return the predictor of a run or an ensemble on the device of a step, and its networks.

    Args:
        step: the step.
        candidates: networks to choose from.
        run: id of the run, `best` or `ensemble`.
        metric: metric by which the best run is chosen.
        dataset: manifest of the data set of their task.
        tta: the section `tta` of the study; None: no test-time augmentation.
        ensemble: path of the ensemble, in a list.
    """
    import torch

    from mml_lib.deployment.network_choice import choose_run, predictor_of_ensemble, predictor_of_run
    from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
    from mml_lib.inference.prediction import best_device

    torch.set_num_threads(step.threads)
    limit_gpu_memory()
    views = TTA.model_validate(tta or {})
    if run == ENSEMBLE:
        storage = EnsembleStorage.read(ensemble[0])
        predictor, networks = predictor_of_ensemble(candidates, storage, dataset, views)
    else:
        networks = choose_run(candidates, run, metric)
        predictor = predictor_of_run(networks, dataset, views)
    logger.info("%s", predictor)
    return predictor.to(best_device(step.cfg.trainer.accelerator)), networks


def training_distance(
    predictor: "Predictor", networks: "Sequence[CandidateNetwork]", description: str, kind: str
) -> "TrainingDistance | None":
    """Return the distances to the training images of a predictor's first network; None for the kind `none`.

    Args:
        predictor: the predictor.
        networks: its networks.
        description: description of their task.
        kind: `features`, `confidence` or `none`.
    """
    from mml_lib.deployment.training_distance import TrainingDistance

    first = networks[0]
    if kind == "none" or first.images is None:
        return None
    struct = TaskStruct(first.task, {"description": Path(description), "packed": Path(first.images)})
    network = predictor.members[0].group.networks[0]
    return TrainingDistance.of(network, kind, struct, first.fold)


def predict_new_images(
    predictor: "Predictor", images: str, unpacked: str, masks: str | None = None, **options: Any
) -> "Applied":
    """Return the predictions of new images, and the images that cannot be predicted; write masks.

    Args:
        predictor: the predictor.
        images: a folder, a table, an archive or an image file.
        unpacked: folder for the members of an archive.
        masks: folder to write mask files to; None: write no masks.
        options: further arguments of `mml_lib.deployment.applying.apply_predictor`.
    """
    from mml_lib.deployment.applying import apply_predictor, opened_images
    from mml_lib.files.atomic import write_whole_folder

    with opened_images(Path(images), Path(unpacked)) as listed:
        if masks is None:
            return apply_predictor(predictor, listed, **options)
        with write_whole_folder(masks) as temporary:
            return apply_predictor(predictor, listed, masks=temporary, **options)


def export_folder(
    predictor: "Predictor",
    networks: "Sequence[CandidateNetwork]",
    folder: str,
    description: str,
    dataset: str,
    tta: Mapping[str, Any] | None,
    **contents: Any,
) -> dict[str, float]:
    """Write the export of a run atomically; return its largest differences from the stored predictions.

    Args:
        predictor: predictor of the run.
        networks: its networks.
        folder: folder to write.
        description: description of the task.
        dataset: manifest of the data set.
        tta: the section `tta` of the study; None: no test-time augmentation.
        contents: further arguments of `mml_lib.deployment.exporting.export_folder.write_export`.
    """
    from mml_lib.deployment.exporting.export_folder import write_export
    from mml_lib.files.atomic import write_whole_folder

    first = networks[0]
    assert first.images is not None, "the rule declares them"
    struct = TaskStruct(first.task, {"description": Path(description), "packed": Path(first.images)})
    views = TTA.model_validate(tta or {})
    with write_whole_folder(folder) as temporary:
        return write_export(temporary, predictor.to("cpu"), networks, struct, dataset, tta=views, **contents)
