"""Write measured and requested resources of steps, and the forecast of the remaining steps."""

import pandas as pd

from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import print_line
from mml_lib.steps.open_step import open_step
from mml_lib.studies.resources.consumption import as_lines, as_rows

open_step(snakemake)
used = snakemake.params.used
table = pd.DataFrame(as_rows(used))

write_text(snakemake.output.table, table.to_csv(index=False))
print_line("\n".join([*as_lines(used), snakemake.params.ahead]))
