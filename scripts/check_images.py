"""Refuse leakage: compare the images of tasks by their content, so that no test image is a training image."""

from mml_lib.files.atomic import write_text
from mml_lib.files.stored import json_text
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.image_guards import ImageGuard
from mml_lib.tasks.sharing.overlaps import compare_images

open_step(snakemake)
guards = [ImageGuard.of_json(guard) for guard in snakemake.params.guards]
tasks = [TaskDescription.read(path) for path in (*snakemake.input.descriptions, *snakemake.params.described)]

compared = compare_images(guards, tasks)

write_text(snakemake.output.overlaps, json_text("overlaps", {"guards": compared}))
