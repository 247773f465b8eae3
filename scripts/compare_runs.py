"""Compare procedures, runs and ensembles on test samples: a leaderboard, and results for each class and group."""

from mml_lib.evaluation.comparisons.answer import Answer, ComparedNetwork
from mml_lib.evaluation.comparisons.answer_files import add_ensembles, add_networks, read_uncalibrated
from mml_lib.evaluation.comparisons.leaderboard import as_text
from mml_lib.files.atomic import write_text
from mml_lib.steps.compared_predictions import read_compared_predictions
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.metadata import read_metadata_table

open_step(snakemake)
files, params = snakemake.input, snakemake.params
networks = [ComparedNetwork.of(network) for network in params.networks]
answer = Answer(params.metrics, params.bootstrap, params.per_group, params.get("weighted", False))
for path in files.metadata:
    answer.metadata = read_metadata_table(path)
sizes = params.mask_transforms
predictions = read_compared_predictions(files.predictions, sizes and sizes["networks"], files.dataset, files.tasks)
of_ensembles = read_compared_predictions(files.ensembles, sizes and sizes["ensembles"], files.dataset, files.tasks)
add_networks(answer, networks, predictions, files.tasks)
if params.out_of_fold:
    answer = answer.pooled()
add_ensembles(answer, networks, files.ensemble_definitions, of_ensembles, params.ensemble_folds)

tables = answer.tables(read_uncalibrated(networks, files.uncalibrated))

for name, path in snakemake.output.items():
    write_text(path, tables[name].to_csv(index=False))
print("\n".join([as_text(tables["leaderboard"], params.metrics[0]), *(f"{note}." for note in params.notes)]))
