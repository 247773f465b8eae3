"""Prediction: the logits of a network on some samples of a task."""

import numpy as np
import torch
from torch.utils.data import DataLoader

from mml_lib.models.module import MMLModule


def best_device(accelerator: str) -> torch.device:
    """Return the device that `trainer.accelerator` stands for."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.device("cuda")
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@torch.inference_mode()
def predict(model: MMLModule, loader: DataLoader, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (float32, N×outputs) and targets (int64, N), in the order of the loader."""
    model = model.to(device).eval()
    logits, targets = [], []
    for batch in loader:
        logits.append(model(batch["image"].to(device, non_blocking=True)).float().cpu())
        targets.append(batch["target"])
    return torch.cat(logits).numpy(), torch.cat(targets).numpy()
