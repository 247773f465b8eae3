"""List outliers, and blank, dark, over-exposed and blurred images of a task."""

from mml_lib.audit.audit_tables import fault_table, outlier_table
from mml_lib.audit.audited_task import AuditedTask
from mml_lib.audit.image_measures import ImageMeasures
from mml_lib.audit.neighbours import Neighbours
from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import print_line
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

open_step(snakemake)
task = AuditedTask(TaskDescription.read(snakemake.input.task))

outliers = outlier_table(task, Neighbours.read(snakemake.input.neighbours))
faults = fault_table(task, ImageMeasures.read(snakemake.input.measures))

write_text(snakemake.output.outliers, outliers.to_csv(index=False))
write_text(snakemake.output.faults, faults.to_csv(index=False))
counts = faults["fault"].value_counts()
listed = "".join(f", {count} {fault}" for fault, count in counts.items())
print_line(f"{task.name}: {len(outliers)} outliers{listed}")
