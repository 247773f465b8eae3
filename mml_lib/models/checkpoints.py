"""Checkpoints: one an epoch, whole or not at all, read without unpickling anything but tensors."""

from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint

from mml_lib.files.atomic import write_whole


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints beside their place and renames them; Lightning's own may copy them across file systems."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        with write_whole(path) as beside:
            torch.save(checkpoint, beside)


def checkpoint_every_epoch(folder: Path) -> ModelCheckpoint:
    """Return the callback that keeps the checkpoint of the latest epoch, written before the one before it goes."""
    return ModelCheckpoint(folder, filename="{epoch:06d}", save_top_k=1, save_on_train_epoch_end=True)
