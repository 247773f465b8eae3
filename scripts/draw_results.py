"""Draw how the networks of a task learned, what they predict, and how they compare."""

from pathlib import Path

import pandas as pd

from mml_lib.evaluation.ensembles.ensemble_storage import EnsembleStorage
from mml_lib.evaluation.run_labels import labels_from_params
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

open_step(snakemake)
files, params = snakemake.input, snakemake.params
networks, metrics = params.networks, params.metrics
labels = labels_from_params(params.run_labels)
verify(*files.history, *files.tables)
task, dataset = TaskDescription.read(files.task), Dataset.read(files.dataset)
histories = by_run(networks["history"], map(pd.read_csv, files.history), labels)
tunings = by_run(networks["tuning"], map(Tuning.read, files.tuning), labels)
predictions = usable(by_run(networks["predictions"], map(read_predictions, files.predictions), labels))
calibrated = by_run(networks["calibrated"], map(read_predictions, files.calibrated), labels)
ensembles = {ensemble.task: ensemble for ensemble in map(EnsembleStorage.read, files.ensemble)}
tables = {Path(path).stem: read_comparison(path) for path in files.tables}

if "leaderboard" in tables:
    standing = long_form(tables["leaderboard"])
else:
    options = {"groups": task.by_id("group"), "procedures": procedures_of(labels)}
    options |= {"per_group": params.per_group, "out_of_fold": params.out_of_fold}
    standing = standing_of(predictions, metrics, params.bootstrap, **options)
order = best_first(standing, dict.fromkeys(label.run for label in labels.values()))

with write_whole_folder(snakemake.output.figures) as folder:
    gallery = Gallery(folder, task, labels, metrics, params.transforms)
    gallery.draw_task(dataset)
    gallery.draw_training(histories, order)
    gallery.draw_tuning(tunings, order)
    gallery.draw_predictions(predictions, order, dataset)
    gallery.draw_calibration(predictions, calibrated, order)
    gallery.draw_comparison(standing)
    gallery.draw_ensembles(ensembles, predictions)
    gallery.write_tables(tables)
