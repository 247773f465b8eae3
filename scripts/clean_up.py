"""List artefacts that no study uses and leftovers of killed runs; remove them if the study sets `force`."""

from mml_lib.cleaning.removal import Cleaning
from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import print_line
from mml_lib.reports.unused_table import as_csv, as_text
from mml_lib.steps.open_step import open_step

step = open_step(snakemake)
study = step.open_study()
cleaning = Cleaning(study)
with cleaning.hold_idle() as idle:
    unused, problems = cleaning.find(idle)
    if study.cfg.force and not problems:
        cleaning.remove(unused)

write_text(snakemake.output.table, as_csv(unused))
print_line(as_text(unused))
print_line("\n".join([*problems, *cleaning.advice(unused, problems)]))
if study.cfg.force and problems:
    raise MMLError(f"nothing is removed, as what a study needs might be among it: {problems[0]}; mend or remove it")
