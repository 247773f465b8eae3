"""Derive a task from its base by its last tag."""

from mml_lib.config.task_options import SEPARATOR
from mml_lib.images.surveying import with_digests
from mml_lib.steps.open_step import open_step
from mml_lib.studies.checks.class_names import check_described
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription, check_weights
from mml_lib.tasks.sharing.nested_division import NestedDivision
from mml_lib.tasks.sharing.redelivery import check_source_code, deliver_places
from mml_lib.tasks.splits.dividing import Splitting
from mml_lib.tasks.tags import apply_tag
from mml_lib.tasks.task_identity import check_tag_code

step = open_step(snakemake)
definition = snakemake.params.definition
check_tag_code(definition)
base = TaskDescription.read(snakemake.input.base)
nested = None
if snakemake.input.dataset:
    division, manifest = snakemake.params.division, Dataset.read(snakemake.input.dataset)
    manifest = with_digests(manifest, snakemake.threads)
    check_source_code(definition)
    places = deliver_places(division, manifest.folder)
    nested = NestedDivision(manifest, places, division["name"], Splitting.of(definition)).nested

tag = definition["name"].split(SEPARATOR)[-1]
task = apply_tag(base, tag, nested).renamed(definition)
check_weights(task)
check_described(step.open_study().scheduler(step.mode), task.header)

task.write(snakemake.output.description)
