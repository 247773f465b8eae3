"""Compute the metrics of one network's predictions on one split."""

from mml_lib.postprocessing.evaluation import evaluate, write_metrics
from mml_lib.postprocessing.predictions import read_predictions
from mml_lib.schedulers.step import open_step

step = open_step(snakemake)
predictions = read_predictions(snakemake.input.predictions)

values = evaluate(predictions, step.cfg.metrics_of(predictions.task_type))

about = {"task": step.task, "run": step.run, "fold": step.fold, "split": snakemake.wildcards.eval}
write_metrics(snakemake.output.metrics, values, **about, samples=len(predictions.ids))
