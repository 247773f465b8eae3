"""Files of own data: where they are, their sizes, and digests of some."""

import hashlib
import os
import re
import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized
from mml_lib.pipelines.digests import digest
from mml_lib.tasks.channel_files import check_channels
from mml_lib.tasks.creators.columns import Columns, Source
from mml_lib.tasks.creators.delimited import Row
from mml_lib.tasks.creators.file_kinds import LEFT_OUT, NOT_PICTURES, REMEDIES, SUFFIXES, is_system, suffix_of
from mml_lib.tasks.dataset import Sample
from mml_lib.tasks.missing import Missing
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
    files = [file for sample in samples for file in sample.files]
    entries = [[sample.id, sample.label, sample.split, sample.group, sample.fold] for sample in samples]
    return digest([*arguments, entries, [size_of(file) for file in files], sampled_digests(files)])


def state_of_targets(samples: Sequence[Sample], kind: str) -> str:
    """Return the state of what a task learns: all that its samples hold but the images.

    Args:
        samples: samples of the task.
        kind: its task type.
    """
    weights = [[s.weight for s in samples]] if any(s.weight is not None for s in samples) else []
    return digest([kind, [[s.id, s.label, s.split, s.group, s.fold, s.mask is not None] for s in samples], *weights])


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


class ListedFolders:
    """Looks up files; a folder is listed once, whatever the number of its files."""

    def __init__(self) -> None:
        self._names: dict[str, frozenset[str]] = {}
        self._sorted: dict[str, tuple[list[str], list[str]]] = {}

    def names(self, folder: str) -> frozenset[str]:
        """Return the names in a folder, none if it cannot be read."""
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))
            except (OSError, ValueError):
                self._names[folder] = frozenset()
        return self._names[folder]

    def images(self, folder: str) -> list[str]:
        """Return the names of the images in a folder."""
        return sorted(name for name in self.names(folder) if suffix_of(name) in SUFFIXES and not is_system(name))

    def find(self, root: str, name: str) -> str | None:
        r"""Return a file, which may be spelled `a\b.png` on Windows, or in decomposed Unicode on macOS."""
        for spelled in (name, name.replace("\\", "/")):
            path = os.path.join(root, spelled)
            folder, base = os.path.split(path)
            if base in self.names(folder):
                return path
        names = [name for name in self.names(folder) if normalized(name) == normalized(base)]
        return os.path.join(folder, names[0]) if len(names) == 1 else None

    def matching(self, root: str, pattern: str) -> list[str]:
        """Return the paths that match a pattern, in which `*` is any text without `/`; the last part is an image."""
        paths = [root]
        *folders, last = pattern.replace("\\", "/").split("/")
        for part in folders:
            paths = [os.path.join(path, name) for path in paths for name in self._matches(path, part)]
        return [
            os.path.join(path, name)
            for path in paths
            for name in self._matches(path, last)
            if suffix_of(name) in SUFFIXES and not is_system(name)
        ]

    def _matches(self, folder: str, pattern: str) -> list[str]:
        if "*" not in pattern:
            return [pattern] if not pattern or pattern in ("..", ".") or pattern in self.names(folder) else []
        # A large folder is searched by the beginning of the names, or by their end, whichever is longer.
        if folder not in self._sorted:
            names = sorted(self.names(folder))
            self._sorted[folder] = names, sorted(name[::-1] for name in names)
        forward, backward = self._sorted[folder]
        start, end = pattern.partition("*")[0], pattern.rpartition("*")[2][::-1]
        if len(start) >= len(end):
            candidates = _beginning_with(forward, start)
        else:
            candidates = sorted(name[::-1] for name in _beginning_with(backward, end))
        expression = re.compile("[^/]*".join(map(re.escape, pattern.split("*"))))
        return [name for name in candidates if expression.fullmatch(name)]


def _beginning_with(names: Sequence[str], start: str) -> Sequence[str]:
    """Return the names of a sorted list that begin with a text."""
    return names[bisect_left(names, start) : bisect_left(names, start + chr(sys.maxunicode))]


