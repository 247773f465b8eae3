"""Collect what a data set says of its samples in the columns that results are told by."""

from mml_lib.files.unpacking import UNPACKED
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.creators.creator_registry import read_metadata
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.metadata import check_sub_groups, write_metadata

step = open_step(snakemake)
source = snakemake.params.source
folder = Dataset.read(snakemake.input.dataset).folder

files = folder / UNPACKED if source["downloaded"] else None
columns = read_metadata(source["creator"], source["arguments"], source["columns"], files)
check_sub_groups(step.task, columns)

write_metadata(snakemake.output.metadata, columns)
