"""Describe a task: assign the samples of a data set to splits and folds."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mml_lib.files.unpacking import UNPACKED
from mml_lib.images.surveying import digest_images
from mml_lib.machine.terminal import warn
from mml_lib.steps.open_step import open_step
from mml_lib.studies.checks.class_names import check_described
from mml_lib.tasks.creators.creator_registry import create
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription, check_planned, check_weights, one_sided_labels
from mml_lib.tasks.mask_classes import check_masks
from mml_lib.tasks.sharing.matching import match_samples
from mml_lib.tasks.splits.copies import Copies
from mml_lib.tasks.splits.splitting import Splitting, assign
from mml_lib.tasks.targets import Targets

step = open_step(snakemake)
definition, learned = snakemake.params.definition, snakemake.params.targets
dataset = Dataset.read(snakemake.input.dataset)
dataset = replace(dataset, digests=digest_images(dataset, snakemake.threads))  # older manifests have none
rows = list(range(len(dataset.sizes)))
if learned:
    files = dataset.folder / UNPACKED if learned["downloaded"] else None
    with TemporaryDirectory() as folder:  # creators may write files, which the data set has already
        delivery = create(learned["creator"], learned["arguments"], Path(folder), files)
    dataset, rows = match_samples(dataset, delivery, definition["name"])

named = (definition["idx_to_class"], definition["name"], definition.get("colors"))
targets = Targets.of(dataset, *named)
for line in check_masks(dataset, *named):
    warn(line)
copies = Copies(dataset, definition["name"], snakemake.params.duplicates == "allow")
assignment = assign(dataset.delivery.samples, targets, definition["name"], Splitting.of(definition), copies)
task = TaskDescription.of(definition, dataset, targets, assignment, snakemake.params.about, rows)
check_weights(task)
check_planned(task, snakemake.params.planned, dataset.delivery.splits)
for line in one_sided_labels(task.header):
    warn(line)
check_described(step.open_study().scheduler(step.mode), task.header)

task.write(snakemake.output.description)
