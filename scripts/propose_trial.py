"""Propose a trial from the results of earlier trials."""

from pathlib import Path

from mml_lib.config.analysis.search_options import Search
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.search.former_trials import former_trials
from mml_lib.search.next_trial import next_trial
from mml_lib.search.space import Space
from mml_lib.search.trials import Objective, Trial, TrialResult
from mml_lib.steps.open_step import open_step

step = open_step(snakemake, warm=True, gpus=False)
files, params = snakemake.input, snakemake.params
options = Search(**params.options)
base = Pipeline.read(Path(files.pipeline))
earlier = [record for path in files.previous for record in Trial.read(path).records]
results = [TrialResult.read(path) for path in files.results]

objectives = [Objective(**objective) for objective in params.objectives]
space = Space.of(options.space, params.present)
former = former_trials(files.former, space, objectives)
trial = next_trial(step.config, base, space, options, objectives, earlier, results, former)

trial.write(snakemake.output.trial)
