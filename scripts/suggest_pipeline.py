"""Suggest a pipeline and a source for a task."""

from pathlib import Path

from mml_lib.config.analysis.suggest_options import Suggestions
from mml_lib.files.atomic import write_text
from mml_lib.files.checksums import verify
from mml_lib.models.model_storage import ModelStorage
from mml_lib.pipelines.pipeline import Pipeline, pipeline_config
from mml_lib.steps.open_step import open_step
from mml_lib.studies.suggestions.near_sources import StoredNetwork, distances_to, find_sources, threshold_of
from mml_lib.studies.suggestions.suggested_pipelines import suggest, suggestion_text

step = open_step(snakemake)
files, params = snakemake.input, snakemake.params
options = Suggestions(**params.options)
distances = distances_to(snakemake.wildcards.task, files.distances)
verify(*files.pipelines)
pipelines = {path: Pipeline.read(Path(path)) for path in files.pipelines}
networks = [
    StoredNetwork(project, ModelStorage.read(model), pipelines[pipeline])
    for project, model, pipeline in zip(params.projects, files.models, files.pipelines, strict=True)
]

sources = find_sources(distances, networks, params.metrics, options.quantile, options.runs)
suggestion = suggest(int(snakemake.wildcards.number), sources, params.own, options, params.pretrainable)
pipeline_config(step.config, Pipeline(suggestion.content))  # its sections have to fit each other

threshold = threshold_of(list(distances.values()), options.quantile)
write_text(snakemake.output.suggestion, suggestion_text(suggestion, sources, params.own, options, threshold))
