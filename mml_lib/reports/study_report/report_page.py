"""The page of a report: its template with all answers, as one self-contained file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

import jinja2
import pandas as pd
from markdown_it import MarkdownIt

from mml_lib.reports.study_report.interval_plot import interval_plots
from mml_lib.reports.study_report.report_section import ReportSection, sections_of
from mml_lib.reports.study_report.report_tables import ReportTable
from mml_lib.reports.study_report.task_answer import TaskAnswer, metric_title, number

LIMIT = 10_000_000
"""Largest size of the page in bytes. Further thumbnails are left out."""


@dataclass(frozen=True)
class StudyPages:
    """Content of a report besides the answers.

    Args:
        project: name of the study.
        mode: its mode.
        tables: tables of the study.
        methods: the methods section, Markdown.
        config: the config, YAML.
        provenance: names and values.
        notes: sentences on the splits of results.
        sections: sections of other steps.
    """

    project: str
    mode: str
    tables: Sequence[ReportTable]
    methods: str
    config: str
    provenance: Sequence[tuple[str, str]]
    notes: Sequence[str]
    sections: Sequence[ReportSection]

    @property
    def tables_folder(self) -> str:
        """Folder of the files of tables, below the project."""
        return f"REPORTS/{self.mode}-tables"

    @property
    def figures_folder(self) -> str:
        """Folders of the figures, below the project."""
        return f"FIGURES/<task>/{self.mode}"


def report_page(study: StudyPages, answers: Sequence[TaskAnswer], limit: int = LIMIT) -> str:
    """Return the page, at most `limit` bytes where leaving out thumbnails of tables achieves that."""
    page = _render(study, answers)
    for share in (0.5, 0.2, 0):
        if len(page.encode()) <= limit:
            break
        page = _render(study, [_with_thumbnails(answer, share) for answer in answers])
    return page


def _with_thumbnails(answer: TaskAnswer, share: float) -> TaskAnswer:
    """Return an answer with thumbnails of the first samples of its table only."""
    kept = int(len(answer.sample_addresses) * share)
    addresses = [*answer.sample_addresses[:kept], *[""] * (len(answer.sample_addresses) - kept)]
    return replace(answer, sample_addresses=addresses)


def _render(study: StudyPages, answers: Sequence[TaskAnswer]) -> str:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"number": number, "metric": metric_title}
    folder = files("mml_lib.reports.study_report")
    template = environment.from_string((folder / "report.html.j2").read_text(encoding="utf-8"))
    return template.render(
        study=study,
        answers=answers,
        plots={answer.name: interval_plots(answer.rows) for answer in answers},
        samples={answer.name: sample_data(answer) for answer in answers if answer.samples is not None},
        sections={name: sections_of(study.sections, name) for name in ("", *(answer.name for answer in answers))},
        methods=MarkdownIt("commonmark", {"html": False}).enable("table").render(study.methods),
        style=(folder / "report.css").read_text(encoding="utf-8"),
        script=(folder / "report.js").read_text(encoding="utf-8"),
    )


def sample_data(answer: TaskAnswer) -> str:
    """Return the table of samples as JSON for the page: columns, rows, and the picture of each row."""
    table = answer.samples if answer.samples is not None else pd.DataFrame()
    content: Mapping[str, Any] = {
        "columns": table.columns.tolist(),
        "rows": [[_plain(value) for value in row] for row in table.itertuples(index=False)],
        "pictures": list(answer.sample_addresses),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return None if pd.isna(value) else float(f"{value:.4g}")
    return value
