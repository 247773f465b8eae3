"""Modes `upgrade` and `downgrade`: the files of a project and of the data in the present formats, and back."""

from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from mml_lib.errors import MMLError
from mml_lib.files.backups import Backup, Entry, find_outdated
from mml_lib.files.formats import FORMATS
from mml_lib.schedulers.base import AbstractBaseScheduler, Options

if TYPE_CHECKING:
    from mml_lib.steps.step import Step


class _Rewriting(AbstractBaseScheduler):
    """Base of both modes. They exclude other steps, which would use the rewritten files."""

    alone = True
    trained_tasks: ClassVar[list[str]] = []


class UpgradeScheduler(_Rewriting):
    """Rewrites files of older formats, with a copy of each file in a backup; continues an interrupted upgrade."""

    @cached_property
    def _found(self) -> tuple[list[Entry], list[str]]:
        return find_outdated(self.fm)

    def create_routine(self) -> None:
        backups, (outdated, _) = Backup.all(self.fm), self._found
        latest = backups[-1] if backups and not backups[-1].is_undone else None
        if latest and (not latest.is_finished or not outdated):
            self.add("upgrade_formats", backup=latest.number)
        elif outdated:
            self.add("upgrade_formats", backup=Backup.new(self.fm).number)

    @property
    def announcement(self) -> list[str]:
        entries, problems = self._found
        lines = [f"  left as it is: {problem}" for problem in problems]
        for (kind, version), of_kind in groupby(entries, key=lambda entry: (entry.kind, entry.version)):
            lines.append(f"  {kind}, format {version}, is rewritten in format {FORMATS[kind].version}:")
            lines += [f"    {entry.path}" for entry in of_kind]
        return lines or ["  all files have the present formats"]

    def before_finishing_hook(self, step: "Step") -> None:
        finished = [backup for backup in Backup.all(self.fm) if backup.is_finished]
        step.return_value = {"backup": finished[-1].number if finished else None}


class DowngradeOptions(Options):
    """Options of the mode `downgrade`."""

    backup: int | None = Field(None, ge=1, description="Which upgrade to undo, by its number below BACKUPS.")


class DowngradeScheduler(_Rewriting):
    """Restores the files that an upgrade has rewritten, except files that were made again since."""

    Options: ClassVar[type[DowngradeOptions]] = DowngradeOptions
    options: DowngradeOptions

    @cached_property
    def _backup(self) -> Backup:
        backups = {int(backup.number): backup for backup in Backup.all(self.fm)}
        number = self.options.backup or max(backups, default=0)
        if number not in backups:
            there = f"; there are {', '.join(map(str, backups))}" if backups else "; a snakemake upgrade makes one"
            which = f"no {self.options.backup}" if self.options.backup else "none"
            raise MMLError(f"mode downgrade: of the backups in {self.fm.proj_path / 'BACKUPS'} there is {which}{there}")
        return backups[number]

    def create_routine(self) -> None:
        self.add("downgrade_formats", backup=self._backup.number)

    @property
    def announcement(self) -> list[str]:
        if self._backup.is_undone:
            return [f"  the upgrade {self._backup.number} is undone already"]
        return [
            f"  the upgrade {self._backup.number} is undone:",
            *(f"    {entry.path} gets format {entry.version}" for entry in self._backup.entries),
        ]

    def before_finishing_hook(self, step: "Step") -> None:
        step.return_value = {"backup": self._backup.number}
