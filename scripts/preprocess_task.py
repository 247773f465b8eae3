"""Decode every image of a data set once and pack them into one array, with the moments of each image beside it."""

from mml_lib.data.packing import pack
from mml_lib.schedulers.step import open_step
from mml_lib.tasks.dataset import Dataset

open_step(snakemake)
dataset = Dataset.read(snakemake.input.dataset)
files = [dataset.image_path(row) for row in range(len(dataset.sizes))]

pack(
    files,
    snakemake.params.preprocessing,
    snakemake.output.images,
    snakemake.output.moments,
    threads=snakemake.threads,
)
