"""List and draw all suspicious samples of a task, and write the tables of its audit as pages."""

import pandas as pd

from mml_lib.audit.audit_pages import PAGES, write_pages
from mml_lib.audit.audit_tables import KINDS, suspect_table
from mml_lib.files.atomic import write_text, write_whole_folder
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription

open_step(snakemake)
task = TaskDescription.read(snakemake.input.task)
dataset = Dataset.read(snakemake.input.dataset)
paths = {key: path for key in PAGES if (path := snakemake.input.get(key))}
tables = {key: pd.read_csv(path, dtype=KINDS) for key, path in paths.items()}

suspects = suspect_table(tables)

write_text(snakemake.output.suspects, suspects.to_csv(index=False))
with write_whole_folder(snakemake.output.pages) as folder:
    write_pages(folder, task, dataset, tables, suspects)
