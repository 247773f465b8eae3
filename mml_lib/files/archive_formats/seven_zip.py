"""7z archives, by the package py7zr."""

from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.files.archive_formats.members import Members, check_size, is_clutter


def unpack_seven_zip(root: Path, members: Members) -> None:
    """Unpack a 7z archive into a folder.

    Raises:
        MMLError: py7zr is missing, a member is refused, the archive is damaged or the password is wrong.
    """
    py7zr = members.library("py7zr", "7z")
    try:
        with py7zr.SevenZipFile(members.archive, password=members.password) as archive:
            if archive.needs_password():
                members.stated_password(members.archive.name)
            files = _checked(archive, members)
            if files:
                archive.extract(path=root, targets=list(files))
        for path, size in files.values():
            check_size(root, path, size)
    except (MMLError, EOFError):
        raise
    except py7zr.exceptions.PasswordRequired:
        members.stated_password(members.archive.name)
        raise
    except OSError as error:
        if error.errno is not None or members.password is None:
            raise
        raise members.wrong_password() from error
    except Exception as error:  # py7zr and its decoders raise errors of any type
        if members.password is not None:
            raise members.wrong_password() from error
        raise EOFError(str(error) or type(error).__name__) from error


def _checked(archive: Any, members: Members) -> dict[str, tuple[str, int]]:
    """Check all members; return path and size of each file to unpack, by its name in the archive."""
    files: dict[str, tuple[str, int]] = {}
    folders: set[str] = set()
    for info in archive.files:
        path = members.path(info.filename)
        if info.is_symlink or info.is_junction or info.is_socket:
            members.refuse(info.filename, "is a link, a device or a pipe")
        if info.is_directory:
            folders.add(path)
        elif not is_clutter(path):
            members.count(info.uncompressed)
            if info.filename in files:
                members.refuse(info.filename, "appears twice")
            files[info.filename] = (path, info.uncompressed)
    for path, _ in files.values():
        if path in folders:
            members.refuse(path, "is both a file and a folder")
    return files
