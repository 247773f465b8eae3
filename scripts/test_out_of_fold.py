"""Pool what the networks of all folds predict of their validation samples, and compute the metrics of all together."""

from mml_lib.config.metric_options import OUT_OF_FOLD
from mml_lib.evaluation.evaluation import evaluate, network_estimates, network_intervals, write_metrics
from mml_lib.evaluation.out_of_fold import evaluate_out_of_fold, pool_out_of_fold
from mml_lib.evaluation.procedures import NETWORKS
from mml_lib.predictions.predictions import read_predictions
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

step = open_step(snakemake)
folds = dict(enumerate(map(read_predictions, snakemake.input.predictions)))
samples = TaskDescription.read(snakemake.input.task).samples
groups = dict(zip(samples["id"], samples["group"], strict=True))

pooled = pool_out_of_fold(folds, f"run {step.run} of {step.task}")
metrics = step.cfg.metrics_of(pooled.task_type)
resampled = evaluate_out_of_fold(folds, metrics, step.cfg.bootstrap, groups, snakemake.params.per_group)
values = resampled.by_metric() | evaluate(pooled, metrics)
estimates = network_estimates(resampled)
reasons = {metric: estimate.reason for metric, estimate in estimates.items() if estimate.reason}

about = {"task": step.task, "run": step.run, "fold": None, "on": step.task, "split": OUT_OF_FOLD}
about |= {
    "samples": len(pooled.ids),
    "folds": len(folds),
    "about": max((found.about for found in estimates.values()), default=NETWORKS),
}
pooled.write(snakemake.output.predictions)
write_metrics(snakemake.output.metrics, values, network_intervals(resampled), reasons, **about)
resampled.write(snakemake.output.resampled)
