"""Files that are there already: they take the place of a download if they have its checksum."""

import hashlib
import os
import shutil
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_whole
from mml_lib.files.downloads import expected_digest, fits_name, write_pin


def adopt(file: Path, path: Path, checksum: str, origin: str) -> None:
    """Put a file in the place of a download, as a hard link where that is possible; the file stays.

    Args:
        file: the file.
        path: place of the download.
        checksum: as that of a download.
        origin: where the file came from, for errors and the record of a first download.

    Raises:
        MMLError: it has another checksum, or is no archive although its name says so.
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
            f"{file} has the {name} {digest}, expected is {expected}{first}; fetch it again from {origin}, or correct "
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
