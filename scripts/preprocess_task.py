"""Join the shards of a packed data set."""

from mml_lib.images.packing import join
from mml_lib.steps.open_step import open_step

open_step(snakemake)

join(snakemake.input.shards, snakemake.output.packed)
