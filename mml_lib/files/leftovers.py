"""Leftovers: files of killed processes of this machine."""

import fcntl
import os
import re
import socket
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from mml_lib.files.atomic import is_abandoned
from mml_lib.files.manager import TUNING
from mml_lib.files.templates import AssignmentTemplate

WARM = re.compile(r"mml-[0-9a-f]{16}")
"""Names of the folders of warm processes, below the system's folder of temporary files."""

STARTING = 600
"""Maximum time in seconds until a warm process listens."""


def leftovers_below(root: Path, templates: Iterable[AssignmentTemplate]) -> dict[str, list[Path]]:
    """Return leftovers of killed processes among the artefacts below a root, by kind.

    In folders of data sets, only the folder of the manifest is searched, because others contain a user's files.
    """
    folders = dict.fromkeys(template.below.split("/")[0] for template in templates)
    abandoned = [path for folder in folders for path in _abandoned(root / folder, 2 if folder == "RAW" else None)]
    leftovers = {
        "half-written": [path for path in abandoned if is_abandoned(path)],
        "checksums of nothing": [path for path in abandoned if not is_abandoned(path)],
        "tuning": [path for path in _entries(root) if path.name.startswith(TUNING)],
    }
    return {kind: paths for kind, paths in leftovers.items() if paths}


def _abandoned(folder: Path, depth: int | None) -> list[Path]:
    abandoned: list[Path] = []
    for path in _entries(folder):
        if is_abandoned(path) or _is_orphaned_checksum(path):
            abandoned.append(path)
        elif depth != 1 and path.is_dir() and not path.is_symlink():
            abandoned += _abandoned(path, depth and depth - 1)
    return abandoned


def _is_orphaned_checksum(path: Path) -> bool:
    name = re.fullmatch(r"\.(.+)\.sha256", path.name)
    return name is not None and not os.path.lexists(path.with_name(name[1])) and path.is_file()


def dead_warm_folders() -> list[Path]:
    """Return the folders of this user's warm processes that ended without removing them."""
    return [path for path in _entries(Path(tempfile.gettempdir())) if WARM.fullmatch(path.name) and _is_dead(path)]


def _is_dead(folder: Path) -> bool:
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return False
        with open(folder / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not (folder / "socket").exists():
                return time.time() - folder.stat().st_mtime > STARTING
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(folder / "socket"))
            return False
    except ConnectionRefusedError:
        return True
    except OSError:
        return False


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
