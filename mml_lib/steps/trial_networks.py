"""Networks of trials that the best run of a search reuses."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mml_lib.data.learned_divisions import DIVISIONS
from mml_lib.files.atomic import write_text
from mml_lib.files.checksums import verify
from mml_lib.machine.locks import process_rank
from mml_lib.models.model_storage import ModelStorage

if TYPE_CHECKING:
    from mml_lib.steps.training_step import TrainingStep

logger = logging.getLogger(__name__)


def take_trial_network(step: "TrainingStep", stores: Mapping[str, str], others_trained: bool) -> bool:
    """Copy the network of a trial with the same pipeline and fold, if the search has trained one.

    Args:
        step: the training.
        stores: patterns of the paths of networks.
        others_trained: True if the step has waited for a trial of the same run, which may have stored the network.

    Returns:
        True if the network exists, so that no training is needed.
    """
    run = step.pipeline.content.get("search", {}).get("trained_as", step.run if others_trained else None)
    if run is None:
        return False
    paths = {key: Path(pattern.format(task=step.task, run=run, fold=step.fold)) for key, pattern in stores.items()}
    if not all(path.exists() for path in paths.values()):
        return False
    if process_rank():
        return True
    from mml_lib.models.network import load_network, save_network

    verify(*paths.values())
    if run == step.run:
        logger.info("a trial of a search has trained this run meanwhile")
        return True
    assert step.run is not None, "a training has a run"
    network, header = load_network(paths["parameters"])
    kept = {key: header[key] for key in ("task", "run", "fold", "mean", "std", "classes", DIVISIONS) if key in header}
    kept["run"] = step.run
    save_network(network, step.output.parameters, kept)
    write_text(step.output.history, paths["history"].read_text(encoding="utf-8"))
    replace(ModelStorage.read(paths["models"]), run=step.run).write(step.output.model)
    logger.info("network copied from run %s, which a trial of the search has trained", run)
    return True
