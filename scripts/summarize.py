"""Sum up metrics over folds: one table of folds, one of means with intervals."""

from mml_lib.files.atomic import write_text
from mml_lib.files.terminal import say
from mml_lib.postprocessing.evaluation import read_metrics
from mml_lib.postprocessing.summary import as_text, fold_table, summarize
from mml_lib.schedulers.step import open_step

open_step(snakemake)
folds = fold_table([read_metrics(path) for path in snakemake.input.metrics], snakemake.params.shown)

summary = summarize(folds)

write_text(snakemake.output.folds, folds.to_csv(index=False))
write_text(snakemake.output.summary, summary.to_csv(index=False))
say(as_text(summary))
