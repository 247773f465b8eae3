"""Unpacking of downloads to the folder that a creator reads."""

import filecmp
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.files.archives import extract, is_archive, unpack_nested

UNPACKED = "files"
"""Folder of a data set's unpacked downloads."""


@dataclass(frozen=True)
class Unpacking:
    """Options of a download for unpacking.

    Args:
        nested: True to unpack archives inside it, and single compressed files.
        password_variable: environment variable with the password of encrypted members.
    """

    nested: bool = False
    password_variable: str | None = None

    @property
    def password(self) -> str | None:
        """Password of encrypted members. No file contains it.

        Raises:
            MMLError: the variable is not set.
        """
        if self.password_variable is None:
            return None
        if (password := os.environ.get(self.password_variable)) is None:
            raise MMLError(f"the environment variable {self.password_variable}, for a password, is not set")
        return password


def unpack(
    downloads: Sequence[str | Path], folder: Path, options: Mapping[str, Mapping[str, Any]] | None = None
) -> Path:
    """Unpack archives and copy other files into one folder, and return it.

    The folder appears whole or not at all. It replaces the result of an interrupted run.

    Args:
        downloads: downloaded files, each in a folder named by its checksum.
        folder: new folder.
        options: arguments of `Unpacking` by checksum; defaults for other downloads.

    Raises:
        MMLError: an archive is damaged or unsafe, a password is wrong or missing, or two downloads hold different files
            of the same name.
    """
    beside, extracted = (folder.with_name(f".{folder.name}.{part}") for part in ("part", "archive.part"))
    for old in (beside, extracted, folder):
        shutil.rmtree(old, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        for download in map(Path, downloads):
            unpacking = Unpacking(**(options or {}).get(download.parent.name, {}))
            if is_archive(download):
                extract(download, extracted, password=unpacking.password, nested=unpacking.nested)
                _merge(extracted, beside, download)
            elif unpacking.nested:
                extracted.mkdir()
                shutil.copyfile(download, extracted / download.name)
                unpack_nested(extracted, str(download.parent), unpacking.password)
                _merge(extracted, beside, download)
            else:
                _refuse_existing(beside / download.name, download)
                _link_or_copy(download, beside / download.name)
        os.replace(beside, folder)
    finally:
        for part in (beside, extracted):
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _merge(source: Path, target: Path, download: Path) -> None:
    """Move all below `source` to `target`. Folders of the same name are merged, as are files of equal content."""
    for entry in list(source.iterdir()):
        place = target / entry.name
        if entry.is_dir() and place.is_dir():
            _merge(entry, place, download)
        elif entry.is_file() and place.is_file() and filecmp.cmp(entry, place, shallow=False):
            entry.unlink()  # a licence that each part contains
        else:
            _refuse_existing(place, download)
            entry.rename(place)
    source.rmdir()


def _refuse_existing(place: Path, download: Path) -> None:
    if place.exists():
        raise MMLError(
            f"{download.name} contains {place.name}, as does another download, with other content; make separate tasks"
        )


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
