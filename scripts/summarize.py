"""Summarize the metrics of procedures over seeds and folds: a table of folds, and one of means with intervals."""

from mml_lib.evaluation.fold_table import fold_table
from mml_lib.evaluation.network_metrics import NetworkMetrics
from mml_lib.evaluation.resampled import read_resampled
from mml_lib.evaluation.run_labels import labels_from_params
from mml_lib.evaluation.summary import as_text, summarize
from mml_lib.files.atomic import write_text
from mml_lib.steps.open_step import open_step

open_step(snakemake)
results = [NetworkMetrics.read(path) for path in snakemake.input.metrics]
resampled = [read_resampled(path) for path in snakemake.input.resampled]
labels = labels_from_params(snakemake.params.run_labels)

folds = fold_table([result for result in results if result.fold is not None], labels)
summary = summarize(results, resampled, labels)

write_text(snakemake.output.folds, folds.to_csv(index=False))
write_text(snakemake.output.summary, summary.to_csv(index=False))
print(as_text(summary, snakemake.params.notes))
