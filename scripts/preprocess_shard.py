"""Decode a part of the images of a data set and pack them into arrays, with the moments of each image."""

from mml_lib.images.packing import pack, shard_rows
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.dataset import Dataset

open_step(snakemake)
dataset = Dataset.read(snakemake.input.dataset)
rows = shard_rows(len(dataset.sizes), snakemake.wildcards.shard)

pack(dataset, rows, snakemake.params.transforms, snakemake.output.packed, threads=snakemake.threads)
