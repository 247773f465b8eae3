"""List near duplicates between images of different data sets."""

import numpy as np

from mml_lib.audit.audit_tables import shared_table
from mml_lib.audit.audited_task import AuditedTask
from mml_lib.audit.image_measures import ImageMeasures
from mml_lib.audit.near_duplicates import find_near_duplicates
from mml_lib.audit.neighbours import check_features, nearest_neighbours, scaled
from mml_lib.features.feature_files import Features
from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import print_line
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

open_step(snakemake)
options = dict(snakemake.params.options)
number = options.pop("neighbours")
tasks = [AuditedTask(TaskDescription.read(path)) for path in snakemake.input.tasks]
thumbnails = np.concatenate([ImageMeasures.read(path).thumbnails for path in snakemake.input.measures])
paths = zip(tasks, snakemake.input.features, strict=True)
values = np.concatenate([task.values(Features.load(path)) for task, path in paths])
check_features(values, "all tasks", number)

neighbours = nearest_neighbours(scaled(values), number, snakemake.threads)
pairs = find_near_duplicates(thumbnails, neighbours, **options, threads=snakemake.threads)
table = shared_table(tasks, pairs)

write_text(snakemake.output.duplicates, table.to_csv(index=False))
print_line(f"{len(table)} pairs of near duplicates across data sets")
