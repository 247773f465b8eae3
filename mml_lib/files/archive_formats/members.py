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
"""Files, folders and links that an archive may hold."""

DEPTH = 100
"""Folders that may lie inside each other."""

CHUNK = 2**18
"""Bytes read at once."""

EXTRA = 'pip install "mml[archives]"'
"""Command that installs the libraries of further formats."""


@dataclass
class Budget:
    """Bytes and members that an archive may hold, those of archives inside it included.

    Args:
        limit: bytes that the files may take together.
        size: bytes counted so far.
        number: members counted so far.
    """

    limit: int
    size: int = 0
    number: int = 0


class Members:
    """Checks of an archive's members.

    Args:
        archive: path of the archive.
        budget: bytes and members that are left, shared with archives inside it.
        name: name in errors; unset: the path.
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
        """Return the path of a member below the folder, empty for the folder itself.

        Raises:
            MMLError: it would lie outside, or there are too many.
        """
        self.budget.number += 1
        if self.budget.number > MEMBERS:
            raise MMLError(f"{self.name} is not unpacked: it holds more than {MEMBERS} members")
        if "\\" in name or "\0" in name:
            self.refuse(name, "has a backslash or a zero byte in its name")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or (parts and re.match("[A-Za-z]:", parts[0])):
            self.refuse(name, "would lie outside")
        if len(parts) > DEPTH:
            self.refuse(name[:50], f"lies in more than {DEPTH} folders")
        return "/".join(parts)

    def count(self, size: int) -> None:
        """Add the declared size of a file, which bounds what is written.

        Raises:
            MMLError: the files take more than the limit.
        """
        self.budget.size += size
        if self.budget.size > self.budget.limit:
            raise MMLError(f"{self.name} is not unpacked: its files take more than {self.budget.limit} bytes")

    def stated_password(self, member: str) -> str:
        """Return the password of an encrypted member.

        Raises:
            MMLError: none is stated.
        """
        if self.password is None:
            self.refuse(member, "is encrypted; state the key password of the download")
        return self.password

    def wrong_password(self) -> MMLError:
        """Return the error for members that the password does not decrypt."""
        return MMLError(f"{self.name} is not unpacked: the password is wrong, or the archive is damaged")

    def library(self, name: str, kind: str) -> ModuleType:
        """Return the library that reads archives of a kind.

        Raises:
            MMLError: it is not installed.
        """
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise MMLError(f"{self.name}: {kind} needs the package {name}: {EXTRA}") from error

    @contextlib.contextmanager
    def placed(self, root: Path, path: str, is_folder: bool) -> Iterator[None]:
        """Refuse a member whose path is both a file and a folder.

        Raises:
            MMLError: it is.
        """
        try:
            yield
            clash = (root / path).is_dir() != is_folder
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            clash = True
        if clash:
            self.refuse(path, "is both a file and a folder")


def is_clutter(path: str) -> bool:
    """Return True for files that macOS adds to archives, and for the folder itself."""
    parts = path.split("/")
    return not path or "__MACOSX" in parts or parts[-1] == ".DS_Store" or parts[-1].startswith("._")


def check_size(root: Path, path: str, size: int) -> None:
    """Refuse a file that is shorter than its archive declares.

    Raises:
        EOFError: it is.
    """
    written = (root / path).stat().st_size
    if written != size:
        raise EOFError(f"member {path!r} has {written} bytes, not {size}")
