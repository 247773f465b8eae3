"""Fetch a file, resuming if possible, and check its checksum."""

from mml_lib.files.fetching.fetch_file import fetch
from mml_lib.steps.open_step import open_step

open_step(snakemake)

fetch(snakemake.params.url, snakemake.output.file, snakemake.wildcards.checksum)
