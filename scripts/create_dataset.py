"""Make or find the images of a data set and write its manifest, image sizes included."""

from pathlib import Path

from mml_lib.data.decoding import read_size
from mml_lib.schedulers.step import open_step
from mml_lib.tasks.creators.registry import create
from mml_lib.tasks.dataset import Dataset, check_delivery

open_step(snakemake)
name = snakemake.wildcards.dataset
source = snakemake.params.source
folder = Path(snakemake.output.dataset).parent

delivery = create(source["creator"], source["arguments"], folder)
check_delivery(delivery, name)
sizes = [read_size(folder / sample.image) for sample in delivery.samples]

Dataset(name, delivery, sizes, folder).write(snakemake.output.dataset)
