"""Steps that extract features: choice of the backbone, and extraction that resumes after an interruption.

Functions import modules that need torch, because the step may continue in a warm process.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mml_lib.config.feature_options import Extraction
from mml_lib.features.part_store import PartStore
from mml_lib.models.model_selection import select_model
from mml_lib.models.model_storage import ModelStorage
from mml_lib.steps.step import Step
from mml_lib.steps.step_gpus import limit_gpu_memory
from mml_lib.tasks.struct import TaskStruct

if TYPE_CHECKING:
    import numpy as np

    from mml_lib.inference.frozen_backbone import FrozenBackbone

logger = logging.getLogger(__name__)


def choose_weights(
    options: Extraction,
    candidates: Sequence[Mapping[str, Any]],
    models: Sequence[str],
    parameters: Sequence[str],
    metric: str,
) -> str | None:
    """Return the path of the weights that the section `features` selects; None for a library backbone.

    Args:
        options: the section.
        candidates: `project`, `task`, `run` and `fold` of each network.
        models: paths of their model storages.
        parameters: paths of their weights.
        metric: metric by which the best network is chosen.
    """
    if not candidates:
        return None
    storages = [ModelStorage.read(path) for path in models]
    selection = select_model(candidates, storages, options.model_selection, metric, options.seed)
    logger.info("features of %s: %s", dict(selection.chosen), selection.why)
    return parameters[list(candidates).index(selection.chosen)]


@contextmanager
def extracted_features(
    step: Step, task: TaskStruct, options: Extraction, weights: str | None, extractor: str, parts: str
) -> Iterator["np.ndarray"]:
    """Yield the features of all samples of a task, a memory map, N×D or N×T×D. It is removed after the block.

    Args:
        step: the step.
        task: the task.
        options: the section `features`.
        weights: path of the weights of a trained network; None: a library backbone.
        extractor: name of the extractor.
        parts: folder for the features of an interrupted extraction.
    """
    import numpy as np
    import torch

    from mml_lib.data.datamodule import images_of
    from mml_lib.inference.extraction import extract_features
    from mml_lib.inference.prediction import best_device

    torch.set_num_threads(step.threads)
    limit_gpu_memory()
    count = len(task.samples["id"])
    device = best_device(step.cfg.trainer.accelerator)
    store = PartStore(parts, {"extractor": extractor, "task_id": task.header["id"]}, count)
    if store.num_done:
        logger.info("resuming after %d of %d images", store.num_done, count)
    images = images_of(task, np.arange(count), device.type == "cuda", masks=False)
    speed = extract_features(
        _backbone(task, options, weights),
        images,
        store,
        device,
        task.name,
        options.batch_size,
        options.precision,
        step.cfg.num_workers or 0,
    )
    logger.info("%d images, %.1f images/s on %s", count, speed, device)
    yield store.values
    store.remove()


def _backbone(task: TaskStruct, options: Extraction, weights: str | None) -> "FrozenBackbone":
    from mml_lib.inference.frozen_backbone import library_backbone, trained_backbone

    tokens = options.pooling == "tokens"
    if weights is not None:
        return trained_backbone(weights, task, tokens)
    return library_backbone(options.backbone, task, options.seed, tokens)
