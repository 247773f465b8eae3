"""Collect the distances between tasks by one measure, and draw them."""

from mml_lib.distances import MEASURES
from mml_lib.distances.pair_distances import combined_table, distance_table, read_distances, read_pairs
from mml_lib.files.atomic import write_text, write_whole_folder
from mml_lib.reports.distances.distance_figures import draw_distances
from mml_lib.steps.open_step import open_step

open_step(snakemake)
params, measure = snakemake.params, MEASURES[snakemake.wildcards.measure]

if measure.combines:
    parts = {name: read_distances(path) for name, path in zip(params.parts, snakemake.input.combined, strict=True)}
    table = combined_table(parts, measure, measure.read_options(params.options), params.tasks)
else:
    table = distance_table(read_pairs(snakemake.input.pairs[0], measure.name), measure, params.tasks)

columns = table if params.pivot is None else table[[params.pivot]]
write_text(snakemake.output.distances, columns.to_csv(index_label="source"))
with write_whole_folder(snakemake.output.plots) as folder:
    draw_distances(table, measure.name, params.pivot, folder)
