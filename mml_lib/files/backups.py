"""Backups: files of older formats are rewritten with a copy of each kept, and laid back from there.

Whatever a kill cuts off is gone on with: `files.json` of a backup is written before anything else, a file is kept
before it is rewritten, and each is rewritten whole or not at all. Times stay as they were: nothing is made again.
"""

import contextlib
import hashlib
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.files.atomic import remove_leftovers, write_text, write_whole
from mml_lib.files.checksums import checksum_path, damaged, seal
from mml_lib.files.containers import CONTAINERS
from mml_lib.files.formats import FORMATS
from mml_lib.files.manager import MMLFileManager
from mml_lib.files.stored import json_text, read_json
from mml_lib.machine.locks import hold_idle_data

UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error)
"""Exceptions of reading a damaged file."""


@dataclass(frozen=True)
class Entry:
    """An artefact of an older format.

    Args:
        root: `data` or `project`.
        path: below that.
        kind: in `config/formats.py`.
        version: of its format.
        mtime: when it was made, in ns.
        existed: whether the file that says its version was there.
        sealed: whether it has a checksum.
    """

    root: str
    path: str
    kind: str
    version: int
    mtime: int
    existed: bool
    sealed: bool


def roots(fm: MMLFileManager) -> dict[str, Path]:
    """Return the folders that paths of entries are relative to."""
    return {"data": fm.data_path, "project": fm.proj_path}


def find_outdated(fm: MMLFileManager) -> tuple[list[Entry], list[str]]:
    """Return the files of a project and of the data in an older format, and one line for each unreadable file.

    Raises:
        MMLError: a file is of a newer format.
    """
    entries, problems = [], []
    for kind, form in FORMATS.items():
        for key in form.keys:
            root = "data" if fm.template(key).root == "DATA_PATH" else "project"
            for wildcards in fm.existing(key):
                path = fm.construct_saving_path(None, key, **wildcards)
                try:
                    version = form.found(CONTAINERS[kind].stamp(path), path)
                    if version < form.version:
                        entries.append(_entry(root, str(path.relative_to(roots(fm)[root])), kind, version, path))
                except UNREADABLE as error:
                    problems.append(str(damaged(path, str(error))))
    return sorted(entries, key=lambda entry: (entry.root, entry.kind, entry.path)), problems


def _entry(root: str, below: str, kind: str, version: int, path: Path) -> Entry:
    container = CONTAINERS[kind]
    mtime = container.anchor(path).stat().st_mtime_ns
    return Entry(root, below, kind, version, mtime, container.target(path).exists(), checksum_path(path).exists())


