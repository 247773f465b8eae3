"""Extract the features of all samples of a task by a frozen backbone."""

from pathlib import Path

from mml_lib.config.feature_options import Extraction
from mml_lib.features.feature_files import Features
from mml_lib.steps.feature_step import choose_weights, extracted_features
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.struct import TaskStruct

step = open_step(snakemake, warm=True)
files, params, name = snakemake.input, snakemake.params, snakemake.wildcards.extractor
options = Extraction(**params.options)
paths = {"description": Path(files.task), "packed": Path(files.images)}
task = TaskStruct(snakemake.wildcards.task, paths)
weights = choose_weights(options, params.candidates, files.models, files.parameters, params.by)

with extracted_features(step, task, options, weights, name, params.parts) as values:
    features = Features.of(task, values, name)
    features.save(snakemake.output.features)
