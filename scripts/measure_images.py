"""Measure the packed images of a task, and store thumbnails of them."""

from mml_lib.audit.image_measures import measure_images
from mml_lib.data.packed_rows import open_packed
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

open_step(snakemake)
task = TaskDescription.read(snakemake.input.task)
images = open_packed(snakemake.input.images)

measures = measure_images(images, task.samples["row"], task.samples["id"], snakemake.threads)

measures.write(snakemake.output.measures)
