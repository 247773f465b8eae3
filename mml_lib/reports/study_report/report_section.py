"""Sections of a report with the results of other steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from mml_lib.reports.study_report.thumbnails import TYPES, file_address


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


def figure_section(task: str, title: str, folder: Path) -> ReportSection:
    """Return a section of all pictures in a folder, with their names as captions."""
    pictures = [path for path in sorted(folder.iterdir()) if path.suffix in TYPES]
    figures = (
        Markup('<figure><img src="{0}" alt="{1}"><figcaption>{1}</figcaption></figure>').format(
            file_address(path.read_bytes(), path.suffix), path.stem.replace("_", " ")
        )
        for path in pictures
    )
    return ReportSection(task, title, str(Markup('<div class="figures">{}</div>').format(Markup().join(figures))))


def sections_of(sections: Sequence[ReportSection], task: str) -> list[ReportSection]:
    """Return the sections of a task; of the study for an empty name."""
    return [section for section in sections if section.task == task]
