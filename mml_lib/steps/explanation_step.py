"""Steps that explain predictions of trained networks.

Functions import modules that need torch, because the step may continue in a warm process.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.analysis.explain_options import GRAD_CAM, INTEGRATED_GRADIENTS
from mml_lib.steps.step import Step
from mml_lib.steps.step_gpus import limit_gpu_memory
from mml_lib.tasks.struct import TaskStruct

if TYPE_CHECKING:
    from mml_lib.deployment.candidate_networks import CandidateNetwork
    from mml_lib.explanations.explanation import ExplainedRun

logger = logging.getLogger(__name__)


def explain_best_run(
    step: Step,
    candidates: "Sequence[CandidateNetwork]",
    predictions: Sequence[str],
    description: str,
    metric: str,
    options: Mapping[str, Any],
) -> "ExplainedRun":
    """Return the best run by validation, and explanations of its predictions.

    Args:
        step: the step.
        candidates: networks of one task.
        predictions: paths of predictions, one for each candidate.
        description: description of the task.
        metric: metric by which the best run is chosen.
        options: `method` and `images` of the section `explain`.
    """
    import torch

    from mml_lib.deployment.deployed_network import DeployedNetwork
    from mml_lib.deployment.network_choice import choose_run, read_pipeline
    from mml_lib.explanations.explanation import ExplainedRun, explain_predictions
    from mml_lib.inference.prediction import best_device
    from mml_lib.predictions.predictions import read_predictions

    torch.set_num_threads(step.threads)
    limit_gpu_memory()
    networks, device = choose_run(candidates, "best", metric), best_device(step.cfg.trainer.accelerator)
    first, pipeline = networks[0], read_pipeline(networks[0])
    assert first.images is not None, "the rule declares them"
    struct = TaskStruct(first.task, {"description": Path(description), "packed": Path(first.images)})
    explanations = explain_predictions(
        {network.fold: DeployedNetwork.read(network.weights, pipeline).to(device) for network in networks},
        {network.fold: read_predictions(predictions[candidates.index(network)]) for network in networks},
        struct,
        options["method"] or GRAD_CAM,
        options["images"],
    )
    if options["method"] == GRAD_CAM and any(
        explanation.method == INTEGRATED_GRADIENTS for explanation in explanations
    ):
        logger.warning(
            "explain.method: run %s has no feature map of 4×4 positions or more for images of this size, so its "
            "images are explained by integrated_gradients",
            first.run,
        )
    return ExplainedRun(first.task, first.run, explanations)
