"""Pool the validation predictions of the networks of all folds and compute their metrics."""

from mml_lib.config.metric_options import OUT_OF_FOLD, metrics_of_params
from mml_lib.evaluation.evaluation import evaluate
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.evaluation.out_of_fold import evaluate_out_of_fold, pool_out_of_fold
from mml_lib.predictions.predictions import read_predictions, weighed
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

step = open_step(snakemake)
task = TaskDescription.read(snakemake.input.task)
weights = task.weights_by_id if snakemake.params.get("weighted") else None
folds = {fold: weighed(read_predictions(path), weights) for fold, path in enumerate(snakemake.input.predictions)}
metrics = metrics_of_params(snakemake.params.metrics)

pooled = pool_out_of_fold(folds, f"run {step.run} of {step.task}")
options = snakemake.params.bootstrap, task.by_id("group"), snakemake.params.per_group
resampled = evaluate_out_of_fold(folds, metrics, *options)

pooled.write(snakemake.output.predictions)
network = {"task": step.task, "run": step.run, "fold": None}
tested = {"on": step.task, "split": OUT_OF_FOLD, "samples": len(pooled.ids), "folds": len(folds)}
tested["weighted"] = weights is not None
NetworkMetrics.of(evaluate(pooled, metrics), resampled, **network, **tested).write(snakemake.output.metrics)
resampled.write(snakemake.output.resampled)
