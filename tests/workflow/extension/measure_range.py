"""Write the least and the largest brightness of all tasks, those of other projects included."""

from pathlib import Path

from mml_lib.files.atomic import write_text
from mml_lib.files.checksums import verify
from mml_lib.steps.open_step import open_step

step = open_step(snakemake)
earlier = step.reused("shade_range")  # of no task
verify(*snakemake.input.shades, *earlier)
values = [float(Path(path).read_text().split()[1]) for path in snakemake.input.shades]
values += [float(value) for path in earlier for value in path.read_text().split()]

write_text(snakemake.output.shade_range, f"{min(values)} {max(values)}\n")
