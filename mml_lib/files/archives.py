"""Archives: zip and tar files are unpacked whole or not at all, and nothing leaves the folder they are unpacked to.

The standard library unpacks; names, kinds and sizes of members are checked before.
"""

import bz2
import contextlib
import fcntl
import glob
import gzip
import lzma
import os
import posixpath
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from mml_lib.errors import MMLError

MEMBERS = 10_000_000
"""Files, folders and links that an archive may hold."""

DEPTH = 100
"""Folders that may lie inside each other."""

RATIO = 1000
"""Bytes that a byte of an archive may unpack to, where no limit is given."""

SMALL = 2**30
"""Bytes that even a small archive may unpack to, where no limit is given."""

CHUNK = 2**18
"""Bytes read at once."""

HEADER = 2**24
"""Bytes that the header of a tar member may take: `tarfile` reads them into memory at once."""

_ZIP = (".zip",)
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_OTHERS = (".zst", ".7z", ".rar", ".lz", ".lz4", ".lzma", ".z")
_OPENERS: Mapping[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_DAMAGE = (
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,  # a method of compression
    RecursionError,
    ValueError,
    OverflowError,
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def is_archive(path: Path) -> bool:
    """Return True for a zip or tar archive: by its name, or by its content if the name has no suffix.

    Raises:
        MMLError: it is named like an archive of another kind.
    """
    if path.name.lower().endswith(_OTHERS):
        raise _unknown(path)
    return _unpacker(path) is not None


def extract(archive: Path, folder: Path, limit: int | None = None) -> None:
    """Unpack a zip or tar archive into a new or empty `folder`, which appears whole or not at all.

    Clutter of macOS (``__MACOSX/``, ``.DS_Store``, ``._*``) is left out. Links become hard links to their files.

    Args:
        archive: its name says whether it is a zip or a tar file.
        folder: where its members go.
        limit: bytes that its files may take together. Default: the free space of the disk, but at most 1000 times the
            size of the archive, or 1 GiB if that is more.

    Raises:
        MMLError: the archive is damaged or too large, or has a member that would lie outside `folder` or is no file.
    """
    if (unpack := _unpacker(archive)) is None:
        raise _unknown(archive)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise MMLError(f"{archive} cannot be unpacked to {folder}, which is not empty")
    try:
        with _make_whole(folder) as root:
            unpack(root, _Members(archive, _default_limit(archive, root) if limit is None else limit))
            _set_modes(root)
    except _DAMAGE as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno is None:  # gzip and bz2 report damage so
            raise _damaged(archive, error) from error
        raise MMLError(f"{archive} cannot be unpacked to {folder} ({error.strerror})") from error


def _unpacker(archive: Path) -> Callable[[Path, "_Members"], None] | None:
    name, bare = archive.name.lower(), not archive.suffix
    with contextlib.suppress(*_DAMAGE, OSError):  # of a file that is something else
        if name.endswith(_ZIP) or (bare and zipfile.is_zipfile(archive)):
            return _unpack_zip
        if name.endswith(_TAR) or (bare and tarfile.is_tarfile(archive)):
            return _unpack_tar
    return None


def _unknown(path: Path) -> MMLError:
    return MMLError(f"{path} is no archive that can be unpacked; those are {', '.join(_ZIP + _TAR)}")


def _damaged(archive: Path, error: Exception) -> MMLError:
    return MMLError(f"{archive} is damaged or cut off ({str(error) or type(error).__name__}); fetch it again")


def _default_limit(archive: Path, root: Path) -> int:
    return min(shutil.disk_usage(root).free, max(SMALL, RATIO * archive.stat().st_size))


@contextlib.contextmanager
def _make_whole(folder: Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of `folder` at the end; if the block fails, nothing is left."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}.unpack-"
    _remove_leftovers(folder.parent, prefix)
    beside = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    held = os.open(beside, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems have no locks for folders
            fcntl.flock(held, fcntl.LOCK_EX)
        root = beside / "whole"
        root.mkdir(0o755)
        yield root
        os.rename(root, folder)
    finally:
        shutil.rmtree(beside)
        os.close(held)


def _remove_leftovers(parent: Path, prefix: str) -> None:
    """Remove unfinished folders of killed processes, whose locks nobody holds any more."""
    for beside in parent.glob(f"{glob.escape(prefix)}*"):
        with contextlib.suppress(OSError):
            held = os.open(beside, os.O_RDONLY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(beside)
            finally:
                os.close(held)


class _Members:
    """Checks of an archive's members.

    Args:
        archive: path, for errors.
        limit: bytes that the files may take together.
    """

    def __init__(self, archive: Path, limit: int):
        self.archive = archive
        self.limit = limit
        self.size = 0
        self.number = 0

    def refuse(self, name: str, why: str) -> NoReturn:
        raise MMLError(f"{self.archive} is not unpacked: its member {name!r} {why}")

    def path(self, name: str) -> str:
        """Return the path of a member below the folder, empty for the folder itself."""
        self.number += 1
        if self.number > MEMBERS:
            raise MMLError(f"{self.archive} is not unpacked: it holds more than {MEMBERS} members")
        if "\\" in name or "\0" in name:
            self.refuse(name, "has a backslash or a zero byte in its name")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or (parts and re.match("[A-Za-z]:", parts[0])):
            self.refuse(name, "would lie outside")
        if len(parts) > DEPTH:
            self.refuse(name[:50], f"lies in more than {DEPTH} folders")
        return "/".join(parts)

    def count(self, size: int) -> None:
        """Add the declared size of a file, which bounds what the standard library writes."""
        self.size += size
        if self.size > self.limit:
            raise MMLError(f"{self.archive} is not unpacked: its files take more than {self.limit} bytes")

    @contextlib.contextmanager
    def placed(self, root: Path, path: str, is_folder: bool) -> Iterator[None]:
        """Refuse a member whose path is both a file and a folder."""
        try:
            yield
            clash = (root / path).is_dir() != is_folder
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            clash = True
        if clash:
            self.refuse(path, "is both a file and a folder")


def _is_clutter(path: str) -> bool:
    """Return True for files that macOS adds to archives, and for the folder itself."""
    parts = path.split("/")
    return not path or "__MACOSX" in parts or parts[-1] == ".DS_Store" or parts[-1].startswith("._")


def _unpack_zip(root: Path, members: _Members) -> None:
    with zipfile.ZipFile(members.archive) as zipped:
        for info in zipped.infolist():
            path = members.path(info.orig_filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.flag_bits & 0x1:
                members.refuse(info.filename, "is encrypted")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                members.refuse(info.filename, "is a link, a device or a pipe")
            if _is_clutter(path):
                continue
            is_folder = info.is_dir() or kind == stat.S_IFDIR
            info.filename = f"{path}/" if is_folder else path
            members.count(info.file_size)
            with members.placed(root, path, is_folder):
                zipped.extract(info, root)
            size = (root / path).stat().st_size
            if not is_folder and size != info.file_size:
                raise EOFError(f"member {path!r} has {size} bytes, not {info.file_size}")


def _unpack_tar(root: Path, members: _Members) -> None:
    links: dict[str, str] = {}
    with contextlib.closing(_Forward(members.archive)) as stream:
        tar = tarfile.open(fileobj=stream, mode="r:")  # type: ignore[call-overload]  # a file that is only read
        while (member := tar.next()) is not None:
            tar.members.clear()  # each would stay in memory
            path = members.path(member.name)
            if member.issym() or member.islnk():
                links[path] = _target(member, path, members)
            elif not (member.isdir() or member.isreg()):
                members.refuse(member.name, "is a device or a pipe")
            elif not _is_clutter(path):
                members.count(member.size)
                member.name = path
                with members.placed(root, path, member.isdir()):
                    tar.extract(member, root, set_attrs=False, filter="data")
        stream.finish()
    _add_links(links, root, members)


def _target(member: tarfile.TarInfo, path: str, members: _Members) -> str:
    """Return the target of a link below the root: hard links start at the root, symbolic ones at their folder."""
    link = member.linkname
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link) if member.issym() else link)
    if link.startswith("/") or target.split("/")[0] == "..":
        members.refuse(member.name, f"is a link that leads outside, to {link!r}")
    return target


def _add_links(links: dict[str, str], root: Path, members: _Members) -> None:
    """Make hard links, or copies where the file system has none, so that no path below the root leads out of it."""
    for path, target in links.items():
        if _is_clutter(path):
            continue
        for _ in range(40):  # as many links in a row as Linux follows
            target = links.get(target, target)
        source, link = root / target, root / path
        if not source.is_file():
            members.refuse(path, "is a link to something else than a file of the archive")
        if link.exists():
            members.refuse(path, "is both a link and something else")
        with members.placed(root, path, is_folder=False):
            link.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, link)
            except OSError:
                members.count(source.stat().st_size)
                shutil.copyfile(source, link)


def _set_modes(root: Path) -> None:
    for folder, folders, files in os.walk(root):
        for names, mode in ((folders, 0o755), (files, 0o644)):
            for name in names:
                os.chmod(os.path.join(folder, name), mode)


class _Forward:
    """Decompressed bytes of a tar file, read once from the first to the last, so that damage anywhere is noticed."""

    def __init__(self, archive: Path):
        with open(archive, "rb") as file:
            magic = file.read(6)
        opener = next((opener for start, opener in _OPENERS.items() if magic.startswith(start)), open)
        self.file = opener(archive, "rb")
        self.position = 0
        self.last = b""

    def read(self, size: int) -> bytes:
        if size > HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self.last = self.file.read(size)
        self.position += len(self.last)
        return self.last

    def tell(self) -> int:
        return self.position

    def seek(self, position: int) -> None:
        if position < self.position:
            raise tarfile.ReadError("its members overlap")
        while self.position < position:
            if not self.read(min(CHUNK, position - self.position)):
                raise tarfile.ReadError("unexpected end of data")

    def finish(self) -> None:
        """Check that it ends with its two blocks of zeros (tarfile also stops at a bad header), and as compressed."""
        end = bytes(tarfile.BLOCKSIZE)
        if self.last != end or self.read(len(end)) != end:
            raise tarfile.ReadError("its end is missing")
        while self.read(CHUNK):
            pass

    def close(self) -> None:
        self.file.close()
