"""Compute the metrics of one network's predictions on one split, with intervals, and on resamples of the samples."""

from mml_lib.config.metric_options import metrics_of_params
from mml_lib.evaluation.evaluation import evaluate, evaluate_resampled
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.predictions.predictions import read_predictions, weighed
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

step = open_step(snakemake)
task = TaskDescription.read(snakemake.input.task)
weights = task.weights_by_id if snakemake.params.get("weighted") else None
predictions = weighed(read_predictions(snakemake.input.predictions), weights)
metrics = metrics_of_params(snakemake.params.metrics)

values = evaluate(predictions, metrics)
options = snakemake.params.bootstrap, task.by_id("group"), snakemake.params.per_group
resampled = evaluate_resampled(predictions, metrics, *options)

network = {"task": step.task, "run": step.run, "fold": step.fold}
tested = {"on": step.eval_task, "split": snakemake.wildcards.eval, "samples": len(predictions.ids)}
tested["weighted"] = weights is not None
NetworkMetrics.of(values, resampled, **network, **tested).write(snakemake.output.metrics)
resampled.write(snakemake.output.resampled)
