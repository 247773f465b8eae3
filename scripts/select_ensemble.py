"""Select an ensemble of networks by their validation predictions."""

from mml_lib.evaluation.ensembles.ensemble_selection import select_ensemble
from mml_lib.evaluation.ensembles.ensemble_storage import label
from mml_lib.evaluation.ensembles.final import calibrate_ensemble
from mml_lib.evaluation.ensembles.fold_pools import pool_folds
from mml_lib.evaluation.ensembles.options import EnsembleOptions
from mml_lib.evaluation.ensembles.pool import is_constant
from mml_lib.machine.terminal import say
from mml_lib.predictions.predictions import read_predictions
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

step = open_step(snakemake)
predictions = [read_predictions(path) for path in snakemake.input.predictions]
task = TaskDescription.read(snakemake.input.task)
groups = dict(zip(task.samples["id"], task.groups, strict=True))

runs, pooled = pool_folds(snakemake.params.members, predictions)
options = EnsembleOptions(**snakemake.params.options)
of_samples = [groups[id_] for id_ in pooled[0].ids.tolist()]
ensemble = select_ensemble(step.task, runs, pooled, options, of_samples)
if options.calibrate:
    ensemble = calibrate_ensemble(ensemble, runs, pooled, of_samples)
if losses := ensemble.calibration_losses:
    done = "are calibrated" if ensemble.calibration else "stay as they are"
    say(
        f"probabilities of the ensemble {done}: on held-out validation samples a final calibration changes their log "
        f"loss from {losses['before']:.4f} to {losses['after']:.4f}"
    )

for run, predicted in zip(runs, pooled, strict=True):
    if is_constant(predicted):
        taken = "is in the ensemble" if run in ensemble.members else "is left out of the ensemble"
        say(f"warning: {label(run)} predicts the same for all validation samples, it {taken}; train it otherwise")

ensemble.write(snakemake.output.ensemble)
