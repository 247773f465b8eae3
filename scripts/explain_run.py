"""Write what makes a run, and how it differs from the runs of the study."""

from mml_lib.config.pipeline import yaml_text
from mml_lib.files.atomic import write_text
from mml_lib.files.terminal import say
from mml_lib.schedulers.project_models import explained
from mml_lib.schedulers.step import open_step

open_step(snakemake)
told = snakemake.params.told

write_text(snakemake.output.explanation, yaml_text("run_explanation", told))
say(explained(told))
