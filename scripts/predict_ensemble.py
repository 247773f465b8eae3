"""Predict one split by an ensemble."""

from mml_lib.postprocessing.ensembles.combining import combine
from mml_lib.postprocessing.ensembles.folds import spread
from mml_lib.postprocessing.ensembles.storage import EnsembleStorage
from mml_lib.postprocessing.predictions import read_predictions
from mml_lib.schedulers.step import open_step

open_step(snakemake)
predictions = [read_predictions(path) for path in snakemake.input.predictions]

ensemble, places = spread(EnsembleStorage.read(snakemake.input.ensemble), snakemake.params.members)
together = combine(ensemble, [predictions[place] for place in places])

together.write(snakemake.output.predictions)