class Backup:
    """A backup of a project, by its number.

    Args:
        fm: the file manager of the project.
        number: its folder's name, `0001`.
    """

    def __init__(self, fm: MMLFileManager, number: str):
        self.fm = fm
        self.number = number
        self.list_path = fm.construct_saving_path(None, "backup", backup=number)

    @classmethod
    def all(cls, fm: MMLFileManager) -> list["Backup"]:
        """Return the backups of a project, the latest last."""
        return [cls(fm, number) for number in sorted(wildcards["backup"] for wildcards in fm.existing("backup"))]

    @classmethod
    def new(cls, fm: MMLFileManager) -> "Backup":
        """Return the backup that comes next; nothing is made yet."""
        backups = cls.all(fm)
        return cls(fm, f"{int(backups[-1].number) + 1 if backups else 1:04d}")

    @property
    def is_finished(self) -> bool:
        """Whether all its files were rewritten."""
        return self.fm.construct_saving_path(None, "upgrade", backup=self.number).exists()

    @property
    def is_undone(self) -> bool:
        """Whether its files were laid back."""
        return self.fm.construct_saving_path(None, "downgrade", backup=self.number).exists()

    @cached_property
    def _content(self) -> Mapping[str, Any]:
        return read_json(self.list_path, "backup")

    @cached_property
    def entries(self) -> list[Entry]:
        """Files in the backup, or files that will be rewritten with a copy in it."""
        return [Entry(**entry) for entry in self._content["files"]] if self.list_path.exists() else []

    @cached_property
    def _folders(self) -> list[dict[str, Any]]:
        return list(self._content["folders"]) if self.list_path.exists() else []

    def _artefact(self, entry: Entry) -> Path:
        return roots(self.fm)[entry.root] / entry.path

    def _copy(self, entry: Entry) -> Path:
        below = CONTAINERS[entry.kind].target(Path(entry.path))
        return self.list_path.parent / entry.root / below

    def hold_data(self) -> Any:
        """Take the data for oneself where some of them are in this backup; hold them by keeping the result.

        Raises:
            MMLError: a Snakemake uses them.
        """
        if not any(entry.root == "data" for entry in self.entries):
            return None
        if held := hold_idle_data(self.fm.data_lock_path):
            return held
        raise MMLError(f"the data {self.fm.data_path} are in use by another Snakemake; wait for it or stop it")

    # --- forth --------------------------------------------------------------------------------------------------

    def begin(self, outdated: Sequence[Entry]) -> None:
        """Note what is to be rewritten, beside what an interrupted call has noted."""
        remove_leftovers(self.list_path)
        noted_entries = {(entry.root, entry.path): entry for entry in self.entries}
        for entry in outdated:
            noted = noted_entries.get((entry.root, entry.path))
            if noted is None or (noted.mtime, noted.version) != (entry.mtime, entry.version):
                self._copy(entry).unlink(missing_ok=True)  # of what has been made anew since
                noted_entries[entry.root, entry.path] = entry
        self.entries = list(noted_entries.values())
        times = {(folder_entry["root"], folder_entry["path"]): folder_entry["mtime"] for folder_entry in self._folders}
        for entry in self.entries:
            for folder in {CONTAINERS[entry.kind].target(Path(entry.path)).parent, Path(entry.path).parent}:
                mtime = (roots(self.fm)[entry.root] / folder).stat().st_mtime_ns
                times.setdefault((entry.root, str(folder)), mtime)
        self._folders = [{"root": root, "path": path, "mtime": mtime} for (root, path), mtime in times.items()]
        content = {"files": [asdict(entry) for entry in self.entries], "folders": self._folders}
        write_text(self.list_path, json_text("backup", content))

    def upgrade(self) -> int:
        """Rewrite every file in the present format, with a copy before, and return how many these are.

        Raises:
            MMLError: some are damaged; the others are rewritten.
        """
        rewritten, problems = 0, []
        with self._folder_times_kept():
            for entry in self.entries:
                try:
                    rewritten += self._upgrade(entry)
                except MMLError as error:
                    problems.append(str(error))
        if problems:
            more = f" (and {len(problems) - 1} more, see the log)" if problems[1:] else ""
            print(*problems, sep="\n", flush=True)
            raise MMLError(f"{problems[0]}{more}; then upgrade again, all else is done")
        return rewritten

    def _upgrade(self, entry: Entry) -> bool:
        path, container, form = self._artefact(entry), CONTAINERS[entry.kind], FORMATS[entry.kind]
        target = container.target(path)
        if not path.exists():
            return False
        _remove_leftovers(path, target)
        try:
            if form.found(container.stamp(path), path) == form.version:
                _seal_again(path, entry)
                return True
            if entry.existed and not self._copy(entry).exists():
                _keep(target, self._copy(entry))
            lines = _sealed_lines(path)
            with write_whole(target) as beside:
                container.rewrite(path, beside, form)
                _take_on(beside, target, entry.mtime)
                checksum_path(path).unlink(missing_ok=True)  # what has none is let through, should a kill come now
        except UNREADABLE as error:
            raise damaged(path, str(error)) from error
        _seal_one(path, target, lines)
        _seal_again(path, entry)
        return True

    # --- back ---------------------------------------------------------------------------------------------------

    def downgrade(self) -> tuple[int, list[str]]:
        """Lay back every file that was rewritten; return how many these are, and which were made anew since."""
        with self._folder_times_kept():
            kept = [entry.path for entry in self.entries if self._downgrade(entry) is False]
        return len(self.entries) - len(kept), kept

    def _downgrade(self, entry: Entry) -> bool | None:
        """Lay back a file: False if it stays as it is, None if there is nothing to do."""
        path, container = self._artefact(entry), CONTAINERS[entry.kind]
        target = container.target(path)
        if not path.exists():
            return None
        _remove_leftovers(path, target)
        if container.anchor(path).stat().st_mtime_ns != entry.mtime:
            return False
        if target.exists() == entry.existed and self._has_version(path, entry):
            _seal_again(path, entry)
            return None
        if entry.existed and not self._copy(entry).exists():
            return False
        lines = _sealed_lines(path)
        if entry.existed:
            with write_whole(target) as beside:
                shutil.copyfile(self._copy(entry), beside)
                _take_on(beside, target, entry.mtime)
                checksum_path(path).unlink(missing_ok=True)
        else:
            checksum_path(path).unlink(missing_ok=True)
            target.unlink(missing_ok=True)
        _seal_one(path, target, lines)
        _seal_again(path, entry)
        return True

    def _has_version(self, path: Path, entry: Entry) -> bool:
        try:
            return FORMATS[entry.kind].found(CONTAINERS[entry.kind].stamp(path), path) == entry.version
        except UNREADABLE:
            return False

    @contextlib.contextmanager
    def _folder_times_kept(self) -> Iterator[None]:
        try:
            yield
        finally:
            for entry in self._folders:
                folder = roots(self.fm)[entry["root"]] / entry["path"]
                with contextlib.suppress(OSError):
                    os.utime(folder, ns=(folder.stat().st_atime_ns, entry["mtime"]))


def _remove_leftovers(path: Path, target: Path) -> None:
    for part in (target, checksum_path(path)):
        remove_leftovers(part)


def _keep(path: Path, copy: Path) -> None:
    """Keep a file that is about to be replaced: by a link, which takes no time, or by a copy."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, copy)
    except OSError:  # another file system, or one without hard links
        with write_whole(copy) as beside:
            shutil.copy2(path, beside)


def _take_on(beside: Path, target: Path, mtime: int) -> None:
    """Give what takes the place of a file its rights and its time."""
    if target.exists():
        shutil.copymode(target, beside)
    os.utime(beside, ns=(mtime, mtime))


def _sealed_lines(path: Path) -> dict[str, str] | None:
    """Return the checksums of an artefact by file name, None where it has none."""
    sealed = checksum_path(path)
    if not sealed.exists():
        return None
    return dict(reversed(line.split("  ", 1)) for line in sealed.read_text(encoding="utf-8").splitlines())


def _seal_one(path: Path, target: Path, lines: dict[str, str] | None) -> None:
    """Write the checksums of an artefact in which one file has changed; its other files are not read again."""
    if lines is None:
        return
    name = str(target.relative_to(path.parent))
    lines.pop(name, None)
    if target.exists():
        with open(target, "rb") as file:
            lines[name] = hashlib.file_digest(file, "sha256").hexdigest()
    write_text(checksum_path(path), "".join(f"{lines[name]}  {name}\n" for name in sorted(lines)))


def _seal_again(path: Path, entry: Entry) -> None:
    """Give an artefact the checksum that a kill has cost it."""
    if entry.sealed and not checksum_path(path).exists():
        seal(path)
