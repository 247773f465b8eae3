"""Checkpoints: one per epoch, written atomically, read without unpickling arbitrary objects."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mml_lib.torchvision_schemas  # noqa: F401  isort: skip  (before lightning)
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from mml_lib.data.learned_divisions import other_division
from mml_lib.files.atomic import write_whole
from mml_lib.training.checkpoint_files import checkpoint_path, keep_latest

PARTS = {"state_dict", "optimizer_states", "lr_schedulers", "loops", "callbacks", "mml"}
"""Keys of a checkpoint that a training needs to continue."""


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file next to it, and renames this file. Lightning may copy it instead."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        with write_whole(path) as temporary:
            torch.save(checkpoint, temporary)


class LatestCheckpoints(Checkpoint):
    """Keeps the checkpoints of the latest epochs. An older one is removed after the new one is written.

    Lightning's `ModelCheckpoint` keeps only one, or relies on its own list of files.

    Args:
        folder: folder of the training's checkpoints.
        save_top_k: number of checkpoints to keep; -1: all.
    """

    def __init__(self, folder: Path, save_top_k: int = 2):
        self.folder = folder
        self.save_top_k = save_top_k

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        path = checkpoint_path(self.folder, trainer.current_epoch)
        trainer.save_checkpoint(path)
        if self.save_top_k > 0:
            keep_latest(path, self.save_top_k)


def problem_of(path: Path, divisions: Mapping[str, str] | None = None) -> str | None:
    """Return the reason why a training cannot continue from a checkpoint; None if it can.

    All bytes are verified, but tensors are not loaded into memory.

    Args:
        path: path of the checkpoint.
        divisions: digest of the division of each task of the training; None: divisions are not compared.
    """
    if path.stat().st_size == 0:
        return "is empty"
    try:
        with zipfile.ZipFile(path) as archive:
            # torch writes no attributes, and does not read entries with the attribute of folders.
            if archive.testzip() is not None or any(entry.external_attr for entry in archive.infolist()):
                return "is damaged"
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except zipfile.BadZipFile:
        return "is cut off or damaged"
    except Exception as error:  # damaged bytes may raise any error in the readers
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return f"cannot be read ({reason})"
    if not isinstance(checkpoint, dict) or not checkpoint.keys() >= PARTS:
        return "is not a checkpoint of a training"
    version = checkpoint["mml"].get("torch", torch.__version__)  # older checkpoints lack it
    if version.split(".")[:2] != torch.__version__.split(".")[:2]:
        return f"is of torch {version}, not {torch.__version__}"
    return other_division(checkpoint["mml"], divisions or {})
