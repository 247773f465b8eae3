"""Draw learning curves, predictions and comparisons of the networks of a task."""

from mml_lib.evaluation.run_labels import labels_from_params
from mml_lib.files.atomic import write_whole_folder
from mml_lib.machine.forked_calls import ForkedCalls
from mml_lib.reports.gallery import Gallery
from mml_lib.reports.run_results import RunResults
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription
from mml_lib.training.tuning import Tuning

step = open_step(snakemake)
files, params = snakemake.input, snakemake.params
labels = labels_from_params(params.run_labels)
task, dataset = TaskDescription.read(files.task), Dataset.read(files.dataset)
tunings = map(Tuning.read, files.tuning)
paths = files.history, tunings, files.predictions, files.calibrated, files.ensemble, files.tables
results = RunResults.read(labels, params.networks, *paths)

options = params.metrics, params.bootstrap, params.per_group, params.out_of_fold, params.get("weighted", False)
standing = results.standing(task, *options)
order = results.order(standing)

with write_whole_folder(snakemake.output.figures) as folder:
    gallery = Gallery(folder, task, labels, params.metrics, params.transforms, ForkedCalls(step.threads))
    gallery.draw_task(dataset)
    gallery.draw_training(results.histories, order)
    gallery.draw_tuning(results.tunings, order)
    gallery.draw_predictions(results.delivered, order, dataset)
    gallery.draw_calibration(results.predictions, results.calibrated, order)
    gallery.draw_comparison(standing)
    gallery.draw_ensembles(results.ensembles, results.predictions)
    gallery.write_tables(results.tables)
    gallery.finish()
