"""Select an ensemble of networks by their validation predictions."""

from mml_lib.evaluation.ensembles.ensemble_selection import select_ensemble
from mml_lib.evaluation.ensembles.ensemble_storage import Member
from mml_lib.evaluation.ensembles.final import calibrate_ensemble, ensemble_notes
from mml_lib.evaluation.ensembles.fold_pools import pool_folds
from mml_lib.evaluation.ensembles.options import EnsembleOptions
from mml_lib.machine.terminal import print_line
from mml_lib.predictions.predictions import weighed
from mml_lib.steps.compared_predictions import read_compared_predictions
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

step = open_step(snakemake)
task = TaskDescription.read(snakemake.input.task)
weights = task.weights_by_id if snakemake.params.get("weighted") else None
files = snakemake.input
predictions = read_compared_predictions(files.predictions, snakemake.params.mask_transforms, files.dataset, files.task)
predictions = [weighed(of_network, weights) for of_network in predictions]

runs, pooled = pool_folds([Member(**tokens) for tokens in snakemake.params.members], predictions)
options = EnsembleOptions(**snakemake.params.options)
groups = task.groups_of(pooled[0].ids.tolist())

ensemble = select_ensemble(step.task, runs, pooled, options, groups)
if options.calibrate:
    ensemble = calibrate_ensemble(ensemble, runs, pooled, groups)
for note in ensemble_notes(ensemble, runs, pooled):
    print_line(note)

ensemble.write(snakemake.output.ensemble)
