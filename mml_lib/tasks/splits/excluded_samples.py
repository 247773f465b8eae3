"""Excluded samples: tables, such as those of mode audit, that leave samples out of a task.

A table is CSV with the columns `task` and `id`; other columns are notes. The ids that it lists are part of the task's
identity, the place of the file is not.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mml_lib.config.task_options import SEPARATOR
from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized
from mml_lib.pipelines.digests import digest

COLUMNS = ("task", "id")


@dataclass(frozen=True)
class ExcludedSamples:
    """Samples that tables leave out of a task.

    Args:
        files: the tables.
        ids: ids of the samples, sorted.
    """

    files: tuple[Path, ...]
    ids: tuple[str, ...]

    @property
    def digest(self) -> str | None:
        """The identity of the samples; None where there are none."""
        return digest(list(self.ids)) if self.ids else None

    @classmethod
    def read(cls, task: str, tables: Sequence[str], project: Path) -> "ExcludedSamples":
        """Read the tables of a task.

        Args:
            task: name of the task, without tags.
            tables: paths, relative to the folder of the project or to the working folder.
            project: folder of the project.

        Raises:
            MMLError: a table is missing, lacks a column, or is one of another task.
        """
        files = tuple(_place(task, table, project) for table in tables)
        return cls(files, tuple(sorted({id_ for file in files for id_ in _ids(task, file)})))


def _place(task: str, table: str, project: Path) -> Path:
    path = Path(table).expanduser()
    for candidate in (project / path, path):
        if candidate.is_file():
            return candidate.absolute()
    raise MMLError(
        f"tasks.{task}.exclude: there is no table {table}, neither in {project} nor in the working folder; snakemake "
        "audit writes such tables"
    )


def _ids(task: str, file: Path) -> list[str]:
    try:
        with open(file, newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
            header = list(rows[0]) if rows else _header(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MMLError(f"tasks.{task}.exclude: {file} cannot be read as CSV in UTF-8 ({error})") from error
    if missing := [column for column in COLUMNS if column not in header]:
        raise MMLError(
            f"tasks.{task}.exclude: {file} has no column '{missing[0]}'; a table of samples to leave out has the "
            "columns task and id"
        )
    others = dict.fromkeys(row["task"] for row in rows if (row["task"] or "").split(SEPARATOR)[0] != task)
    if others:
        raise MMLError(
            f"tasks.{task}.exclude: {file} lists samples of {summarized(map(repr, others))}, not of {task}; name the "
            f"table of {task}"
        )
    return [row["id"] or "" for row in rows]


def _header(file: Path) -> list[str]:
    with open(file, newline="", encoding="utf-8-sig") as stream:
        return next(csv.reader(stream), [])
