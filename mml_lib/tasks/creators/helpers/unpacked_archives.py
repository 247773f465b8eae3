"""Archives for creators in plugins."""

import os
import shutil
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.files.archives import extract


def unpack_archive(
    archive: str | Path, folder: str | Path, nested: bool = False, password_variable: str | None = None
) -> Path:
    """Unpack an archive; return the absolute folder.

    It reads `zip`, `tar` and its compressed forms; `7z`, `rar` and encrypted `zip` files by the extra `mml[archives]`.
    The folder appears whole or not at all, and what an interrupted run left there is replaced.

    Args:
        archive: the file; `~` is the home folder.
        folder: folder to make, below that of the data set.
        nested: unpack archives inside it too, `x.zip` into the folder `x`, and single compressed files.
        password_variable: environment variable with the password.

    Raises:
        MMLError: the archive is missing, damaged, unsafe or too large, the package for its kind is missing, or the
            password is.

    Example:
        >>> files = unpack_archive("/data/scans.7z", folder / "files", password_variable="SCANS_PASSWORD")
    """
    path, target = Path(archive).expanduser().absolute(), Path(folder).absolute()
    if not path.is_file():
        raise MMLError(f"the archive {path} does not exist")
    password = None
    if password_variable is not None and (password := os.environ.get(password_variable)) is None:
        raise MMLError(f"the environment variable {password_variable}, for the password of {path}, is not set")
    shutil.rmtree(target, ignore_errors=True)
    extract(path, target, password=password, nested=nested)
    return target
