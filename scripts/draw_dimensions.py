"""Draw the performance on tasks against their intrinsic dimension."""

import pandas as pd

from mml_lib.audit.dimension.dimension_figure import draw_dimensions
from mml_lib.steps.open_step import open_step

open_step(snakemake)
tasks = pd.read_csv(snakemake.input.tasks, dtype={"task": str})
models = pd.read_csv(snakemake.input.models, dtype={"task": str, "run": str})

draw_dimensions(tasks, models, snakemake.params.metrics, snakemake.output.plot)
