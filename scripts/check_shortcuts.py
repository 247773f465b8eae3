"""Check a task for shortcuts: targets that image size, format, border, metadata or features predict."""

from mml_lib.audit.audit_tables import shortcut_table
from mml_lib.audit.audited_task import AuditedTask
from mml_lib.audit.image_measures import ImageMeasures
from mml_lib.audit.task_shortcuts import task_shortcuts
from mml_lib.features.feature_files import Features
from mml_lib.files.atomic import write_text
from mml_lib.machine.terminal import print_line
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.metadata import read_metadata_table

open_step(snakemake)
task = AuditedTask(TaskDescription.read(snakemake.input.task))
dataset = Dataset.read(snakemake.input.dataset)
measures = ImageMeasures.read(snakemake.input.measures)
values = task.values(Features.load(snakemake.input.features))
columns = {name: column for path in snakemake.input.metadata for name, column in read_metadata_table(path).items()}

table = shortcut_table(task, task_shortcuts(task, dataset, measures, values, columns, snakemake.threads))

write_text(snakemake.output.shortcuts, table.to_csv(index=False))
for row in table[table["above_chance"]].itertuples():
    print_line(
        f"{task.name}: {row.target} can be told from {row.source}: balanced accuracy {row.balanced_accuracy:.2f} "
        f"[{row.ci_low:.2f}, {row.ci_high:.2f}], chance {row.chance:.2f}"
    )
