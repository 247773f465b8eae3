"""Folders of checkpoints: which one a training goes on from, and when they go."""

import contextlib
import os
import re
from pathlib import Path


def last_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint of the latest epoch, if there is one; drop what a kill left half-written."""
    for part in folder.glob(".*.part*"):
        part.unlink(missing_ok=True)
    found = [path for path in folder.glob("*.ckpt") if re.fullmatch(r"epoch=\d+(-v\d+)?", path.stem)]
    return max(found, default=None, key=lambda path: (path.stem.split("-")[0], path.stat().st_mtime))


def remove_checkpoints(folder: Path) -> None:
    """Remove a training's checkpoints, and the folders that are empty then."""
    for file in folder.glob("*"):
        file.unlink(missing_ok=True)
    for parent in (folder, folder.parent, folder.parent.parent):
        with contextlib.suppress(OSError):
            os.rmdir(parent)
