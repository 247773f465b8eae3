"""Download a file, resuming if possible, and check its checksum."""

from mml_lib.files.downloads import download
from mml_lib.steps.open_step import open_step

open_step(snakemake)

download(snakemake.params.url, snakemake.output.file, snakemake.wildcards.checksum)
