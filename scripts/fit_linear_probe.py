"""Fit a linear model on the features of a fold's training samples."""

from mml_lib.features.baseline_models import fit_linear_probe
from mml_lib.features.feature_files import Features
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

step = open_step(snakemake)
task = TaskDescription.read(snakemake.input.task)
features = Features.load(snakemake.input.features)

probe = fit_linear_probe(task, features, step.fold, snakemake.params.penalty)

probe.write(snakemake.output.probe)
