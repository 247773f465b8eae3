"""Write the pipeline of a run and its differences from the runs of the study."""

from mml_lib.files.atomic import write_text
from mml_lib.files.stored import yaml_text
from mml_lib.machine.terminal import print_line
from mml_lib.steps.open_step import open_step
from mml_lib.studies.project_models import explanation_text

open_step(snakemake)
explanation = snakemake.params.explanation

write_text(snakemake.output.explanation, yaml_text("run_explanation", explanation))
print_line(explanation_text(explanation))
