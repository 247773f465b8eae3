"""Decode a part of the images of a data set and pack them into arrays, with the moments of each image."""

from mml_lib.images.packing import copy_packed, pack, shard_rows
from mml_lib.images.packs.early_packs import take_early_pack
from mml_lib.images.packs.pack_names import check_pack_code
from mml_lib.images.stores.same_packs import other_packs, same_images
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.dataset import Dataset

open_step(snakemake)
check_pack_code(snakemake.wildcards.pack, snakemake.params.transforms)
dataset = Dataset.read(snakemake.input.dataset)
rows, packed = shard_rows(len(dataset.sizes), snakemake.wildcards.shard), snakemake.output.packed
others = other_packs(snakemake.params.pack, snakemake.params.root)

if len(rows) == len(dataset.sizes) and take_early_pack(snakemake.params.early_pack, dataset, packed):
    pass  # its images were packed while they were surveyed
elif (other := same_images(dataset, others, snakemake.params.manifests)) is not None:
    copy_packed(other, rows, packed)
else:
    pack(dataset, rows, snakemake.params.transforms, packed, threads=snakemake.threads)
