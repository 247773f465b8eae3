"""Single compressed files: `x.csv.gz` becomes `x.csv`."""

import bz2
import gzip
import lzma
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mml_lib.files.archive_formats.members import CHUNK, Members

OPENERS: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

READ_COMPRESSED = (".nii.gz",)
"""Compressed files that readers of images decompress themselves."""


def is_compressed(path: Path) -> bool:
    """Return True for a single compressed file, by its name."""
    name = path.name.lower()
    return path.suffix.lower() in OPENERS and not name.endswith(READ_COMPRESSED)


def decompress(target: Path, members: Members) -> None:
    """Write the content of a compressed file.

    Args:
        target: file to write.
        members: checks of the compressed file, whose bytes count like those of an archive.

    Raises:
        MMLError: the content is larger than the limit.
    """
    opener = OPENERS[members.archive.suffix.lower()]
    with opener(members.archive, "rb") as source, open(target, "xb") as copy:
        while chunk := source.read(CHUNK):
            members.count(len(chunk))
            copy.write(chunk)
