"""Choose the training of the rung below that a slot of a rung continues."""

from pathlib import Path

from mml_lib.config.analysis.search_options import Search
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.search.next_trial import continued_trial, read_records
from mml_lib.search.trials import Objective, Trial
from mml_lib.steps.open_step import open_step

step = open_step(snakemake, warm=True, gpus=False)
files, params = snakemake.input, snakemake.params
base = Pipeline.read(Path(files.pipeline))
options = Search(**params.options)
objectives = [Objective(**objective) for objective in params.objectives]
previous = [Trial.read(path) for path in files.previous]
candidates = read_records(files.trials, files.results, objectives)

trial = continued_trial(step.config, base, options.early_stopping.factor, objectives[0], previous, candidates)

trial.write(snakemake.output.trial)
