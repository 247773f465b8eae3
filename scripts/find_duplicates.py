"""List near duplicates among the images of a task."""

from mml_lib.audit.audit_tables import duplicate_table
from mml_lib.audit.audited_task import AuditedTask
from mml_lib.audit.image_measures import ImageMeasures
from mml_lib.audit.near_duplicates import find_near_duplicates
from mml_lib.audit.neighbours import Neighbours
from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import print_line
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

open_step(snakemake)
options = snakemake.params.options
task = AuditedTask(TaskDescription.read(snakemake.input.task))
thumbnails = ImageMeasures.read(snakemake.input.measures).thumbnails
neighbours = Neighbours.read(snakemake.input.neighbours)

pairs = find_near_duplicates(thumbnails, neighbours, **options, threads=snakemake.threads)
table = duplicate_table(task, pairs)

write_text(snakemake.output.duplicates, table.to_csv(index=False))
across = int((table["relation"] == "across splits").sum())
print_line(f"{task.name}: {len(table)} pairs of near duplicates, {across} of them across splits")
