"""Write the report of a study: one page that begins with the answer, and its tables as files."""

import json
from pathlib import Path

import pandas as pd

import mml_lib
from mml_lib.files.atomic import write_text, write_whole_folder
from mml_lib.files.checksums import verify
from mml_lib.reports.operating.operating_section import operating_section
from mml_lib.reports.study_report.provenance import commit_of, provenance
from mml_lib.reports.study_report.report_page import StudyPages, report_page
from mml_lib.reports.study_report.report_section import figure_section
from mml_lib.reports.study_report.report_tables import TableShelf, study_tables, write_tables
from mml_lib.reports.study_report.reported_tasks import reported_tasks
from mml_lib.steps.open_step import open_step

open_step(snakemake)
files, params, mode = snakemake.input, snakemake.params, snakemake.wildcards.mode
verify(files.summary, files.folds, files.runs, files.times, files.methods, *files.models, *files.overlaps)
names = dict.fromkeys(("task", "procedure", "run", "on", "label"), str)
summary, times = pd.read_csv(files.summary, dtype=names), pd.read_csv(files.times)
models = [json.loads(Path(path).read_text(encoding="utf-8")) for path in files.models]
compared = [guard for path in files.overlaps for guard in json.loads(Path(path).read_text(encoding="utf-8"))["guards"]]
results = {"predictions": files.predictions, "calibrated": files.calibrated, "tables": files.tables}
tasks = reported_tasks(files.tasks, files.datasets, files.figures, params.tasks, results)
shelf = TableShelf()
answers = [task.answer(summary, shelf, compared) for task in tasks]
explained = zip(params.explained, files.explanations, strict=True)
pointed = zip(params.pointed, files.operating_points, files.operating_figures, strict=True)
sections = [figure_section(name, "Explanations", Path(figures)) for name, figures in explained]
sections += [operating_section(name, *paths) for name, *paths in pointed]

commits = {"MML": commit_of(Path(mml_lib.__file__).parent), "the study": commit_of(Path())}
folds, runs = pd.read_csv(files.folds, dtype=names), pd.read_csv(files.runs, dtype=names)
headers = [answer.header for answer in answers]
page = report_page(
    StudyPages(
        project=params.project,
        mode=mode,
        tables=study_tables(shelf, headers, summary, folds, runs, times, bool(files.calibrated)),
        methods=Path(files.methods).read_text(encoding="utf-8"),
        config=Path(files.config).read_text(encoding="utf-8"),
        provenance=provenance(models, times, commits),
        notes=params.notes,
        sections=sections,
    ),
    answers,
)

write_text(snakemake.output.report, page)
with write_whole_folder(snakemake.output.tables) as folder:
    write_tables(shelf, folder)
