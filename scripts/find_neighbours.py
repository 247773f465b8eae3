"""Find the nearest neighbours of each sample of a task by its features."""

from mml_lib.audit.audited_task import AuditedTask
from mml_lib.audit.neighbours import check_features, nearest_neighbours, scaled
from mml_lib.features.feature_files import Features
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

open_step(snakemake)
task = AuditedTask(TaskDescription.read(snakemake.input.task))
values = task.values(Features.load(snakemake.input.features))
number = snakemake.params.neighbours
check_features(values, task.name, number)

neighbours = nearest_neighbours(scaled(values), number, snakemake.threads)

neighbours.write(snakemake.output.neighbours)
