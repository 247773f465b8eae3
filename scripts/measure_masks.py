"""Write the metrics of predicted masks for each class, with intervals, and for each image and class."""

from functools import partial

from mml_lib.errors import MMLError
from mml_lib.evaluation.mask_tables import ORIGINAL, MeasuredMasks, class_metrics, image_metrics
from mml_lib.files.atomic import write_text
from mml_lib.images.restoring import original_masks
from mml_lib.images.transforms import is_restorable
from mml_lib.machine.terminal import warn
from mml_lib.metrics.surfaces import MaskPair
from mml_lib.predictions.predictions import read_predictions, weighed
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.struct import TaskStruct

step = open_step(snakemake)
task = TaskStruct(step.eval_task, {"description": snakemake.input.task})
description = TaskDescription.read(snakemake.input.task)
weights = description.weights_by_id if snakemake.params.get("weighted") else None
predictions = weighed(read_predictions(snakemake.input.predictions), weights)
groups = description.by_id("group")
dataset, transforms = Dataset.read(snakemake.input.dataset), snakemake.params.transforms
metrics = snakemake.params.metrics
ids, classes = predictions.ids, predictions.classes
measure = partial(MeasuredMasks.of, ids=ids, classes=classes, metrics=metrics, weights=predictions.weights)

measured = [measure(MaskPair(*masks) for masks in predictions.images())]
if is_restorable(transforms):
    row_of = description.by_id("row")
    rows = [row_of[id_] for id_ in ids.tolist()]
    pairs = original_masks(predictions.images(), rows, dataset, task.lookup, transforms)
    try:
        measured.append(measure(pairs, suffix=ORIGINAL))
    except MMLError as error:  # packed images are enough for all else
        warn(f"{task.name} is not measured at the original size: {error}")

by_class = class_metrics(measured, task.classes, metrics, snakemake.params.bootstrap, groups)
by_image = image_metrics(measured, task.classes, metrics, groups)

write_text(snakemake.output.classes, by_class.to_csv(index=False))
write_text(snakemake.output.images, by_image.to_csv(index=False))
