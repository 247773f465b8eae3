"""Join the shards of a packed data set."""

from mml_lib.images.packing import join
from mml_lib.images.stores.same_packs import other_packs
from mml_lib.machine.terminal import print_line
from mml_lib.steps.open_step import open_step

open_step(snakemake)
packed = snakemake.output.packed

for other in join(snakemake.input.shards, packed, other_packs(packed, snakemake.params.root)):
    print_line(f"{snakemake.wildcards.dataset}: its packed images are hard links to those of {other.parent.name}")
