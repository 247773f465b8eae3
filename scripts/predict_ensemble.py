"""Predict one split by an ensemble."""

from mml_lib.evaluation.ensembles.combining import combine
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage, Member
from mml_lib.evaluation.ensembles.fold_pools import pool_folds, spread
from mml_lib.steps.compared_predictions import read_compared_predictions
from mml_lib.steps.open_step import open_step

open_step(snakemake)
files = snakemake.input
predictions = read_compared_predictions(files.predictions, snakemake.params.mask_transforms, files.dataset, files.task)

ensemble = EnsembleStorage.read(snakemake.input.ensemble)
members = [Member(**tokens) for tokens in snakemake.params.members]
if snakemake.wildcards.eval == "val":  # each network predicts other samples: a member is a run with all its folds
    runs, predictions = pool_folds(members, predictions)
    places = [runs.index(member) for member in ensemble.members]
else:
    ensemble, places = spread(ensemble, members)
together = combine(ensemble, [predictions[place] for place in places])

together.write(snakemake.output.predictions)
