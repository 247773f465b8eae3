"""Checkpoints: one an epoch, whole or not at all, read without unpickling anything but tensors."""

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
    """Writes checkpoints beside their place and renames them; Lightning's own may copy them across file systems."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        with write_whole(path) as beside:
            torch.save(checkpoint, beside)


class LatestCheckpoints(Checkpoint):
    """Keeps the checkpoints of the latest epochs; each is written before an older one is removed.

    Lightning's `ModelCheckpoint` keeps one only, or remembers which are there and does not look.

    Args:
        folder: where they lie.
        save_top_k: how many are kept; -1: all.
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
    """Return why a training cannot go on from a checkpoint, None if it can: looks at every byte, loads no tensor.

    Args:
        path: of the checkpoint.
        divisions: digest of the division of each task of the training; None: they are not compared.
    """
    if path.stat().st_size == 0:
        return "is empty"
    try:
        with zipfile.ZipFile(path) as archive:
            # torch writes no attributes, and reads nothing of an entry that has the one of folders.
            if archive.testzip() is not None or any(entry.external_attr for entry in archive.infolist()):
                return "is damaged"
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except zipfile.BadZipFile:
        return "is cut off or damaged"
    except Exception as error:  # what bytes out of place make of the readers is anyone's guess
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return f"cannot be read ({reason})"
    if not isinstance(checkpoint, dict) or not checkpoint.keys() >= PARTS:
        return "is not a checkpoint of a training"
    version = checkpoint["mml"].get("torch", torch.__version__)  # older ones do not say
    if version.split(".")[:2] != torch.__version__.split(".")[:2]:
        return f"is of torch {version}, not {torch.__version__}"
    return other_division(checkpoint["mml"], divisions or {})
