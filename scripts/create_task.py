"""Describe a task: assign the samples of a data set to splits and folds."""

from mml_lib.schedulers.step import open_step
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.splitting import assign

open_step(snakemake)
definition = snakemake.params.definition
dataset = Dataset.read(snakemake.input.dataset)

splitting = {key: definition[key] for key in ("folds", "test_fraction", "seed")}
assignment = assign(dataset.delivery.samples, definition["name"], **splitting)

TaskDescription.of(definition, dataset, assignment).write(snakemake.output.description)
