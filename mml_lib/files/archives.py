"""Archives: zip and tar files are unpacked whole or not at all, and nothing gets out of the folder they are given."""

import bz2
import contextlib
import fcntl
import glob
import gzip
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NoReturn

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
"""Bytes copied at once."""

HEADER = 2**24
"""Bytes that the header of a tar member may take: they are read into memory at once."""

_ZIP = (".zip",)
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_OTHERS = (".zst", ".7z", ".rar", ".lz", ".lz4", ".lzma", ".z")
_OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
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

_Parts = tuple[str, ...]


def has_archive_name(path: Path) -> bool:
    """Tell whether a file is named like a zip or tar archive.

    Raises:
        MMLError: it is named like an archive of another kind.
    """
    if path.name.lower().endswith(_OTHERS):
        raise MMLError(f"{path.name} is no archive that can be unpacked; those are {', '.join(_ZIP + _TAR)}")
    return path.name.lower().endswith((*_ZIP, *_TAR))


def is_archive(path: Path) -> bool:
    """Tell whether a file is a zip or tar archive, by its name and its content; ``.npz`` and single ``.gz`` are not."""
    try:
        if (path.name.lower().endswith(_ZIP) or not path.suffix) and zipfile.is_zipfile(path):
            return True
        return (path.name.lower().endswith(_TAR) or not path.suffix) and tarfile.is_tarfile(path)
    except (*_DAMAGE, OSError):
        return False


def extract(archive: Path, folder: Path, limit: int | None = None) -> None:
    """Unpack a zip or tar archive into a new or empty `folder`, which appears whole or not at all.

    What macOS adds (``__MACOSX/``, ``.DS_Store``, ``._*``) is left out; links become hard links to the files they mean.

    Args:
        archive: its name says whether it is a zip or a tar file.
        folder: where its members go.
        limit: bytes that its files may take together; by default what is free on the disk, but no more than 1000 times
            the size of the archive or 1 GiB, whichever is more.

    Raises:
        MMLError: the archive is damaged, cut off, too large, or holds what would lie outside `folder` or is no file.
    """
    unpack = _unpacker(archive)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise MMLError(f"{archive} cannot be unpacked to {folder}, where something is already")
    try:
        with _make_whole(folder) as root:
            unpack(archive, _Tree(archive, root, _default_limit(archive, root) if limit is None else limit))
    except _DAMAGE as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno is None:  # so gzip and bz2 speak of damage
            raise _damaged(archive, error) from error
        raise MMLError(f"{archive} cannot be unpacked to {folder} ({error.strerror})") from error


