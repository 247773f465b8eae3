"""Draw the samples of a task in two dimensions, coloured by class, split and error."""

from mml_lib.audit.audited_task import AuditedTask
from mml_lib.audit.map_figure import draw_map
from mml_lib.audit.neighbours import check_features
from mml_lib.audit.sample_map import map_table
from mml_lib.features.feature_files import Features
from mml_lib.files.atomic import write_text
from mml_lib.predictions.predictions import read_predictions
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

open_step(snakemake)
options = snakemake.params.options
task = AuditedTask(TaskDescription.read(snakemake.input.task))
values = task.values(Features.load(snakemake.input.features))
check_features(values, task.name)
predictions = [read_predictions(path) for path in snakemake.input.predictions]

table = map_table(task, values, predictions, options["map"], options["map_samples"], snakemake.threads)
draw_map(table, task.name, options["map"], snakemake.output.picture)

write_text(snakemake.output.table, table.to_csv(index=False))
