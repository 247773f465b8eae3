"""Extraction: features of the samples of a task by a frozen backbone."""

import time
from contextlib import nullcontext

import numpy as np
import torch

from mml_lib.data.datamodule import TaskImages, by_size, ordered_loader
from mml_lib.errors import MMLError
from mml_lib.features.part_store import PartStore
from mml_lib.inference.frozen_backbone import FrozenBackbone
from mml_lib.training.guards import gpu_share_remedy, is_out_of_memory

AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""Dtype of autocast by precision."""


@torch.inference_mode()
def extract_features(
    backbone: FrozenBackbone,
    images: TaskImages,
    store: PartStore,
    device: torch.device,
    task: str,
    batch_size: int = 64,
    precision: str = "32-true",
    num_workers: int = 0,
) -> float:
    """Add the features of all images to a store, except those that it already has, and return images per second.

    Batches contain images of one size. They do not depend on the content of the store.

    Args:
        backbone: the backbone.
        images: images of the task, N.
        store: store of the features.
        device: device of the computation.
        task: name of the task, for messages.
        batch_size: number of images in a batch.
        precision: value of `features.precision`.
        num_workers: number of processes that read images.

    Raises:
        MMLError: the images do not fit the network, or a batch does not fit into memory.
    """
    sizes = np.asarray(images.sizes)
    _check_options(backbone, sizes, device, task, precision)
    batches = [batch for batch in by_size(sizes, batch_size) if not store.is_done(batch)]
    cast = torch.autocast(device.type, AUTOCAST[precision]) if precision in AUTOCAST else nullcontext()
    loader = ordered_loader(images, batches, num_workers, pin_memory=device.type == "cuda")
    start, count = time.perf_counter(), 0
    try:
        backbone.to(device)
        for positions, batch in zip(batches, loader, strict=True):
            with cast:
                features = backbone(batch["image"].to(device, non_blocking=True), task)
            store.add(positions, features.float().cpu().numpy())
            count += len(positions)
    except (MemoryError, MMLError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise MMLError(
            f"out of memory on {device} in extracting features of {task} in batches of {batch_size}; "
            f"{gpu_share_remedy()}lower features.batch_size, which changes no features"
        ) from error
    finally:
        store.flush()
    return count / max(time.perf_counter() - start, 1e-9)


def _check_options(
    backbone: FrozenBackbone, sizes: np.ndarray, device: torch.device, task: str, precision: str
) -> None:
    """Check that images of these sizes have features of one shape, and that the device supports the precision."""
    if backbone.tokens and len(np.unique(sizes, axis=0)) > 1:
        raise MMLError(
            f"features.pooling: the images of {task} have several sizes, and so different numbers of tokens; set "
            "features.preprocessing to one that resizes them, or features.pooling: pooled"
        )
    if precision == "16-mixed" and device.type == "cpu":
        raise MMLError("features.precision: 16-mixed is for GPUs only; set it to 32-true or bf16-mixed")
