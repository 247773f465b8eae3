"""Write the mean brightness of a task's training images, and how often other projects have measured it."""

from mml_lib.files.atomic import write_text
from mml_lib.steps.open_step import open_step

step = open_step(snakemake)
struct = step.get_struct()
brightness = sum(struct.means) / 3
earlier = struct.reused["shades"]  # paths, of each project the latest last

write_text(snakemake.output.shades, f"{step.fold} {brightness:.3f} {len(struct.models)} {len(earlier)}\n")
