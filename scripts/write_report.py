"""Write the report of a study: one page that begins with the answer, and its tables as files."""

import json
from itertools import islice
from pathlib import Path

import pandas as pd

import mml_lib
from mml_lib.evaluation.run_labels import labels_from_params
from mml_lib.files.atomic import write_text, write_whole_folder
from mml_lib.files.checksums import verify
from mml_lib.reports.operating.operating_section import operating_section
from mml_lib.reports.study_report.answer_building import build_answer, read_results
from mml_lib.reports.study_report.provenance import commit_of, provenance
from mml_lib.reports.study_report.report_page import StudyPages, report_page
from mml_lib.reports.study_report.report_section import figure_section
from mml_lib.reports.study_report.report_tables import TableShelf, study_tables, write_tables
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription

open_step(snakemake)
files, params, mode = snakemake.input, snakemake.params, snakemake.wildcards.mode
verify(files.summary, files.folds, files.runs, files.times, files.methods, *files.models, *files.overlaps)
names = dict.fromkeys(("task", "procedure", "run", "on", "label"), str)
summary, times = pd.read_csv(files.summary, dtype=names), pd.read_csv(files.times)
models = [json.loads(Path(path).read_text(encoding="utf-8")) for path in files.models]
compared = [guard for path in files.overlaps for guard in json.loads(Path(path).read_text(encoding="utf-8"))["guards"]]
queues = {key: iter(files[key]) for key in ("predictions", "calibrated", "tables")}
shelf = TableShelf()

answers = []
for path, manifest, figures, options in zip(files.tasks, files.datasets, files.figures, params.tasks, strict=True):
    task, dataset = TaskDescription.read(path), Dataset.read(manifest)
    numbers = {key: len(networks) for key, networks in options["networks"].items()} | {"tables": options["tables"]}
    of_task = {key: list(islice(queues[key], number)) for key, number in numbers.items()}
    results = read_results(labels_from_params(options["run_labels"]), options["networks"], of_task)
    answers.append(build_answer(task, dataset, results, summary, Path(figures), options, shelf, compared))

sections = []
for name, figures in zip(params.explained, files.explanations, strict=True):
    sections.append(figure_section(name, "Explanations", Path(figures)))
for name, *paths in zip(params.pointed, files.operating_points, files.operating_figures, strict=True):
    sections.append(operating_section(name, *paths))

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
