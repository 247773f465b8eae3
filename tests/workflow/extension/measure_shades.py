"""Write the mean brightness of a task's training images."""

from mml_lib.files.atomic import write_text
from mml_lib.schedulers.step import open_step

step = open_step(snakemake)
struct = step.get_struct()

write_text(snakemake.output.shades, f"{step.fold} {sum(struct.means) / 3:.3f} {len(struct.models)}\n")
