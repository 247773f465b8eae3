"""Checkpoints: one an epoch, whole or not at all, read without unpickling anything but tensors."""

import contextlib
import os
import re
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


def last_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint of the latest epoch, if there is one; drop what a kill left half-written."""
    for part in folder.glob(".*.part*"):
        part.unlink(missing_ok=True)
    found = [path for path in folder.glob("*.ckpt") if re.fullmatch(r"epoch=\d+(-v\d+)?", path.stem)]
    return max(found, default=None, key=lambda path: (path.stem.split("-")[0], path.stat().st_mtime))


def remove_checkpoints(folder: Path) -> None:
    """Remove a training's checkpoints, and the folders that are empty then."""
    for file in folder.glob("*"):
        file.unlink()
    for parent in (folder, folder.parent, folder.parent.parent):
        with contextlib.suppress(OSError):
            os.rmdir(parent)
