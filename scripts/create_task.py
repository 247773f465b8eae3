"""Describe a task: assign the samples of a data set to splits and folds."""

import os
from dataclasses import replace

from mml_lib.images.surveying import digest_images
from mml_lib.machine.terminal import say, warn, warnings_about
from mml_lib.steps.open_step import open_step
from mml_lib.studies.checks.class_names import check_described
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription, check_planned, check_weights, one_sided_labels
from mml_lib.tasks.mask_classes import check_masks
from mml_lib.tasks.sharing.matching import match_samples
from mml_lib.tasks.sharing.overlaps import images_twice
from mml_lib.tasks.sharing.redelivery import deliver_again
from mml_lib.tasks.sharing.shared_division import divide_images, take_division
from mml_lib.tasks.splits.copies import Copies
from mml_lib.tasks.splits.dividing import Splitting
from mml_lib.tasks.splits.splitting import assign, divided_by_reading
from mml_lib.tasks.tags.leaving_out import leave_out, read_planned
from mml_lib.tasks.targets import Targets

step = open_step(snakemake)
definition, learned, division = snakemake.params.definition, snakemake.params.targets, snakemake.params.division
manifest = Dataset.read(snakemake.input.dataset)
manifest = replace(manifest, digests=digest_images(manifest, snakemake.threads))  # older manifests have none
dataset, rows = manifest, list(range(len(manifest.sizes)))
if learned:
    with warnings_about(f"tasks.{definition['name']}"):
        delivery = deliver_again(learned, manifest.folder)
    dataset, rows = match_samples(manifest, delivery, definition["name"])

named = (definition["idx_to_class"], definition["name"], definition.get("colors"))
targets = Targets.of(dataset, *named)
for line in check_masks(dataset, *named):
    warn(line)
excluded = read_planned(named[1], snakemake.params.excluding_tables, definition.get("exclude"))
copies = Copies(dataset, named[1], snakemake.params.duplicates == "allow", excluded.ids)
splitting = Splitting.of(definition)
if division:
    places = deliver_again(division, manifest.folder, places=True) if division["arguments"] is not None else None
    of_images = divide_images(manifest, places, division["name"], splitting)
    assignment = take_division(of_images, dataset, rows, targets, named[1], copies)
else:
    assignment = assign(dataset.delivery.samples, targets, named[1], splitting, copies)
about = snakemake.params.about | divided_by_reading(assignment, snakemake.params.group_version)
task = TaskDescription.of(definition, dataset, targets, assignment, about, rows)
if excluded.ids:
    task = leave_out(task, excluded)
check_weights(task)
check_planned(task, snakemake.params.planned, dataset.delivery.splits)
for line in one_sided_labels(task.header):
    warn(line)
check_described(step.open_study().scheduler(step.mode), task.header)

task.write(snakemake.output.description)
for path in filter(os.path.isfile, snakemake.params.compared):
    for line in images_twice([TaskDescription.read(path), task]):
        say(line)
