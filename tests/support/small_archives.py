"""Small archives of every kind, and what must be refused of them."""

import io
import random
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from mml_lib.errors import MMLError
from mml_lib.files.archives import extract

FILES = {
    "train/a.png": random.Random(0).randbytes(3000),
    "train/b/ü.png": b"b" * 512,
    "train/empty.csv": b"",
    "labels.csv": b"id,class\n" * 200,
}
KINDS = ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.bz2", "x.tbz2", "x.tar.xz", "x.txz", "X.ZIP", "X.Tar.Gz"]
Member = tuple[tarfile.TarInfo, bytes]


def zip_info(name: str, mode: int = stat.S_IFREG | 0o600, compress: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.filename = name  # ZipInfo cuts a name at a zero byte
    info.external_attr = mode << 16
    info.compress_type = compress
    return info


def write_zip(path: Path, members: list[tuple[zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for info, body in members:
            zipped.writestr(info, body)
    return path


def tar_member(
    name: str, body: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o600
) -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.mode = len(body), kind, link, mode
    return info, body


def write_tar(path: Path, members: list[Member], mode: str = "w") -> Path:
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as tar:
        for info, body in members:
            tar.addfile(info, io.BytesIO(body))
    return path


def write(path: Path, files: dict[str, bytes] = FILES) -> Path:
    """Write an archive of the kind that its name says."""
    if path.suffix.lower() == ".zip":
        return write_zip(path, [(zip_info(name), body) for name, body in files.items()])
    compression = {"r": "", "z": "gz", "2": "bz2"}.get(path.name.lower()[-1], "xz" if path.name[-2] == "x" else "gz")
    return write_tar(path, [tar_member(name, body) for name, body in files.items()], f"w:{compression}")


def read(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(archive: Path, why: str, **options) -> str:
    """Unpack what must be refused in one line, and look for what it may have left behind."""
    root = archive.parent / "unpacked"
    root.mkdir(exist_ok=True)
    before = {path: path.lstat().st_size for path in archive.parent.rglob("*") if not path.is_dir()}
    with pytest.raises(MMLError, match=why) as error:
        extract(archive, root / "folder", **options)
    assert str(error.value).startswith(str(archive))
    assert "\n" not in str(error.value)
    assert list(root.iterdir()) == []
    assert {path: path.lstat().st_size for path in archive.parent.rglob("*") if not path.is_dir()} == before
    return str(error.value)
