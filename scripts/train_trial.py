"""Train a trial on one fold, up to the epochs of its rung."""

from mml_lib.search.trials import Objective, Trial, TrialResult
from mml_lib.steps.open_step import open_step
from mml_lib.steps.trial_training import TrialTraining

step = open_step(snakemake, warm=True)
trial = Trial.read(snakemake.input.trial)
objectives = [Objective(**objective) for objective in snakemake.params.objectives]

if trial.record.failure:
    result = TrialResult(None, 0, None, trial.record.failure)
else:
    result = TrialTraining(step, trial, snakemake.params.epochs, objectives, snakemake.params.stores).result()

result.write(snakemake.output.result)
