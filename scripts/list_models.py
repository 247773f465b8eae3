"""Write a table of all models of the project, with their files on disk."""

from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import print_line
from mml_lib.reports.model_table import add_labels, as_text, read_models
from mml_lib.steps.open_step import open_step
from mml_lib.studies.project_models import FOREIGN

open_step(snakemake)
models, problems = read_models(snakemake.params.models)

table = add_labels(models, snakemake.params.labels, without=FOREIGN)

write_text(snakemake.output.table, table.to_csv(index=False))
print_line("\n".join([*problems, as_text(table)]))
