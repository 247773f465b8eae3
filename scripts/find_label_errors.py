"""List samples whose labels are probably wrong, and pairs of classes by how well they can be distinguished."""

from mml_lib.audit.audit_tables import label_tables
from mml_lib.audit.audited_task import AuditedTask
from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import print_line
from mml_lib.predictions.predictions import read_predictions
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

open_step(snakemake)
task = AuditedTask(TaskDescription.read(snakemake.input.task))
predictions = [read_predictions(path) for path in snakemake.input.predictions]

labels, classes, estimates = label_tables(task, task.probabilities(predictions))

write_text(snakemake.output.labels, labels.to_csv(index=False))
write_text(snakemake.output.classes, classes.to_csv(index=False))
print_line(
    f"{task.name}: {len(labels)} of {estimates['samples']} labels are probably wrong (estimated noise "
    f"{estimates['noise']:.1%}, predictions agree with {estimates['agreement']:.1%} of the labels); pairs of classes "
    f"that are not told apart: {int(classes['alike'].sum())}"
)
