"""Unpacking of archives: whole or not at all, and never outside the target folder.

The standard library unpacks zip and tar files. Packages of the extra `archives` unpack 7z, rar and AES-encrypted zip
files. Names, kinds and sizes of members are checked first.
"""

import contextlib
import fcntl
import glob
import lzma
import os
import shutil
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.files.archive_formats.members import Budget, Members
from mml_lib.files.archive_formats.rar_files import unpack_rar
from mml_lib.files.archive_formats.seven_zip import unpack_seven_zip
from mml_lib.files.archive_formats.single_files import decompress, is_compressed
from mml_lib.files.archive_formats.tar_files import unpack_tar
from mml_lib.files.archive_formats.zip_files import unpack_zip

NESTING = 10
"""Largest number of nested archives."""

RATIO = 1000
"""Default limit: unpacked bytes per byte of the archive."""

SMALL = 2**30
"""Default limit of small archives in unpacked bytes."""

_ZIP = (".zip",)
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_SEVEN_ZIP = (".7z",)
_RAR = (".rar",)
_OTHERS = (".zst", ".lz", ".lz4", ".lzma", ".z")
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


Unpacker = Callable[[Path, Members], None]


def is_archive(path: Path) -> bool:
    """Return True for an archive, by its name, or by its content if the name has no suffix.

    Raises:
        MMLError: the name is that of an unsupported kind of archive.
    """
    if path.name.lower().endswith(_OTHERS):
        raise _unsupported(path)
    return _unpacker(path) is not None


def extract(
    archive: Path, folder: Path, limit: int | None = None, password: str | None = None, nested: bool = False
) -> None:
    """Unpack an archive into a new or empty `folder`. The folder appears whole or not at all.

    Files that macOS adds (``__MACOSX/``, ``.DS_Store``, ``._*``) are skipped. Links become hard links to their files.

    Args:
        archive: path of the archive. The suffix of its name determines its kind.
        folder: folder for its members.
        limit: largest total size of its files in bytes. Default: the free space of the disk, but at most 1000 times the
            size of the archive, or 1 GiB if that is more.
        password: password of encrypted members.
        nested: also unpack archives inside the archive, `x.zip` into the folder `x` beside it, and single compressed
            files, `x.csv.gz` to `x.csv`.

    Raises:
        MMLError: the archive is damaged or too large, a member would lie outside `folder` or is neither a file nor a
            folder, the password is missing or wrong, or the package for its kind is missing.
    """
    if _unpacker(archive) is None:
        raise _unsupported(archive)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise MMLError(f"{archive} cannot be unpacked to {folder}, which is not empty")
    try:
        with _make_whole(folder) as root:
            budget = Budget(_limit(archive.stat().st_size, root) if limit is None else limit)
            members = Members(archive, budget, password=password)
            _unpack(root, members)
            if nested:
                _unpack_inner(root, members)
            _set_modes(root)
    except OSError as error:
        raise MMLError(f"{archive} cannot be unpacked to {folder} ({error.strerror})") from error


def unpack_nested(folder: Path, name: str, password: str | None = None) -> None:
    """Replace the archives and single compressed files in a folder of MML by their content.

    Args:
        folder: the folder.
        name: name in errors.
        password: password of encrypted members.

    Raises:
        MMLError: as `extract` does.
    """
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    members = Members(folder, Budget(_limit(size, folder)), name, password)
    _unpack_inner(folder, members)
    _set_modes(folder)


def _unpack(root: Path, members: Members) -> None:
    """Unpack an archive into an existing folder."""
    unpack = _unpacker(members.archive)
    assert unpack is not None, "the caller checks the name"
    with _damage_as_error(members):
        unpack(root, members)


@contextlib.contextmanager
def _damage_as_error(members: Members) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise _damaged(members.name, error) from error
    except OSError as error:
        if error.errno is None:  # gzip and bz2 report damage in this way
            raise _damaged(members.name, error) from error
        raise


def _unpack_inner(root: Path, members: Members, depth: int = 1) -> None:
    """Replace each archive and compressed file in an unpacked archive by its content."""
    for path in sorted(path for path in root.rglob("*") if path.is_file() and _is_packed(path)):
        inner = members.within(path, str(path.relative_to(root)))
        if depth > NESTING:
            raise MMLError(f"{inner.name} is not unpacked: more than {NESTING} archives are nested")
        target = path.with_name(_bare_name(path))
        if target.exists():
            raise MMLError(f"{inner.name} is not unpacked: there is {target.name} beside it")
        if _unpacker(path) is None:
            with _damage_as_error(inner):
                decompress(target, inner)
        else:
            target.mkdir()
            _unpack(target, inner)
            _unpack_inner(target, inner, depth + 1)
        path.unlink()


def _is_packed(path: Path) -> bool:
    return bool(path.suffix) and (_unpacker(path) is not None or is_compressed(path))


def _bare_name(path: Path) -> str:
    """Return the name of an archive without its suffix."""
    suffix = next((suffix for suffix in _BY_SUFFIX if path.name.lower().endswith(suffix)), path.suffix)
    return path.name[: -len(suffix)] or "archive"


_BY_SUFFIX: dict[str, Unpacker] = {
    **dict.fromkeys(_ZIP, unpack_zip),
    **dict.fromkeys(sorted(_TAR, key=len, reverse=True), unpack_tar),
    **dict.fromkeys(_SEVEN_ZIP, unpack_seven_zip),
    **dict.fromkeys(_RAR, unpack_rar),
}


def _unpacker(archive: Path) -> Unpacker | None:
    name, bare = archive.name.lower(), not archive.suffix
    for suffix, unpack in _BY_SUFFIX.items():
        if name.endswith(suffix):
            return unpack
    with contextlib.suppress(*_DAMAGE, OSError):  # the file is not an archive
        if bare and zipfile.is_zipfile(archive):
            return unpack_zip
        if bare and tarfile.is_tarfile(archive):
            return unpack_tar
    return None


def _unsupported(path: Path) -> MMLError:
    return MMLError(f"{path} is not a supported archive; supported: {', '.join(_BY_SUFFIX)}")


def _damaged(name: str, error: Exception) -> MMLError:
    return MMLError(f"{name} is damaged or cut off ({str(error) or type(error).__name__}); fetch it again")


def _limit(size: int, root: Path) -> int:
    return min(shutil.disk_usage(root).free, max(SMALL, RATIO * size))


@contextlib.contextmanager
def _make_whole(folder: Path) -> Iterator[Path]:
    """Yield a new folder that replaces `folder` at the end. If the block fails, nothing remains."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}.unpack-"
    _remove_leftovers(folder.parent, prefix)
    beside = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    lock = os.open(beside, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot lock folders
            fcntl.flock(lock, fcntl.LOCK_EX)
        root = beside / "whole"
        root.mkdir(0o755)
        yield root
        os.rename(root, folder)
    finally:
        shutil.rmtree(beside)
        os.close(lock)


def _remove_leftovers(parent: Path, prefix: str) -> None:
    """Remove unfinished folders of killed processes, which no process locks."""
    for beside in parent.glob(f"{glob.escape(prefix)}*"):
        with contextlib.suppress(OSError):
            lock = os.open(beside, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(beside)
            finally:
                os.close(lock)


def _set_modes(root: Path) -> None:
    for folder, folders, files in os.walk(root):
        for names, mode in ((folders, 0o755), (files, 0o644)):
            for name in names:
                os.chmod(os.path.join(folder, name), mode)
