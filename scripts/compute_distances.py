"""Compute the missing distances between all pairs of tasks by one measure."""

from mml_lib.distances import MEASURES
from mml_lib.distances.pair_computation import compute_pairs
from mml_lib.distances.pair_distances import Pair, pairs_text
from mml_lib.features.compared_tasks import ComparedFiles
from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import print_line
from mml_lib.steps.open_step import open_step

open_step(snakemake)
params, measure = snakemake.params, MEASURES[snakemake.wildcards.measure]
options = measure.read_options(params.options)
files = snakemake.input
tasks = dict(zip(params.tasks, files.tasks, strict=True))
compared = ComparedFiles.of(measure, tasks, params.pairs, files.features, files.parameters, files.fisher)
pairs = [
    Pair(measure.name, *names, path, compared.definition(*names, options))
    for names, path in zip(params.pairs, params.files, strict=True)
]
missing = [pair for pair in pairs if pair.stored is None]

for pair, distance in compute_pairs(measure, options, missing, compared, snakemake.threads, compared.held):
    pair.store(distance)

write_text(snakemake.output.pairs, pairs_text([pair.stored for pair in pairs]))
print_line(f"{measure.name}: {len(missing)} distances computed, {len(pairs) - len(missing)} were stored")
