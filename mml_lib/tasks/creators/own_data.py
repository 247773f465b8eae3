"""Files of own data: where they are, their sizes, and digests of some."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.pipelines.digests import digest
from mml_lib.tasks.creators.columns import Columns
from mml_lib.tasks.creators.file_kinds import LEFT_OUT, NOT_PICTURES, REMEDIES, suffix_of
from mml_lib.tasks.dataset import Sample
from mml_lib.tasks.names import normalized


def existing(path: str, kind: str, creator: str) -> Path:
    """Return the absolute path of a file or folder of own data.

    Raises:
        MMLError: it is not there.
    """
    full_path = Path(path).expanduser().absolute()
    if not (full_path.is_dir() if kind == "folder" else full_path.is_file()):
        state = f"is not a {kind}" if full_path.exists() else "does not exist"
        raise MMLError(f"creator {creator}: the path {full_path} {state}")
    return full_path


def only_file(path: str, suffix: str, creator: str) -> Path:
    """Return the absolute path of a file of own data, or of the only one with a suffix in a folder.

    Raises:
        MMLError: it is not there, or it is not the only one.
    """
    folder = Path(path).expanduser().absolute()
    if not folder.is_dir():
        return existing(path, "file", creator)
    files = sorted(file for file in folder.glob(f"*{suffix}") if file.name[0] != ".")
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise MMLError(
            f"creator {creator}: {folder} must hold one {suffix} file, it has {names}; name the file by path"
        )
    return files[0]


def sampled_digests(files: Sequence[Path | str], count: int = 32) -> list[str]:
    """Return digests of the first 64 KB of at most `count` files, evenly spread over the list."""
    chosen = [files[position * len(files) // count] for position in range(count)] if len(files) > count else files
    return [hashlib.sha256(_head(file)).hexdigest()[:16] for file in chosen]


def state_of_samples(arguments: Sequence[object], samples: Sequence[Sample]) -> str:
    """Return the state of own data: names and sizes of all files of samples, and the content of some.

    Args:
        arguments: arguments that decide the samples.
        samples: samples of the data set.
    """
    files = [file for sample in samples for file in (sample.image, sample.mask) if file]
    entries = [[sample.id, sample.label, sample.split, sample.group, sample.fold] for sample in samples]
    return digest([*arguments, entries, [size_of(file) for file in files], sampled_digests(files)])


def state_of_targets(samples: Sequence[Sample], kind: str) -> str:
    """Return the state of what a task learns: all that its samples hold but the images.

    Args:
        samples: samples of the task.
        kind: its task type.
    """
    return digest([kind, [[s.id, s.label, s.split, s.group, s.fold, s.mask is not None] for s in samples]])


def _head(file: Path | str) -> bytes:
    with _readable(file), open(file, "rb") as stream:
        return stream.read(65536)


@contextmanager
def _readable(file: Path | str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MMLError(f"the file {file} cannot be read: {error.strerror}") from error


def size_of(file: Path | str) -> int:
    """Return the size of an image or mask.

    Raises:
        MMLError: the file cannot be looked at, or is empty.
    """
    with _readable(file):
        size = os.stat(file).st_size
    if size == 0:
        raise MMLError(f"the file {file} is empty (0 bytes); copy it again, or remove it")
    return size


class TableFiles:
    """Looks up files of a table; a folder is listed once, whatever the number of its files."""

    def __init__(self, columns: Columns):
        self.columns = columns
        self.root = str(columns.file.parent)
        self.folders: dict[str, frozenset[str]] = {}

    def named(self, name: str, role: str, line: int) -> str:
        """Return the path of a file; its `role` (image, mask) and line are named if it does not exist."""
        path = self._find(name)
        if path is None:
            raise self._missing(name, role, line)
        kind = LEFT_OUT.get(suffix_of(path))
        if kind in NOT_PICTURES:
            raise self.columns.wrong(line, f"the {role} {path} is not read ({kind}: {REMEDIES[kind]})")
        return path

    def _exists(self, path: str) -> bool:
        folder, base = os.path.split(path)
        return base in self._listed(folder)

    def _listed(self, folder: str) -> frozenset[str]:
        if folder not in self.folders:
            try:
                self.folders[folder] = frozenset(os.listdir(folder))
            except (OSError, ValueError):
                self.folders[folder] = frozenset()
        return self.folders[folder]

    def _find(self, name: str) -> str | None:
        r"""Return a file, which may be spelled `a\b.png` on Windows, or in decomposed Unicode on macOS."""
        for spelled in (name, name.replace("\\", "/")):
            path = os.path.join(self.root, spelled)
            if self._exists(path):
                return path
        folder, base = os.path.split(path)
        same = [other for other in self._listed(folder) if normalized(other) == normalized(base)]
        return os.path.join(folder, same[0]) if len(same) == 1 else None

    def _missing(self, name: str, role: str, line: int) -> MMLError:
        folder, base = os.path.split(os.path.join(self.root, name))
        source = self.columns.sources["image" if role == "image" else "target"]
        near = [other for other in self._listed(folder) if other.casefold() == base.casefold()]
        near += sorted(other for other in self._listed(folder) if os.path.splitext(other)[0] == base)
        hint = f"; there is '{near[0]}'" if near else ""
        if near and near[0].startswith(base) and source.place is not None:
            hint += f': write columns: {{{role}: "{{{source.text}}}{near[0].removeprefix(base)}"}}'
        made = f", made by the template {source.text}," if source.place is None else ""
        return self.columns.wrong(line, f"the {role} {os.path.join(folder, base)}{made} does not exist{hint}")
