"""Draw samples of a task and the frequency of its classes."""

from mml_lib.reports.task_figures import draw_classes, draw_samples
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription

open_step(snakemake)
task = TaskDescription.read(snakemake.input.task)
dataset = Dataset.read(snakemake.input.dataset)

draw_samples(task, dataset, snakemake.output.samples)
draw_classes(task, snakemake.output.classes)
