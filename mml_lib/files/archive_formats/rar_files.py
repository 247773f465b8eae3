"""Rar archives, by the package rarfile and a program that decompresses them."""

import shutil
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.files.archive_formats.members import CHUNK, Members, check_size, is_clutter

PROGRAMS = "unrar, unar, 7z or bsdtar"
"""Programs that rarfile uses to decompress members. Uncompressed members need none."""


def unpack_rar(root: Path, members: Members) -> None:
    """Unpack a rar archive into a folder.

    Raises:
        MMLError: rarfile or the program is missing, a member is refused, the archive is damaged or the password is
            wrong.
    """
    rarfile = members.library("rarfile", "rar")
    try:
        with rarfile.RarFile(members.archive, errors="strict") as archive:
            if archive.needs_password():
                archive.setpassword(members.stated_password(members.archive.name))
            for info in archive.infolist():
                _unpack_member(root, members, archive, info)
    except rarfile.RarCannotExec as error:
        raise MMLError(f"{members.name}: rar needs a program that decompresses; install {PROGRAMS}") from error
    except rarfile.RarWrongPassword as error:
        raise members.wrong_password() from error
    except rarfile.Error as error:
        if members.password is not None:
            raise members.wrong_password() from error
        raise EOFError(str(error) or type(error).__name__) from error


def _unpack_member(root: Path, members: Members, archive, info) -> None:
    path = members.path(info.filename)
    if not (info.is_dir() or info.is_file()):
        members.refuse(info.filename, "is a link, a device or a pipe")
    if is_clutter(path):
        return
    with members.placed(root, path, info.is_dir()):
        target = root / path
        if info.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            return
        members.count(info.file_size)
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, open(target, "xb") as copy:
            shutil.copyfileobj(source, copy, CHUNK)
    check_size(root, path, info.file_size)
