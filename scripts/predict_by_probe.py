"""Predict each labelled sample of a task with a linear model on features that was not fitted on its fold."""

from mml_lib.audit.audited_task import AuditedTask
from mml_lib.audit.linear_probe import predict_task
from mml_lib.audit.neighbours import check_features
from mml_lib.features.feature_files import Features
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

open_step(snakemake)
task = AuditedTask(TaskDescription.read(snakemake.input.task))
values = task.values(Features.load(snakemake.input.features))
check_features(values, task.name)

predictions = predict_task(task.task, values, snakemake.threads)

predictions.write(snakemake.output.predictions)
