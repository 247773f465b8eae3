"""State of new images: a digest that changes with their files. Planning imports this module, which needs no NumPy."""

import os
from pathlib import Path

from mml_lib.deployment.image_tables import images_of_table
from mml_lib.errors import MMLError
from mml_lib.files.archives import is_archive
from mml_lib.pipelines.digests import digest
from mml_lib.tasks.creators.file_kinds import SUFFIXES, has_preamble, may_be_dicom, suffix_of
from mml_lib.tasks.creators.folders.walking import ImageTree


def state_of_images(path: Path) -> str:
    """Return a digest of names, sizes and times of change of all files of new images.

    Args:
        path: a folder, a table (CSV, TSV), an archive or an image file.

    Raises:
        MMLError: the path does not exist, or contains no image.
    """
    if path.is_dir():
        files = [Path(entry.path) for entry in ImageTree(path).images(path)]
        if not files:
            raise MMLError(f"apply.images: the folder {path} has no image files; set a folder with images")
        return digest([[str(file.relative_to(path)), *_state(file)] for file in files])
    if not path.exists():
        near = f"; {path.parent} does not exist either" if not path.parent.is_dir() else ""
        raise MMLError(f"apply.images: there is no folder or file {path}{near}; correct the path")
    if path.suffix.lower() in (".csv", ".tsv"):
        rows = images_of_table(path)
        return digest([_state(path), [[row.id, *_state(_whole(row.content))] for row in rows]])
    is_image = suffix_of(path.name) in SUFFIXES or (may_be_dicom(suffix_of(path.name)) and has_preamble(str(path)))
    if not is_image and not is_archive(path):
        raise MMLError(f"apply.images: {path} is not an image, table or archive; set one of these, or a folder")
    return digest([path.name, *_state(path)])


def _whole(file: Path) -> Path:
    """Return the file of a frame such as `heart.dcm#3`."""
    return file if file.exists() else Path(str(file).rpartition("#")[0])


def _state(file: Path) -> list[int]:
    state = os.stat(file)
    return [state.st_size, state.st_mtime_ns]
