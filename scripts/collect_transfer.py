"""Collect the gain of each source on each target by one metric, and its rank correlation with distances."""

from mml_lib.distances.pair_distances import read_distances
from mml_lib.evaluation.comparisons import rank_correlations
from mml_lib.evaluation.comparisons.rank_correlations import correlation_table
from mml_lib.evaluation.comparisons.tested import read_tested
from mml_lib.evaluation.comparisons.transfer_gains import as_text, gain_matrix, gain_table, sentences
from mml_lib.files.atomic import write_text, write_whole_folder
from mml_lib.machine.terminal import print_line
from mml_lib.reports.pages import table_page
from mml_lib.reports.question_figures import draw_transfer
from mml_lib.steps.open_step import open_step

open_step(snakemake)
metric = snakemake.wildcards.metric
networks = read_tested(snakemake.params.networks, snakemake.input.resampled, snakemake.input.tasks)

gains = gain_table(networks, snakemake.params.transfers, metric)

paths = {measure: stored["path"] for measure, stored in snakemake.params.stored.items()}
paths |= dict(zip(snakemake.params.measures, snakemake.input.distances, strict=True))
distances = {measure: read_distances(path) for measure, path in paths.items()}
correlations = correlation_table(gains, distances, snakemake.params.targets)

write_text(snakemake.output.matrix, gain_matrix(gains).to_csv())
write_text(snakemake.output.gains, gains.to_csv(index=False))
write_text(snakemake.output.correlations, correlations.to_csv(index=False))
with write_whole_folder(snakemake.output.plots) as folder:
    draw_transfer(gains, metric, distances, correlations, folder / "gains.svg")
    notes = [sentence.removesuffix(".") for sentence in sentences(gains)]
    page = table_page(f"gains in {metric} over training from scratch", gains, f"{metric}-gains.csv", notes)
    write_text(folder / "gains_table.html", page)
    if distances:
        page = table_page(f"gains in {metric} and distances", correlations, f"{metric}-distances.csv")
        write_text(folder / "distances_table.html", page)
print_line("\n".join([as_text(gains), *([rank_correlations.as_text(correlations)] if distances else [])]))
