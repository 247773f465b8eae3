"""Existing files that take the place of a download if they have its checksum."""

import hashlib
import os
import shutil
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_whole
from mml_lib.files.downloads import expected_digest, fits_name, write_pin


def adopt(file: Path, path: Path, checksum: str, origin: str) -> None:
    """Put a file in the place of a download, as a hard link if possible. The file stays.

    Args:
        file: the file.
        path: path of the download.
        checksum: checksum as in `download`.
        origin: origin of the file, for errors and for the record of a first download.

    Raises:
        MMLError: the file has another checksum, or has the name of an archive but is not one.
    """
    algorithm, expected, pin = expected_digest(path, checksum.lower())
    try:
        with open(file, "rb") as content:
            digest = hashlib.file_digest(content, algorithm).hexdigest()
    except OSError as error:
        raise MMLError(f"{file} cannot be read ({error.strerror})") from error
    if digest != (expected or digest):
        name = "MD5" if algorithm == "md5" else "SHA-256"
        first = f" (of the first download, in {pin})" if pin else ""
        raise MMLError(
            f"{file} has the {name} {digest}, not {expected}{first}; fetch it again from {origin}, or correct "
            "the checksum"
        )
    if pin and not expected and not fits_name(file, path.name):
        raise MMLError(
            f"{file} is not a complete archive, although its name ends like one; fetch it again from {origin}"
        )
    with write_whole(path) as beside:
        try:
            os.link(file, beside)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(file, beside)
    if pin and not expected:
        write_pin(pin, origin, digest)
