"""Choose the model that a run starts from."""

from mml_lib.models.model_selection import select_model
from mml_lib.models.model_storage import ModelStorage
from mml_lib.steps.open_step import open_step

step = open_step(snakemake)
seed, pretraining = step.pipeline.content["seed"], step.pipeline.pretraining
storages = [ModelStorage.read(path) for path in snakemake.input.models]

way, by, task = (pretraining[key] for key in ("model_selection", "by", "task"))

selection = select_model(pretraining["models"], storages, way, by, seed, task)

selection.write(snakemake.output.selection)
