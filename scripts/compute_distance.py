"""Compute the distance from a source task to a target task."""

from dataclasses import replace
from itertools import zip_longest

from mml_lib.distances import MEASURES
from mml_lib.distances.pair_distances import PairDistance
from mml_lib.features.compared_tasks import head_probabilities, task_data
from mml_lib.steps.open_step import open_step

open_step(snakemake)
files, wildcards = snakemake.input, snakemake.wildcards
measure = MEASURES[wildcards.measure]
features = [None, *files.features] if measure.of_source_networks else list(files.features)
source, target = (
    task_data(task, of_task, fisher, labelled=measure.of_source_networks)
    for task, of_task, fisher in zip_longest(files.tasks, features, files.fisher)
)
for parameters in files.parameters:
    probabilities = head_probabilities(target.features, parameters, source.name)
    target = replace(target, probabilities=probabilities)

distance = measure.compare(source, target, measure.read_options(snakemake.params.options))

PairDistance.of(measure.name, source.name, target.name, distance).write(snakemake.output.distance)
