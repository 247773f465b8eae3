"""Checks of an archive's members: names, kinds and sizes, before anything is written."""

import contextlib
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from mml_lib.errors import MMLError

MEMBERS = 10_000_000
"""Largest number of files, folders and links in an archive."""

DEPTH = 100
"""Largest number of nested folders."""

CHUNK = 2**18
"""Number of bytes read at once."""

EXTRA = 'pip install "mml[archives]"'
"""Command that installs the packages of further formats."""


@dataclass
class Budget:
    """Limits of an archive, including the archives inside it, and what was counted so far.

    Args:
        limit: largest total size of the files in bytes.
        size: total size of the files so far, in bytes.
        number: number of members so far.
    """

    limit: int
    size: int = 0
    number: int = 0


class Members:
    """Checks of an archive's members.

    Args:
        archive: path of the archive.
        budget: limits, shared with archives inside this one.
        name: name in errors; empty: the path.
        password: password of encrypted members.
    """

    def __init__(self, archive: Path, budget: Budget, name: str = "", password: str | None = None):
        self.archive = archive
        self.budget = budget
        self.name = name or str(archive)
        self.password = password

    def within(self, archive: Path, name: str) -> "Members":
        """Return the checks of an archive inside this one."""
        return Members(archive, self.budget, f"{self.name}/{name}", self.password)

    def refuse(self, member: str, why: str) -> NoReturn:
        """Refuse a member.

        Raises:
            MMLError: always.
        """
        raise MMLError(f"{self.name} is not unpacked: its member {member!r} {why}")

    def path(self, name: str) -> str:
        """Return the path of a member below the target folder; empty for this folder itself.

        Raises:
            MMLError: the path leads outside the folder, or there are too many members.
        """
        self.budget.number += 1
        if self.budget.number > MEMBERS:
            raise MMLError(f"{self.name} is not unpacked: it contains more than {MEMBERS} members")
        if "\\" in name or "\0" in name:
            self.refuse(name, "has a backslash or a zero byte in its name")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or (parts and re.match("[A-Za-z]:", parts[0])):
            self.refuse(name, "would lie outside the target folder")
        if len(parts) > DEPTH:
            self.refuse(name[:50], f"lies in more than {DEPTH} folders")
        return "/".join(parts)

    def count(self, size: int) -> None:
        """Add the declared size of a file in bytes. No more bytes are written than declared.

        Raises:
            MMLError: the files are larger than the limit.
        """
        self.budget.size += size
        if self.budget.size > self.budget.limit:
            raise MMLError(f"{self.name} is not unpacked: its files take more than {self.budget.limit} bytes")

    def stated_password(self, member: str) -> str:
        """Return the password of an encrypted member.

        Raises:
            MMLError: the download has no password.
        """
        if self.password is None:
            self.refuse(member, "is encrypted; set the key password of the download")
        return self.password

    def wrong_password(self) -> MMLError:
        """Return the error of a password that does not decrypt the members."""
        return MMLError(f"{self.name} is not unpacked: the password is wrong, or the archive is damaged")

    def library(self, name: str, kind: str) -> ModuleType:
        """Import the package that reads a kind of archives.

        Raises:
            MMLError: the package is not installed.
        """
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise MMLError(f"{self.name}: {kind} needs the package {name}; install it by {EXTRA}") from error

    @contextlib.contextmanager
    def placed(self, root: Path, path: str, is_folder: bool) -> Iterator[None]:
        """Unpack a member in the block, and refuse a path that is both a file and a folder.

        Raises:
            MMLError: the path is both.
        """
        try:
            yield
            clash = (root / path).is_dir() != is_folder
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            clash = True
        if clash:
            self.refuse(path, "is both a file and a folder")


def is_clutter(path: str) -> bool:
    """Return True for files that macOS adds to archives, and for the empty path."""
    parts = path.split("/")
    return not path or "__MACOSX" in parts or parts[-1] == ".DS_Store" or parts[-1].startswith("._")


def check_size(root: Path, path: str, size: int) -> None:
    """Refuse a file whose size differs from the declared size.

    Raises:
        EOFError: the file has another size.
    """
    actual = (root / path).stat().st_size
    if actual != size:
        raise EOFError(f"member {path!r} has {actual} bytes, not {size}")
