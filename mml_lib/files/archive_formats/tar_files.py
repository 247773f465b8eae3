"""Tar archives, compressed or not."""

import bz2
import contextlib
import gzip
import lzma
import os
import posixpath
import shutil
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mml_lib.files.archive_formats.members import CHUNK, Members, is_clutter

HEADER = 2**24
"""Largest size of a tar member's header in bytes. `tarfile` reads headers into memory at once."""

_OPENERS: Mapping[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


def unpack_tar(root: Path, members: Members) -> None:
    """Unpack a tar archive into a folder; links become hard links to their files.

    Raises:
        MMLError: a member is refused.
    """
    links: dict[str, str] = {}
    with contextlib.closing(_Forward(members.archive)) as stream:
        tar = tarfile.open(fileobj=stream, mode="r:")  # type: ignore[call-overload]  # a file that is only read
        while (member := tar.next()) is not None:
            tar.members.clear()  # otherwise all members stay in memory
            path = members.path(member.name)
            if member.issym() or member.islnk():
                links[path] = _target(member, path, members)
            elif not (member.isdir() or member.isreg()):
                members.refuse(member.name, "is a device or a pipe")
            elif not is_clutter(path):
                members.count(member.size)
                member.name = path
                with members.placed(root, path, member.isdir()):
                    tar.extract(member, root, set_attrs=False, filter="data")
        stream.finish()
    _add_links(links, root, members)


def _target(member: tarfile.TarInfo, path: str, members: Members) -> str:
    """Return the target of a link below the root; hard links are relative to the root, others to their folder."""
    link = member.linkname
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link) if member.issym() else link)
    if link.startswith("/") or target.split("/")[0] == "..":
        members.refuse(member.name, f"is a link that leads outside, to {link!r}")
    return target


def _add_links(links: dict[str, str], root: Path, members: Members) -> None:
    """Replace links by hard links, or by copies on file systems without them, so that no path leads out of the root."""
    for path, target in links.items():
        if is_clutter(path):
            continue
        for _ in range(40):  # Linux follows 40 links in a row
            target = links.get(target, target)
        source, link = root / target, root / path
        if not source.is_file():
            members.refuse(path, "is a link to something other than a file of the archive")
        if link.exists():
            members.refuse(path, "is both a link and something else")
        with members.placed(root, path, is_folder=False):
            link.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, link)
            except OSError:
                members.count(source.stat().st_size)
                shutil.copyfile(source, link)


class _Forward:
    """Decompressed bytes of a tar file, read once from first to last, so that damage anywhere is noticed."""

    def __init__(self, archive: Path):
        with open(archive, "rb") as file:
            magic = file.read(6)
        opener = next((opener for start, opener in _OPENERS.items() if magic.startswith(start)), open)
        self.file = opener(archive, "rb")
        self.position = 0
        self.last_chunk = b""

    def read(self, size: int) -> bytes:
        if size > HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self.last_chunk = self.file.read(size)
        self.position += len(self.last_chunk)
        return self.last_chunk

    def tell(self) -> int:
        return self.position

    def seek(self, position: int) -> None:
        if position < self.position:
            raise tarfile.ReadError("its members overlap")
        while self.position < position:
            if not self.read(min(CHUNK, position - self.position)):
                raise tarfile.ReadError("unexpected end of data")

    def finish(self) -> None:
        """Check that two blocks of zeros end the file, because `tarfile` also stops at a bad header; read the rest."""
        end = bytes(tarfile.BLOCKSIZE)
        if self.last_chunk != end or self.read(len(end)) != end:
            raise tarfile.ReadError("its end is missing")
        while self.read(CHUNK):
            pass

    def close(self) -> None:
        self.file.close()
