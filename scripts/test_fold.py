"""Compute the metrics of one network's predictions on one split, with intervals, and on resamples of the samples."""

from mml_lib.config.metric_options import metrics_of_params
from mml_lib.evaluation.evaluation import (
    evaluate,
    evaluate_resampled,
    network_estimates,
    network_intervals,
    write_metrics,
)
from mml_lib.predictions.predictions import read_predictions
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

step = open_step(snakemake)
predictions = read_predictions(snakemake.input.predictions)
groups = TaskDescription.read(snakemake.input.task).by_id("group")
metrics = metrics_of_params(snakemake.params.metrics)

values = evaluate(predictions, metrics)
resampled = evaluate_resampled(predictions, metrics, snakemake.params.bootstrap, groups, snakemake.params.per_group)
values |= {name: value for name, value in resampled.by_metric().items() if name not in values}
reasons = {metric: estimate.reason for metric, estimate in network_estimates(resampled).items() if estimate.reason}

network = {"task": step.task, "run": step.run, "fold": step.fold}
tested = {"on": step.eval_task, "split": snakemake.wildcards.eval, "samples": len(predictions.ids)}
write_metrics(snakemake.output.metrics, values, network_intervals(resampled), reasons, **network, **tested)
resampled.write(snakemake.output.resampled)
