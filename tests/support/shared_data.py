"""Data sets that tasks of a study share, made and matched as their steps do."""

from pathlib import Path
from typing import Any

from mml_lib.config.loading import load_study, open_files
from mml_lib.images.drawing.drawn_masks import draw_masks
from mml_lib.images.readers.frames import expand_frames
from mml_lib.images.surveying import survey_images
from mml_lib.studies.runs import Runs
from mml_lib.studies.study_tasks import StudyTasks
from mml_lib.tasks.creators.creator_registry import create
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.delivery_checks import check_delivery
from mml_lib.tasks.sharing.matching import match_samples
from mml_lib.tasks.sharing.redelivery import deliver_places
from mml_lib.tasks.sharing.shared_division import divide_images, take_division
from mml_lib.tasks.splits.copies import Copies
from mml_lib.tasks.splits.dividing import Splitting
from mml_lib.tasks.splits.splitting import assign
from mml_lib.tasks.targets import Targets
from tests.support.studies import study

FOLDER = Path("d")


def shared_tasks(dataset: dict[str, Any], tasks: dict[str, dict[str, Any]]) -> StudyTasks:
    """Return the tasks of a study, all on one data set."""
    keys = {name: {"dataset": "shared", **task} for name, task in tasks.items()}
    cfg = load_study(study(datasets={"shared": dataset}, tasks=keys))
    fm = open_files(cfg)
    return StudyTasks(cfg, fm, Runs(fm))


def make_dataset(tasks: StudyTasks, name: str) -> Dataset:
    """Make the data set of a task."""
    source = tasks.source(tasks[name].dataset)
    delivery = create(source["creator"], source["arguments"], FOLDER, images_alone=source.get("images_alone", False))
    delivery = draw_masks(delivery, FOLDER, 1)
    check_delivery(delivery, "d")
    return survey_images(expand_frames(delivery, "d", FOLDER, 1), "d", FOLDER, 1)


def match(tasks: StudyTasks, name: str, dataset: Dataset) -> tuple[Dataset, list[int]]:
    """Match the samples of a task, and return the data set with them and their rows."""
    targets = tasks.targets(tasks[name].definition())
    if targets is None:
        return dataset, list(range(len(dataset.sizes)))
    return match_samples(dataset, create(targets["creator"], targets["arguments"], FOLDER), name)


def assignment_of(tasks: StudyTasks, name: str, dataset: Dataset) -> dict[str, tuple[str, int]]:
    """Return split and fold of each image of a task, by its file, as the step `create_task` assigns them."""
    definition = tasks[name].definition()
    matched, rows = match(tasks, name, dataset)
    targets = Targets.of(matched, definition["idx_to_class"], name, definition.get("colors"))
    splitting, copies = Splitting.of(definition), Copies(matched, name)
    if division := tasks.division(definition):
        places = deliver_places(division, FOLDER)
        divided_images = divide_images(dataset, places, division["name"], splitting)
        assignment = take_division(divided_images, matched, rows, targets, name, copies)
    else:
        assignment = assign(matched.delivery.samples, targets, name, splitting, copies)
    files = [Path(sample.image).name for sample in matched.delivery.samples]
    return dict(zip(files, zip(assignment.split, assignment.fold, strict=True), strict=True))
