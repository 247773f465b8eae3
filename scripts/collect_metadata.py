"""Collect the columns of a data set by which results are grouped."""

from mml_lib.files.unpacking import UNPACKED
from mml_lib.images.readers.header_fields import collect_columns
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.metadata import check_sub_groups, write_metadata

step = open_step(snakemake)
source = snakemake.params.source
dataset = Dataset.read(snakemake.input.dataset)

files = dataset.folder / UNPACKED if source["downloaded"] else None
columns = collect_columns(dataset, step.task, source, files)
check_sub_groups(step.task, columns)

write_metadata(snakemake.output.metadata, columns)
