"""Sections of a report that other steps write."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mml_lib.files.atomic import write_text
from mml_lib.files.checksums import verify


@dataclass(frozen=True)
class ReportSection:
    """A section that a step adds to the page of a task, or to the study where `task` is empty.

    Args:
        task: name of the task.
        title: heading.
        html: content; pictures are data addresses, and names are escaped.
    """

    task: str
    title: str
    html: str

    def write(self, path: str | Path) -> None:
        """Write the section as JSON."""
        write_text(path, json.dumps(asdict(self), ensure_ascii=False, indent=1))

    @classmethod
    def read(cls, path: str | Path) -> "ReportSection":
        """Read a section."""
        verify(path)
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))


def sections_of(sections: Sequence[ReportSection], task: str) -> list[ReportSection]:
    """Return the sections of a task; of the study for an empty name."""
    return [section for section in sections if section.task == task]
