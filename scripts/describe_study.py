"""Describe a study: config, plan, runs and their differences, results, times and memory."""

from pathlib import Path

import pandas as pd

from mml_lib.config.reading.scalars import study_text
from mml_lib.files.atomic import write_text, write_whole_folder
from mml_lib.files.checksums import verify
from mml_lib.files.containers import commented
from mml_lib.reports.pages import table_page, text_page
from mml_lib.reports.run_times import run_times
from mml_lib.reports.task_table import label_page, task_table
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import read_header

open_step(snakemake)
config = study_text(snakemake.params.config)
verify(*snakemake.input.tasks, snakemake.input.summary, snakemake.input.folds)
headers = [read_header(path) for path in snakemake.input.tasks]
tables = {
    "plan": pd.DataFrame(snakemake.params.plan.items(), columns=["rule", "steps"]),
    "runs": pd.DataFrame(snakemake.params.runs),
    "run_times_and_memory": run_times(list(map(Path, snakemake.params.benchmarks)), snakemake.params.measured),
    "tasks": task_table(headers),
    "summary_over_folds": pd.read_csv(snakemake.input.summary, dtype={"procedure": str, "run": str}),
    "folds": pd.read_csv(snakemake.input.folds, dtype={"run": str}),
}

with write_whole_folder(snakemake.output.pages) as folder:
    write_text(folder / "config.html", text_page("config of the study", config))
    for name, table in tables.items():
        notes = snakemake.params.notes if name in ("summary_over_folds", "folds") else ()
        write_text(folder / f"{name}.html", table_page(name.replace("_", " "), table, f"{name}.csv", notes))
    if labels := label_page(headers):
        write_text(folder / "labels.html", labels)

write_text(snakemake.output.config, commented({"text": config}))
write_text(snakemake.output.runs, tables["runs"].to_csv(index=False))
write_text(snakemake.output.times, tables["run_times_and_memory"].to_csv(index=False))
