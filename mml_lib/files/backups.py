"""Backups: copies of files of older formats, before they are rewritten, and their restoration.

An interrupted upgrade can continue: `files.json` of the backup is written first, each file is copied before it is
rewritten, and a file is rewritten whole or not at all. Files keep their modification times, so that Snakemake does not
make anything again.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.files.atomic import remove_leftovers, write_text, write_whole
from mml_lib.files.checksums import checksum_path, damaged, seal
from mml_lib.files.containers import TEXTS, UNREADABLE, stamp_of
from mml_lib.files.formats import FORMATS
from mml_lib.files.manager import MMLFileManager
from mml_lib.files.stored import json_text, read_json
from mml_lib.machine.locks import hold_idle_data


@dataclass(frozen=True)
class Entry:
    """An artefact of an older format.

    Args:
        kind: kind of file in `mml_lib.files.formats`.
        path: path relative to the folder of files of this kind, the data root or the project (`root_of`).
        version: version of its format.
        mtime: modification time in ns.
        sealed: True if it has a checksum.
    """

    kind: str
    path: str
    version: int
    mtime: int
    sealed: bool


def root_of(fm: MMLFileManager, kind: str) -> Path:
    """Return the folder that contains the files of a kind: the data root or the project."""
    return fm.data_path if fm.template(FORMATS[kind].keys[0]).root == "DATA_PATH" else fm.proj_path


def find_outdated(fm: MMLFileManager) -> tuple[list[Entry], list[str]]:
    """Return the artefacts of a project and its data in older formats, and an error for each unreadable file.

    Raises:
        MMLError: a file is of a format that this MML does not read.
    """
    entries, problems = [], []
    for kind, form in FORMATS.items():
        for key in form.keys:
            for wildcards in fm.existing(key):
                path = fm.construct_saving_path(None, key, **wildcards)
                try:
                    version = form.version_of(stamp_of(kind, path), path)
                except UNREADABLE as error:
                    problems.append(str(damaged(path, str(error))))
                    continue
                if version < form.version:
                    below, mtime = str(path.relative_to(root_of(fm, kind))), path.stat().st_mtime_ns
                    entries.append(Entry(kind, below, version, mtime, checksum_path(path).exists()))
    return sorted(entries, key=lambda entry: (entry.kind, entry.path)), problems


class Backup:
    """A backup of a project.

    Args:
        fm: the file manager of the project.
        number: name of its folder, `0001`.
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
        """Return the next backup, without writing anything."""
        backups = cls.all(fm)
        return cls(fm, f"{int(backups[-1].number) + 1 if backups else 1:04d}")

    @property
    def is_finished(self) -> bool:
        """True if all files were rewritten."""
        return self.fm.construct_saving_path(None, "upgrade", backup=self.number).exists()

    @property
    def is_undone(self) -> bool:
        """True if the files were restored."""
        return self.fm.construct_saving_path(None, "downgrade", backup=self.number).exists()

    @cached_property
    def entries(self) -> list[Entry]:
        """Artefacts of the backup, including those that are not copied yet."""
        if not self.list_path.exists():
            return []
        return [Entry(**entry) for entry in read_json(self.list_path, "backup")["files"]]

    def _artefact(self, entry: Entry) -> Path:
        return root_of(self.fm, entry.kind) / entry.path

    def _copy(self, entry: Entry) -> Path:
        return self.list_path.parent / entry.path  # folder names below the data root and in projects differ

    def hold_data(self) -> Any:
        """Lock the data if this backup contains some of them. The lock lasts as long as the returned object.

        Raises:
            MMLError: another Snakemake uses them.
        """
        if not any(root_of(self.fm, entry.kind) == self.fm.data_path for entry in self.entries):
            return None
        if lock := hold_idle_data(self.fm.data_lock_path):
            return lock
        raise MMLError(f"the data {self.fm.data_path} are in use by another Snakemake; wait for it or stop it")

    # --- upgrade ------------------------------------------------------------------------------------------------

    def write_list(self, outdated: Sequence[Entry]) -> None:
        """Write the list of files to rewrite, including the files of an interrupted upgrade."""
        remove_leftovers(self.list_path)
        entries = {entry.path: entry for entry in self.entries}
        for entry in outdated:
            earlier = entries.get(entry.path)
            if earlier is None or (earlier.mtime, earlier.version) != (entry.mtime, entry.version):
                self._copy(entry).unlink(missing_ok=True)  # the file was created again since
                entries[entry.path] = entry
        self.entries = list(entries.values())
        write_text(self.list_path, json_text("backup", {"files": [asdict(entry) for entry in self.entries]}))

    def upgrade(self) -> int:
        """Copy every file and rewrite it in the current format; return the number of rewritten files.

        Raises:
            MMLError: some files are damaged; all others are rewritten.
        """
        rewritten, problems = 0, []
        for entry in self.entries:
            try:
                rewritten += self._upgrade(entry)
            except MMLError as error:
                problems.append(str(error))
        if problems:
            more = f" (and {len(problems) - 1} more, see the log)" if problems[1:] else ""
            print(*problems, sep="\n", flush=True)
            raise MMLError(f"{problems[0]}{more}; then upgrade again (all other files are upgraded)")
        return rewritten

    def _upgrade(self, entry: Entry) -> bool:
        path, copy = self._artefact(entry), self._copy(entry)
        container, form = TEXTS[entry.kind], FORMATS[entry.kind]
        if not path.exists():
            return False
        _remove_leftovers(path)
        try:
            if form.version_of(container.stamp(path), path) < form.version:
                if not copy.exists():
                    _copy_file(path, copy)
                _replace(path, entry, lambda beside: container.rewrite(path, beside, form))
        except UNREADABLE as error:
            raise damaged(path, str(error)) from error
        _seal_again(path, entry)
        return True

    # --- downgrade ----------------------------------------------------------------------------------------------

    def downgrade(self) -> tuple[int, list[str]]:
        """Restore the rewritten files; return their number, and the paths of files that were created again since."""
        newer = [entry.path for entry in self.entries if not self._downgrade(entry)]
        return len(self.entries) - len(newer), newer

    def _downgrade(self, entry: Entry) -> bool:
        """Restore a file; return False for a file that was created again since, which stays."""
        path, copy = self._artefact(entry), self._copy(entry)
        if not path.exists():
            return True
        _remove_leftovers(path)
        if path.stat().st_mtime_ns != entry.mtime:
            return False
        if not self._has_version(path, entry):
            if not copy.exists():
                return False
            _replace(path, entry, lambda beside: shutil.copyfile(copy, beside))
        _seal_again(path, entry)
        return True

    def _has_version(self, path: Path, entry: Entry) -> bool:
        try:
            return FORMATS[entry.kind].version_of(stamp_of(entry.kind, path), path) == entry.version
        except UNREADABLE:
            return False


def _remove_leftovers(path: Path) -> None:
    remove_leftovers(path)
    remove_leftovers(checksum_path(path))


def _copy_file(path: Path, copy: Path) -> None:
    """Store a file in the backup: as a hard link, which takes no time, or as a copy."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, copy)
    except OSError:  # another file system, or one without hard links
        with write_whole(copy) as beside:
            shutil.copy2(path, beside)


def _replace(path: Path, entry: Entry, write: Callable[[Path], Any]) -> None:
    """Replace a file whole or not at all. It keeps its mode and time, and loses its checksum."""
    with write_whole(path) as beside:
        write(beside)
        shutil.copymode(path, beside)
        os.utime(beside, ns=(entry.mtime, entry.mtime))
        checksum_path(path).unlink(
            missing_ok=True
        )  # if the process is killed now, readers accept a file without checksum


def _seal_again(path: Path, entry: Entry) -> None:
    """Write the checksum of a file that was rewritten."""
    if entry.sealed and not checksum_path(path).exists():
        seal(path)
