"""Files of checkpoints: the latest usable one, the removal of older ones, and the lock of a training."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mml_lib.machine.locks import hold_file
from mml_lib.machine.terminal import print_line


def checkpoint_path(folder: Path, epoch: int) -> Path:
    """Return the path of the checkpoint of an epoch."""
    return folder / f"epoch={epoch:06d}.ckpt"


def checkpoints_of(folder: Path) -> list[Path]:
    """Return the checkpoints of a training, the latest epoch first."""
    checkpoints = [path for path in folder.glob("*.ckpt") if re.fullmatch(r"epoch=\d+(-v\d+)?", path.stem)]
    return sorted(checkpoints, key=lambda path: (_epoch(path), path.stat().st_mtime), reverse=True)


def _epoch(path: Path) -> str:
    return path.stem.split("-")[0]


def last_checkpoint(folder: Path, problem_of: Callable[[Path], str | None] = lambda path: None) -> Path | None:
    """Return the latest usable checkpoint; None without one. Unfinished files of a killed training are removed.

    Args:
        folder: folder of the training's checkpoints.
        problem_of: returns the reason why a checkpoint is not usable, which is printed; None for usable ones.
    """
    for part in folder.glob(".*.part*"):
        part.unlink(missing_ok=True)
    problems = []
    usable = None
    for path in checkpoints_of(folder):
        problem = problem_of(path)
        if problem is None:
            usable = path
            break
        problems.append(f"{path} {problem}")
    if problems:
        start = f"continues from the previous one, {usable.name}" if usable else "starts from the beginning"
        print_line(f"{'; '.join(problems)}: this training {start}")
    return usable


def keep_latest(written: Path, number: int) -> None:
    """Remove all checkpoints except `number`: the one just written, and the latest ones before it.

    Checkpoints of later epochs are removed: they were not usable when the training was resumed.
    """
    others = [path for path in checkpoints_of(written.parent) if path != written]
    before = [path for path in others if _epoch(path) < _epoch(written)]
    for path in set(others) - set(before[: number - 1]):
        path.unlink(missing_ok=True)


def training_lock(folder: Path) -> Path:
    """Return the lock file of a training, because a trial of a search may have the same pipeline and checkpoints.

    Args:
        folder: folder of the training's checkpoints.
    """
    return folder.with_name(f".{folder.name}.lock")


@contextlib.contextmanager
def sole_training(folder: Path) -> Iterator[bool]:
    """Hold the lock of a training, so that no other process trains the same pipeline on the same fold.

    Args:
        folder: folder of the training's checkpoints.

    Yields:
        True if this process has waited for another one.
    """
    with hold_file(training_lock(folder)) as waited:
        yield waited
    _remove_empty(folder.parent, folder.parent.parent)


def remove_checkpoints(folder: Path) -> None:
    """Remove a training's checkpoints, and folders that become empty."""
    for file in folder.glob("*"):
        file.unlink(missing_ok=True)
    _remove_empty(folder, folder.parent, folder.parent.parent)


def _remove_empty(*folders: Path) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            os.rmdir(folder)
