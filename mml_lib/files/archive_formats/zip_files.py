"""Zip archives, including encrypted ones."""

import stat
import zipfile
from pathlib import Path
from typing import Any

from mml_lib.files.archive_formats.members import Members, check_size, is_clutter

AES = 99
"""Method of compression that denotes AES encryption, which `zipfile` does not support."""


def unpack_zip(root: Path, members: Members) -> None:
    """Unpack a zip archive into a folder.

    Raises:
        MMLError: a member is refused, or the password is wrong.
    """
    with _opened(members) as zipped:
        for info in zipped.infolist():
            path = members.path(info.orig_filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                members.refuse(info.filename, "is a link, a device or a pipe")
            if is_clutter(path):
                continue
            is_folder = info.is_dir() or kind == stat.S_IFDIR
            info.filename = f"{path}/" if is_folder else path
            members.count(info.file_size)
            with members.placed(root, path, is_folder):
                _extract(zipped, info, root, members)
            if not is_folder:
                check_size(root, path, info.file_size)


def _opened(members: Members) -> Any:
    """Open an archive. AES encryption needs the package pyzipper."""
    zipped = zipfile.ZipFile(members.archive)
    if all(info.compress_type != AES for info in zipped.infolist()):
        return zipped
    zipped.close()
    return members.library("pyzipper", "AES encryption").AESZipFile(members.archive)


def _extract(zipped: Any, info: Any, root: Path, members: Members) -> None:
    if not info.flag_bits & 0x1:
        zipped.extract(info, root)
        return
    password = members.stated_password(info.filename)
    try:
        zipped.extract(info, root, pwd=password.encode())
    except FileExistsError:
        raise
    except Exception as error:  # a wrong password may pass the check byte, so that decompression fails in any way
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise members.wrong_password() from error
