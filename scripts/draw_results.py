"""Draw how the networks of a task learned, what they predict, and how they compare."""

from pathlib import Path

import pandas as pd

from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
from mml_lib.files.atomic import write_whole_folder
from mml_lib.files.checksums import verify
from mml_lib.predictions.predictions import read_predictions
from mml_lib.reports.gallery import (
    Gallery,
    best_first,
    by_run,
    long_form,
    procedures_of,
    read_comparison,
    standing_of,
    usable,
)
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription
from mml_lib.training.tuning import Tuning

READERS = {
    "history": pd.read_csv,
    "tuning": Tuning.read,
    "predictions": read_predictions,
    "calibrated": read_predictions,
}

step = open_step(snakemake)
shown, metrics = snakemake.params.shown, snakemake.params.metrics
task, dataset = TaskDescription.read(snakemake.input.task), Dataset.read(snakemake.input.dataset)
verify(*snakemake.input.history, *snakemake.input.tables)
found = {
    key: by_run(((step.fm.wildcards(key, path), read(path)) for path in snakemake.input[key]), shown)
    for key, read in READERS.items()
}
ensembles = {ensemble.task: ensemble for ensemble in map(EnsembleStorage.read, snakemake.input.ensemble)}
tables = {Path(path).stem: read_comparison(path) for path in snakemake.input.tables}
predictions = usable(found["predictions"])

if "leaderboard" in tables:
    standing = long_form(tables["leaderboard"])
else:
    groups = dict(zip(task.samples["id"], task.samples["group"], strict=True))
    resamples = snakemake.params.bootstrap
    standing = standing_of(
        predictions,
        metrics,
        resamples,
        groups,
        procedures_of(shown),
        snakemake.params.per_group,
        snakemake.params.out_of_fold,
    )
order = best_first(standing, dict.fromkeys(told["run"] for told in shown.values()))

with write_whole_folder(snakemake.output.figures) as folder:
    gallery = Gallery(folder, task, shown, metrics, snakemake.params.transforms)
    gallery.draw_task(dataset)
    gallery.draw_training(found["history"], order)
    gallery.draw_tuning(found["tuning"], order)
    gallery.draw_predictions(predictions, order, dataset)
    gallery.draw_calibration(predictions, found["calibrated"], order)
    gallery.draw_comparison(standing)
    gallery.draw_ensembles(ensembles, predictions)
    gallery.write_tables(tables)
