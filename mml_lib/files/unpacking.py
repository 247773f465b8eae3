"""Unpacking: from downloads to the folder that a creator reads."""

import filecmp
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.files.archives import extract, is_archive

UNPACKED = "files"
"""Folder of a data set's unpacked downloads."""


def unpack(downloads: Sequence[str | Path], folder: Path) -> Path:
    """Lay the content of archives, and files that are none, into one folder; return it.

    What an interrupted run left there is replaced. The folder is there whole or not at all.

    Raises:
        MMLError: an archive is damaged or unsafe, or two downloads hold different files of the same name.
    """
    beside, extracted = (folder.with_name(f".{folder.name}.{part}") for part in ("part", "archive.part"))
    for old in (beside, extracted, folder):
        shutil.rmtree(old, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        for download in map(Path, downloads):
            if is_archive(download):
                extract(download, extracted)
                _merge(extracted, beside, download)
            else:
                _refuse_existing(beside / download.name, download)
                _place(download, beside / download.name)
        os.replace(beside, folder)
    finally:
        for part in (beside, extracted):
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _merge(source: Path, target: Path, download: Path) -> None:
    """Move all below `source` to `target`; folders of the same name become one, and so do files of equal content."""
    for entry in list(source.iterdir()):
        place = target / entry.name
        if entry.is_dir() and place.is_dir():
            _merge(entry, place, download)
        elif entry.is_file() and place.is_file() and filecmp.cmp(entry, place, shallow=False):
            entry.unlink()  # a licence, which each part brings
        else:
            _refuse_existing(place, download)
            entry.rename(place)
    source.rmdir()


def _refuse_existing(place: Path, download: Path) -> None:
    if place.exists():
        raise MMLError(
            f"{download.name} holds {place.name}, which another download holds too; make them tasks of their own"
        )


def _place(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
