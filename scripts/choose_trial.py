"""Choose one of the best trials as the pipeline of a run."""

from mml_lib.files.atomic import write_text
from mml_lib.search.best_trials import check_unchanged, choice_text, rank_trials
from mml_lib.search.next_trial import read_records
from mml_lib.search.trials import Objective, Trial
from mml_lib.steps.open_step import open_step

open_step(snakemake)
objectives = [Objective(**objective) for objective in snakemake.params.objectives]
records = read_records(snakemake.input.trials, snakemake.input.results, objectives)

record = rank_trials(records, objectives[0], snakemake.params.rank)
pipeline = next(
    trial.pipeline for path in snakemake.input.trials if (trial := Trial.read(path)).record.run == record.run
)

check_unchanged(snakemake.params.pipeline, record)
write_text(snakemake.output.choice, choice_text(record, pipeline, objectives, len(records), snakemake.params.rank))
