"""Keep the pipeline of a task's best run as a blueprint."""

from pathlib import Path

from mml_lib.files.atomic import write_text
from mml_lib.files.checksums import verify
from mml_lib.models.model_storage import ModelStorage
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.steps.open_step import open_step
from mml_lib.studies.blueprints import blueprint

open_step(snakemake)
verify(*snakemake.input.pipelines)
pipelines = [Pipeline.read(Path(path)) for path in snakemake.input.pipelines]
storages = [ModelStorage.read(path) for path in snakemake.input.models]

text = blueprint(pipelines, storages, snakemake.params.by)

write_text(snakemake.output.blueprint, text)
