"""Predict one split of a task with a simple model on the features of a fold's training samples."""

from mml_lib.features.baseline_models import predict_by_neighbours, predict_by_probe
from mml_lib.features.feature_files import Features
from mml_lib.features.linear_probes import LinearProbe
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

step = open_step(snakemake)
task = TaskDescription.read(snakemake.input.task)
features = Features.load(snakemake.input.features)

if snakemake.input.probe:
    probe = LinearProbe.read(snakemake.input.probe[0])
    predictions = predict_by_probe(task, features, probe, step.fold, snakemake.wildcards.eval)
else:
    neighbours = snakemake.params.neighbours
    predictions = predict_by_neighbours(task, features, step.fold, snakemake.wildcards.eval, neighbours)

predictions.write(snakemake.output.predictions)
