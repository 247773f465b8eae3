"""Removal of artefacts: whole or not at all, even if the process is killed."""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from mml_lib.files.atomic import part_of
from mml_lib.files.checksums import checksum_path


def remove(path: Path, root: Path) -> None:
    """Remove a file or folder, its checksum, and the folders below `root` that are then empty."""
    if path.is_dir() and not path.is_symlink():
        beside = part_of(path)
        os.replace(path, beside)
        shutil.rmtree(beside, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    checksum_path(path).unlink(missing_ok=True)
    for parent in path.parents:
        if parent == root or not parent.is_relative_to(root):
            break
        try:
            parent.rmdir()
        except OSError:
            break


def size_of(paths: Iterable[Path]) -> int:
    """Return the total size of files, and of all files below folders, in bytes. Files that vanish count as 0."""
    return sum(map(_size, paths))


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        status = path.lstat()
        return sum(map(_size, path.iterdir())) if stat.S_ISDIR(status.st_mode) else status.st_size
    return 0
