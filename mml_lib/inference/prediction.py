"""Prediction: outputs of a network for samples of a task."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from mml_lib.data.datamodule import positions_of
from mml_lib.errors import MMLError
from mml_lib.inference.delivered_masks import DeliveredMasks
from mml_lib.inference.merged_views import MergedViews
from mml_lib.inference.window_prediction import predict_by_windows
from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions, Predictions
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.training.guards import describe_images, gpu_share_remedy, is_out_of_memory
from mml_lib.training.module import MMLModule


def best_device(accelerator: str) -> torch.device:
    """Return the device for a value of `trainer.accelerator`.

    Raises:
        MMLError: the device is not available.
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.device("cuda")
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    if accelerator not in ("auto", "cpu"):
        raise MMLError(
            f"trainer.accelerator '{accelerator}' is not available: torch finds no such device; set it to auto"
        )
    return torch.device("cpu")


@torch.inference_mode()
def predict(
    model: MMLModule,
    loader: DataLoader,
    ids: np.ndarray,
    device: torch.device,
    tta: MergedViews | None = None,
    delivered: DeliveredMasks | None = None,
) -> AnyPredictions:
    """Return the outputs of a network for all samples of an ordered loader.

    Args:
        model: the network and its task.
        loader: result of `MMLDataModule.ordered`.
        ids: ids of the samples in the order of their part, N.
        device: device of the computation.
        tta: test-time augmentation; None without it.
        delivered: for predictions by a sliding window, delivered masks, whose sizes masks get; None: the packed size.

    Raises:
        MMLError: a batch, or the network, does not fit into memory.
    """
    segmentation = TASK_TYPES[model.task_type].has_masks
    last_batch: dict[str, Any] = {}
    try:
        model.to(device).eval()
        if (window := model.window) is not None:
            last_batch["image"] = torch.empty(window.batch_size, 0, *window.size)
            pairs = predict_by_windows(model, loader.dataset, positions_of(loader), device, tta, delivered)
        else:
            pairs = _predict_whole(model, loader, device, tta, last_batch)
        outputs, targets = map(list, zip(*pairs, strict=True))
    except (MemoryError, MMLError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise _out_of_memory(model.task, last_batch, device) from error
    order = np.argsort(positions_of(loader))
    outputs, targets = ([part[place] for place in order] for part in (outputs, targets))
    if not targets[0].size and targets[0].ndim:  # tasks without labels
        targets = [_unknown(model.task_type, output) for output in outputs]
    if segmentation:
        return MaskPredictions.of(
            outputs, [target.astype(np.uint8) for target in targets], ids, model.network.heads[model.task]["outputs"]
        )
    return Predictions(np.stack(outputs), np.stack(targets), ids, model.task_type)


def _predict_whole(
    model: MMLModule, loader: DataLoader, device: torch.device, tta: MergedViews | None, last_batch: dict[str, Any]
) -> Iterator[tuple[np.ndarray, Any]]:
    """Yield output and target of each image of a loader, and store the current batch in `last_batch`."""
    compute = partial(tta, model) if tta else model
    for batch in loader:
        last_batch.update(batch)
        output = compute(batch["image"].to(device, non_blocking=True)).float()
        if TASK_TYPES[model.task_type].has_masks:
            output = output.max(1).indices.to(torch.uint8)  # logits of pixels need more memory than the images
        yield from zip(output.cpu().numpy(), batch["target"].numpy(), strict=True)


def _out_of_memory(task: str, batch: Mapping[str, Any], device: torch.device) -> MMLError:
    images = describe_images(batch) if batch else "no batch yet"
    elsewhere = "" if device.type == "cpu" else " set trainer.accelerator: cpu, which retrains nothing,"
    return MMLError(
        f"out of memory on {device} in predicting by the network of {task} with {images}; {gpu_share_remedy()}free "
        f"memory that other processes use,{elsewhere} or lower sampling.batch_size, which makes a new run"
    )


def _unknown(task_type: str, output: np.ndarray) -> np.ndarray | np.generic:
    """Return the target of an unlabelled image, in the shape of an output of the network."""
    kind = TASK_TYPES[task_type]
    if kind.has_masks:
        return np.full_like(output, IGNORE)
    if kind.is_multilabel:
        return np.full_like(output, np.nan)
    return np.float32(np.nan) if kind.has_values else np.int64(-1)
