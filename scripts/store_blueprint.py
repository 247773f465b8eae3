"""Keep the pipeline of a task's best run as a blueprint."""

from pathlib import Path

from mml_lib.config.pipeline import Pipeline
from mml_lib.files.atomic import write_text
from mml_lib.files.checksums import verify
from mml_lib.models.storage import ModelStorage
from mml_lib.schedulers.blueprints import blueprint
from mml_lib.schedulers.step import open_step

open_step(snakemake)
verify(*snakemake.input.pipelines)
pipelines = [Pipeline.read(Path(path)) for path in snakemake.input.pipelines]
storages = [ModelStorage.read(path) for path in snakemake.input.models]

text = blueprint(pipelines, storages, snakemake.params.by)

write_text(snakemake.output.blueprint, text)