def _unpacker(archive: Path) -> Callable[[Path, "_Tree"], None]:
    if archive.name.lower().endswith(_ZIP):
        return _unpack_zip
    if archive.name.lower().endswith(_TAR):
        return _unpack_tar
    if not archive.suffix and zipfile.is_zipfile(archive):
        return _unpack_zip
    if not archive.suffix and tarfile.is_tarfile(archive):
        return _unpack_tar
    raise MMLError(f"{archive} is no archive that can be unpacked; those are {', '.join(_ZIP + _TAR)}")


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
    """Remove what killed processes left half unpacked: nobody holds the lock of it any more."""
    for beside in parent.glob(f"{glob.escape(prefix)}*"):
        with contextlib.suppress(OSError):
            held = os.open(beside, os.O_RDONLY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(beside)
            finally:
                os.close(held)


class _Tree:
    """The folder that an archive is unpacked to: it takes only what stays inside and within the limits.

    It never holds a symbolic link, so a path below its root cannot lead out of it.
    """

    def __init__(self, archive: Path, root: Path, limit: int):
        self.archive = archive
        self.root = root
        self.limit = limit
        self.size = 0
        self.members = 0

    def refuse(self, name: str, why: str) -> NoReturn:
        raise MMLError(f"{self.archive} is not unpacked: its member {name!r} {why}")

    def parts(self, name: str) -> _Parts:
        """Return the folders and the file that the name of a member consists of."""
        self.members += 1
        if self.members > MEMBERS:
            raise MMLError(f"{self.archive} is not unpacked: it holds more than {MEMBERS} members")
        if "\\" in name or "\0" in name:
            self.refuse(name, "has a backslash or a zero byte in its name")
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if name.startswith("/") or ".." in parts or (parts and re.match("[A-Za-z]:", parts[0])):
            self.refuse(name, "would lie outside")
        if len(parts) > DEPTH:
            self.refuse(name[:50], f"lies in more than {DEPTH} folders")
        return parts

    def add_folder(self, parts: _Parts) -> None:
        try:
            self.root.joinpath(*parts).mkdir(0o755, parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            self.refuse("/".join(parts), "is both a file and a folder")

    def add_file(self, parts: _Parts, source: IO[bytes], size: int) -> None:
        """Write a member of the declared size; of members with the same name the last stays, as with tar."""
        path = self.root.joinpath(*parts)
        if path.is_dir():
            self.refuse("/".join(parts), "is both a file and a folder")
        self.add_folder(parts[:-1])
        path.unlink(missing_ok=True)
        written = 0
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
            while chunk := source.read(CHUNK):
                written += len(chunk)
                self.size += len(chunk)
                if self.size > self.limit:
                    raise MMLError(f"{self.archive} is not unpacked: its files take more than {self.limit} bytes")
                file.write(chunk)
        if written != size:
            raise EOFError(f"member {'/'.join(parts)!r} has {written} bytes, not {size}")

    def add_link(self, parts: _Parts, target: _Parts) -> None:
        """Make a file known by another name: as a hard link, or as a copy where the file system has none."""
        path, meant = self.root.joinpath(*parts), self.root.joinpath(*target)
        if not meant.is_file():
            self.refuse("/".join(parts), "is a link to something else than a file of the archive")
        if path.exists():
            self.refuse("/".join(parts), "is both a link and something else")
        self.add_folder(parts[:-1])
        try:
            os.link(meant, path)
        except OSError:
            with open(meant, "rb") as source:
                self.add_file(parts, source, meant.stat().st_size)


def _is_clutter(parts: _Parts) -> bool:
    """Tell what macOS adds to archives; the root itself needs no unpacking either."""
    return not parts or "__MACOSX" in parts or parts[-1] == ".DS_Store" or parts[-1].startswith("._")


def _unpack_zip(archive: Path, tree: _Tree) -> None:
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            parts = tree.parts(info.orig_filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.flag_bits & 0x1:
                tree.refuse(info.filename, "is encrypted")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                tree.refuse(info.filename, "is a link, a device or a pipe")
            if _is_clutter(parts):
                continue
            if info.is_dir() or kind == stat.S_IFDIR:
                tree.add_folder(parts)
                continue
            with zipped.open(info) as source:
                tree.add_file(parts, source, info.file_size)


def _unpack_tar(archive: Path, tree: _Tree) -> None:
    links: dict[_Parts, _Parts] = {}
    with contextlib.closing(_Forward(archive)) as stream:
        tar = tarfile.open(fileobj=stream, mode="r:")
        while (member := tar.next()) is not None:
            tar.members.clear()  # each would stay in memory
            parts = tree.parts(member.name)
            _filter(member, tree)
            if member.issym() or member.islnk():
                links[parts] = _target(member, parts, tree)
            elif not (member.isdir() or member.isreg()):
                tree.refuse(member.name, "is a device or a pipe")
            elif not _is_clutter(parts):
                _unpack_member(tar, member, parts, tree)
        stream.finish()
    _add_links(links, tree)


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, parts: _Parts, tree: _Tree) -> None:
    if member.isdir():
        tree.add_folder(parts)
    else:
        tree.add_file(parts, tar.extractfile(member), member.size)


def _filter(member: tarfile.TarInfo, tree: _Tree) -> None:
    """Ask the standard library for its opinion too; before 3.11.4 it has none."""
    if hasattr(tarfile, "data_filter"):
        try:
            tarfile.data_filter(member, str(tree.root))
        except tarfile.FilterError as error:
            tree.refuse(member.name, f"is unsafe ({error})")


def _target(member: tarfile.TarInfo, parts: _Parts, tree: _Tree) -> _Parts:
    """Return what a link means, from the root: hard links are written so, symbolic ones begin where they lie."""
    link = member.linkname
    meant = list(parts[:-1]) if member.issym() else []
    for part in link.split("/"):
        if link.startswith("/") or (part == ".." and not meant):
            tree.refuse(member.name, f"is a link that leads outside, to {link!r}")
        elif part == "..":
            meant.pop()
        elif part not in ("", "."):
            meant.append(part)
    return tuple(meant)


def _add_links(links: dict[_Parts, _Parts], tree: _Tree) -> None:
    for parts, target in links.items():
        if _is_clutter(parts):
            continue
        for _ in range(40):  # as many links in a row as Linux follows
            target = links.get(target, target)
        tree.add_link(parts, target)


class _Forward:
    """The bytes of a tar file, decompressed, read from the first to the last: so damage anywhere is noticed."""

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
