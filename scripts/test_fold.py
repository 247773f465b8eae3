"""Compute the metrics of one network's predictions on one split, and their bootstrap intervals."""

from mml_lib.postprocessing.evaluation import evaluate_with_intervals, write_metrics
from mml_lib.postprocessing.predictions import read_predictions
from mml_lib.schedulers.step import open_step

step = open_step(snakemake)
predictions = read_predictions(snakemake.input.predictions)

metrics = step.cfg.metrics_of(predictions.task_type)
values, intervals = evaluate_with_intervals(predictions, metrics, step.cfg.bootstrap)

about = {"task": step.task, "run": step.run, "fold": step.fold, "on": step.eval_task, "split": snakemake.wildcards.eval}
write_metrics(snakemake.output.metrics, values, intervals, **about, samples=len(predictions.ids))