class TableImage(NamedTuple):
    """Id and file of an image that a table names, and its files by channel where it has one a channel."""

    id: str
    file: str
    channels: dict[str, str] | None = None


class TableFiles:
    """Looks up files that a table names."""

    def __init__(self, columns: Columns):
        self.columns = columns
        self.root = str(columns.file.parent)
        self.folders = ListedFolders()

    def images(self, row: Row, missing: Missing) -> list[TableImage]:
        """Return the images of a row.

        Raises:
            MMLError: there is none, a file does not exist, or a channel has none.
        """
        if self.columns.channels:
            return [self._image_of_channels(row, missing)]
        images = [self._image(source, row, missing) for source in self.columns.images]
        if not any(images):
            names = " and ".join(f"'{source.text}'" for source in self.columns.images)
            raise self.columns.wrong(row.line, f"the column {names} is empty")
        return [image for image in images if image]

    def _image(self, source: Source, row: Row, missing: Missing) -> TableImage | None:
        """Return the image that a column or template names, None where its cell is empty."""
        if not (name := source.read(row.cells, missing)):
            return None
        file = self.named(name, "image", row.line, source)
        return TableImage(os.path.relpath(file, self.root) if source.has_wildcard else name, file)

    def _image_of_channels(self, row: Row, missing: Missing) -> TableImage:
        """Return the image that files of single channels make up; the first of them names it."""
        files = {name: self._image(source, row, missing) for name, source in self.columns.channels.items()}
        for name, image in files.items():
            if image is None:
                raise self.columns.wrong(
                    row.line,
                    f"the column '{self.columns.channels[name].text}' of the channel {name} is empty; name a file of "
                    "each channel, or leave the row out by filter",
                )
        images = {name: image for name, image in files.items() if image}
        first = next(iter(images.values()))
        channels = {name: image.file for name, image in images.items()}
        check_channels(channels, first.file, f"{self.columns.file}, line {row.line}: the image")
        return TableImage(first.id, first.file, channels)

    def named(self, name: str, role: str, line: int, source: Source) -> str:
        """Return the path of a file.

        Args:
            name: the file as the row has it, in a template with `*` a pattern.
            role: image or mask, for errors.
            line: of the row, for errors.
            source: column or template.

        Raises:
            MMLError: the file does not exist, is not read, or a template matches several.
        """
        path = self._only_match(name, role, line) if source.has_wildcard else self.folders.find(self.root, name)
        if path is None:
            raise self._missing(name, role, line, source)
        kind = LEFT_OUT.get(suffix_of(path))
        if kind in NOT_PICTURES:
            raise self.columns.wrong(line, f"the {role} {path} is not read ({kind}: {REMEDIES[kind]})")
        return path

    def _only_match(self, pattern: str, role: str, line: int) -> str:
        paths = self.folders.matching(self.root, pattern)
        if len(paths) == 1:
            return paths[0]
        count = (
            f"{len(paths)} images match: {summarized(map(os.path.basename, paths), 3)}" if paths else "no image matches"
        )
        raise self.columns.wrong(
            line, f"the {role} {os.path.join(self.root, pattern)}: {count}; write a template that matches one"
        )

    def _missing(self, name: str, role: str, line: int, source: Source) -> MMLError:
        folder, base = os.path.split(os.path.join(self.root, name))
        listed = self.folders.names(folder)
        near = [other for other in listed if other.casefold() == base.casefold()]
        near += sorted(other for other in listed if os.path.splitext(other)[0] == base)
        hint = f"; there is '{near[0]}'" if near else ""
        if near and near[0].startswith(base) and source.place is not None:
            hint += f': write columns: {{{role}: "{{{source.text}}}{near[0].removeprefix(base)}"}}'
        made = f", made by the template {source.text}," if source.place is None else ""
        return self.columns.wrong(line, f"the {role} {os.path.join(folder, base)}{made} does not exist{hint}")
