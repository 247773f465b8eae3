"""Predict one split of a task by a simple model that is fitted on the features of a fold's training samples."""

from mml_lib.features.baseline_models import predict_baseline
from mml_lib.features.feature_files import Features
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

step = open_step(snakemake)
task = TaskDescription.read(snakemake.input.task)
features = Features.load(snakemake.input.features)

predictions = predict_baseline(task, features, snakemake.params.method, step.fold, snakemake.wildcards.eval)

predictions.write(snakemake.output.predictions)
