"""Compute the metrics of one network's predictions on one split, with intervals, and on resamples of the samples."""

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
samples = TaskDescription.read(snakemake.input.task).samples
groups = dict(zip(samples["id"], samples["group"], strict=True))

metrics = step.cfg.metrics_of(predictions.task_type)
values = evaluate(predictions, metrics)
resampled = evaluate_resampled(predictions, metrics, step.cfg.bootstrap, groups, snakemake.params.per_group)
values = values | {name: value for name, value in resampled.by_metric().items() if name not in values}
reasons = {metric: estimate.reason for metric, estimate in network_estimates(resampled).items() if estimate.reason}

about = {"task": step.task, "run": step.run, "fold": step.fold, "on": step.eval_task, "split": snakemake.wildcards.eval}
about["samples"] = len(predictions.ids)
write_metrics(snakemake.output.metrics, values, network_intervals(resampled), reasons, **about)
resampled.write(snakemake.output.resampled)
