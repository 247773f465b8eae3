"""Write the pipeline of a run: all that decides its result."""

from mml_lib.files.atomic import write_text
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.steps.open_step import open_step

open_step(snakemake)

write_text(snakemake.output.pipeline, Pipeline(snakemake.params.content).to_yaml())
