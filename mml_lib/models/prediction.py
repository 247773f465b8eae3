"""Prediction: what a network says of some samples of a task."""

import numpy as np
import torch
from torch.utils.data import DataLoader

from mml_lib.data.datamodule import positions_of
from mml_lib.models.module import MMLModule
from mml_lib.postprocessing.predictions import MaskPredictions, Predictions


def best_device(accelerator: str) -> torch.device:
    """Return the device that `trainer.accelerator` stands for."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.device("cuda")
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@torch.inference_mode()
def predict(model: MMLModule, loader: DataLoader, ids: np.ndarray, device: torch.device) -> Predictions:
    """Return what a network says of all samples of an ordered loader.

    Args:
        model: the network and its task.
        loader: as `MMLDataModule.ordered` gives it.
        ids: of the samples in the order of their part, N.
        device: where to compute.
    """
    model = model.to(device).eval()
    segmentation = model.task_type == "semantic_segmentation"
    outputs, targets = [], []
    for batch in loader:
        output = model(batch["image"].to(device, non_blocking=True)).float()
        # Of pixels the class only: their logits would be larger than the images.
        outputs += list((output.argmax(1).to(torch.uint8) if segmentation else output).cpu().numpy())
        targets += list(batch["target"].numpy())
    order = np.argsort(positions_of(loader))
    outputs, targets = ([each[place] for place in order] for each in (outputs, targets))
    if segmentation:
        return MaskPredictions.of(
            outputs, [target.astype(np.uint8) for target in targets], ids, model.network.heads[model.task]["outputs"]
        )
    return Predictions(np.stack(outputs), np.stack(targets), ids, model.task_type)
