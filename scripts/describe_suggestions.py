"""Describe the suggestions for a task: the origin of each value, and the reason."""

from mml_lib.files.atomic import write_text, write_whole_folder
from mml_lib.machine.terminal import print_line
from mml_lib.reports.pages import table_page
from mml_lib.steps.open_step import open_step
from mml_lib.studies.suggestions.account import account, key_table, read_suggestion, source_table

open_step(snakemake)
task = snakemake.wildcards.task
suggestions = [read_suggestion(path) for path in snakemake.input.suggestions]

text = account(suggestions)

write_text(snakemake.output.account, text)
with write_whole_folder(snakemake.output.pages) as folder:
    sources = table_page(f"sources of suggestions for {task}", source_table(suggestions), f"{task}-sources.csv")
    write_text(folder / "sources.html", sources)
    keys = table_page(f"suggested pipelines for {task}", key_table(suggestions), f"{task}-pipelines.csv")
    write_text(folder / "pipelines.html", keys)
print_line(text)
