"""Write the methods section of a paper, and its references, from the files of a study."""

import csv
import json
from pathlib import Path

from mml_lib.files.atomic import write_text
from mml_lib.files.checksums import verify
from mml_lib.pipelines.pipeline import Pipeline
from mml_lib.reports.methods.facts import StudyFacts, describe_metrics
from mml_lib.reports.methods.methods_text import methods_bibliography, methods_text
from mml_lib.steps.open_step import open_step
from mml_lib.tasks.description import TaskDescription

open_step(snakemake)
files, params = snakemake.input, snakemake.params
verify(*files.tasks, *files.models, files.summary)
tasks = [TaskDescription.read(path) for path in files.tasks]
with open(files.summary, newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))

facts = StudyFacts(
    tasks=[task.header for task in tasks],
    groups={task.header["name"]: task.number_of_groups for task in tasks if task.number_of_groups},
    pipelines=[Pipeline.read(Path(path)).content for path in files.pipelines],
    models=[json.loads(Path(path).read_text(encoding="utf-8")) for path in files.models],
    metrics=describe_metrics(params.metrics),
    evaluation=params.evaluation,
    rows=rows,
)
text = methods_text(facts)

write_text(snakemake.output.methods, text)
write_text(snakemake.output.references, methods_bibliography(text))
