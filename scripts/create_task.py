"""Describe a task: assign the samples of a data set to splits and folds."""

from mml_lib.images.surveying import with_digests
from mml_lib.machine.terminal import print_line, warn, warnings_about
from mml_lib.steps.open_step import open_step
from mml_lib.studies.checks.class_names import check_described
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription, check_created
from mml_lib.tasks.mask_classes import check_masks
from mml_lib.tasks.sharing.matching import match_samples
from mml_lib.tasks.sharing.overlaps import existing_images_twice
from mml_lib.tasks.sharing.redelivery import check_source_code, deliver_again, deliver_places
from mml_lib.tasks.sharing.shared_division import divide_images, take_division
from mml_lib.tasks.splits.copies import Copies
from mml_lib.tasks.splits.dividing import Splitting
from mml_lib.tasks.splits.splitting import assign, divided_by_reading
from mml_lib.tasks.tags.leaving_out import leave_out, read_planned
from mml_lib.tasks.targets import Targets

step = open_step(snakemake)
params, definition = snakemake.params, snakemake.params.definition
name = definition["name"]
manifest = with_digests(Dataset.read(snakemake.input.dataset), snakemake.threads)
dataset, rows = manifest, list(range(len(manifest.sizes)))
check_source_code(definition)
if params.targets:
    with warnings_about(f"tasks.{name}"):
        delivery = deliver_again(params.targets, manifest.folder)
    dataset, rows = match_samples(manifest, delivery, name)

classes = (definition["idx_to_class"], name, definition.get("colors"))
targets = Targets.of(dataset, *classes)
for line in check_masks(dataset, *classes):
    warn(line)
excluded = read_planned(name, params.excluding_tables, definition.get("exclude"))
copies = Copies(dataset, name, params.duplicates == "allow", excluded.ids)
splitting = Splitting.of(definition)
if division := params.division:
    places = deliver_places(division, manifest.folder)
    divided_images = divide_images(manifest, places, division["name"], splitting)
    assignment = take_division(divided_images, dataset, rows, targets, name, copies)
else:
    assignment = assign(dataset.delivery.samples, targets, name, splitting, copies)
about = params.about | divided_by_reading(assignment, params.group_version)
task = TaskDescription.of(definition, dataset, targets, assignment, about, rows)
task = leave_out(task, excluded) if excluded.ids else task
for line in check_created(task, params.planned, dataset.delivery.splits):
    warn(line)
check_described(step.open_study().scheduler(step.mode), task.header)

task.write(snakemake.output.description)
for line in existing_images_twice(task, params.compared):
    print_line(line)
