"""Write a table of all tasks of the study, and draw samples of each."""

from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import say
from mml_lib.reports.task_figures import draw_overview
from mml_lib.reports.task_table import as_text, label_table, task_table
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription

open_step(snakemake)
tasks = [TaskDescription.read(path) for path in snakemake.input.tasks]

table = task_table([task.header for task in tasks])
draw_overview(tasks, [Dataset.read(path) for path in snakemake.input.datasets], snakemake.output.samples)

write_text(snakemake.output.table, table.to_csv(index=False))
say(as_text(table))
if len(labels := label_table([task.header for task in tasks])):
    say(f"\nentries of labels\n{labels.to_string(index=False)}")
