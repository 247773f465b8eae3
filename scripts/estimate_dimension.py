"""Estimate the intrinsic dimension of a task from its pixels or features."""

import pandas as pd

from mml_lib.audit.audited_task import AuditedTask
from mml_lib.audit.dimension.intrinsic_dimension import as_columns, estimate_dimension
from mml_lib.audit.dimension.pixel_vectors import PixelVectors
from mml_lib.data.packed_rows import open_packed
from mml_lib.features.feature_files import Features
from mml_lib.files.atomic import write_text
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

open_step(snakemake)
options = dict(snakemake.params.options)
of = options.pop("of")
task = AuditedTask(TaskDescription.read(snakemake.input.task))
if of == "pixels":
    values = PixelVectors(open_packed(snakemake.input.values), task.task.samples["row"])
else:
    values = task.values(Features.load(snakemake.input.values))

dimension = estimate_dimension(values, **options, where=task.name)

row = {"task": task.name, "dimension_of": of, **as_columns(dimension)}
write_text(snakemake.output.dimension, pd.DataFrame([row]).round(3).to_csv(index=False))
