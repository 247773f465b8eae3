"""Table of unused files, for a terminal and for a file."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mml_lib.files.removing import size_of

SHOWN = 100
"""Most rows in a terminal."""

COLUMNS = ("what", "project", "key", "task", "run", "files", "size_mb", "state", "why_kept", "made_again_by")


@dataclass
class Unused:
    """Artefacts of one key that belong together and that no study uses.

    Args:
        what: reason for listing them.
        key: their assignment key, or another kind.
        paths: files and folders.
        root: folder that is kept when all its content is removed.
        project: their project; empty for shared files.
        task: theirs; run: its id.
        kept: reason for keeping them; None: they may be removed.
        again: way to create them again.
        removed: True if they have been removed.
    """

    what: str
    key: str
    paths: Sequence[Path]
    root: Path
    project: str = ""
    task: str = ""
    run: str = ""
    kept: str | None = None
    again: str = ""
    removed: bool = False
    size: int = field(init=False)
    """Their bytes."""

    def __post_init__(self) -> None:
        self.size = size_of(self.paths)

    @property
    def state(self) -> str:
        """State of the files."""
        if self.removed:
            return "removed"
        return "removable" if self.kept is None else "kept"

    @property
    def row(self) -> list[str]:
        about = [self.what, self.project, self.key, self.task, self.run]
        return [*about, str(len(self.paths)), _megabytes(self.size), self.state, self.kept or "", self.again]


def as_csv(unused: Sequence[Unused]) -> str:
    """Return unused files as a table, with a row of the total for each state."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *(artefact.row for artefact in unused)])
    for state, files, size in _totals(unused):
        writer.writerow(["total", "", "", "", "", files, _megabytes(size), state, "", ""])
    return text.getvalue()


def as_text(unused: Sequence[Unused]) -> str:
    """Return the unused files as text for a terminal: by project, key and run, each reason for keeping once."""
    if not unused:
        return "there are no unused files"
    rows = [["", *COLUMNS[1:5], "files", "MB", ""]]
    rows += [[*artefact.row[:7], artefact.state] for artefact in unused[:SHOWN]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if number in (5, 6) else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    if len(unused) > SHOWN:
        lines.append(f"… and {len(unused) - SHOWN} more rows, in the file")
    lines += [f"total {state}: {files} files, {_megabytes(size)} MB" for state, files, size in _totals(unused)]
    lines += [f"kept: {why}" for why in dict.fromkeys(artefact.kept for artefact in unused if artefact.kept)]
    return "\n".join(lines)


def _totals(unused: Sequence[Unused]) -> list[tuple[str, int, int]]:
    """Return number of files and bytes of each state."""
    totals = []
    for state in ("removed", "removable", "kept"):
        those = [artefact for artefact in unused if artefact.state == state]
        if those:
            files, size = (sum(numbers) for numbers in zip(*((len(one.paths), one.size) for one in those), strict=True))
            totals.append((state, files, size))
    return totals


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.3f}"
