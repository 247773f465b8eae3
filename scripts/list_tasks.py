"""Write a table of all tasks of the study, and draw samples of each."""

import pandas as pd

from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import print_line, warn
from mml_lib.reports.task_figures import draw_overview
from mml_lib.reports.task_table import as_text, label_table, task_table
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription, one_sided_labels

open_step(snakemake)
tasks = [TaskDescription.read(path) for path in snakemake.input.tasks]

dimensions = [pd.read_csv(path, dtype={"task": str}) for path in snakemake.input.dimensions]

table = task_table([task.header for task in tasks], dimensions)
draw_overview(tasks, [Dataset.read(path) for path in snakemake.input.datasets], snakemake.output.samples)

labels = label_table([task.header for task in tasks])

write_text(snakemake.output.table, table.to_csv(index=False))
write_text(snakemake.output.labels, labels.to_csv(index=False))
print_line(as_text(table))
if len(labels):
    print_line(f"\nentries of labels\n{labels.to_string(index=False)}")
for task in tasks:
    for line in one_sided_labels(task.header):
        warn(line)
