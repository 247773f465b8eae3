"""Compare procedures, runs and ensembles on test samples: a leaderboard, and what each class and group gets."""

from mml_lib.evaluation.comparisons.answer import Answer, ComparedNetwork
from mml_lib.evaluation.comparisons.leaderboard import as_text
from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import say
from mml_lib.predictions.predictions import read_predictions
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.metadata import read_metadata_table

open_step(snakemake)
tasks = {task.header["name"]: task for task in map(TaskDescription.read, snakemake.input.tasks)}
networks = [ComparedNetwork.of(params) for params in snakemake.params.networks]
answer = Answer(snakemake.params.metrics, snakemake.params.bootstrap, snakemake.params.per_group)
for path in snakemake.input.metadata:
    answer.metadata = read_metadata_table(path)
for network, path in zip(networks, snakemake.input.predictions, strict=True):
    answer.add(network, read_predictions(path), tasks[network.task])
if snakemake.params.out_of_fold:
    answer = answer.pooled()
for task, definition, path in zip(
    dict.fromkeys(network.task for network in networks),
    snakemake.input.ensemble_definitions,
    snakemake.input.ensembles,
    strict=False,
):
    answer.add_ensemble(EnsembleStorage.read(definition), read_predictions(path), snakemake.params.ensemble_folds[task])
uncalibrated = {}
for network, path in zip(networks, snakemake.input.uncalibrated, strict=False):
    uncalibrated.setdefault(network.run, {})[network.fold] = read_predictions(path)

resamples = answer.resample()
board = answer.leaderboard(resamples)
tables = {
    "leaderboard": board,
    "differences": answer.differences(resamples),
    "folds": answer.fold_tests(resamples),
    "classes": answer.classes(),
    "groups": answer.groups(),
    "calibration": answer.calibration(uncalibrated),
}

for name, table in tables.items():
    write_text(snakemake.output[name], table.to_csv(index=False))
say("\n".join([as_text(board, answer.metrics[0]), *(f"{note}." for note in snakemake.params.notes)]))
