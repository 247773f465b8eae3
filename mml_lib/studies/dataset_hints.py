"""Hints: data sets of a study that no task uses, and tasks that could share one."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mml_lib.config.task_options import Task
from mml_lib.machine.terminal import summarized
from mml_lib.tasks.creators.creator_registry import get_creator
from mml_lib.tasks.creators.helpers.image_sketch import overlap, sketch_of_all

if TYPE_CHECKING:
    from mml_lib.studies.study import Study

SAME = 0.5
"""Share of common images from which two data sets are named."""


def dataset_lines(study: "Study") -> Iterator[str]:
    """Yield a line for each data set that tasks share, with its folder and tasks."""
    for name, dataset in study.tasks.datasets.items():
        tasks = [task for task, options in study.cfg.tasks.items() if options and options.dataset == name]
        yield f"  data set {name} ({dataset.folder}) of {summarized(tasks)}"


def dataset_hints(study: "Study") -> Iterator[str]:
    """Yield a line for data sets that no task uses, and for tasks that pack the same images separately."""
    if unused := [name for name in study.cfg.datasets if name not in study.tasks.datasets]:
        yield f"warning: no task uses {summarized(unused)} of datasets"
    for names, count in _packed_several_times(study):
        paths = [study.tasks.options_of(name).arguments.get("path") for name in names]
        is_one = len({path and Path(path).resolve() for path in paths}) == 1
        place = f"images of {paths[0] or 'the same downloads'}" if is_one else "the same images"
        yield (
            f"{summarized(names)} pack {place} {count} times; one of `datasets:` for all of them unpacks, "
            "reads and packs these once (see config/guide/shared_datasets.md)"
        )


def _packed_several_times(study: "Study") -> Iterator[tuple[list[str], int]]:
    """Yield the tasks of data sets that have images in common, and the number of these data sets."""
    by_dataset: dict[str, list[str]] = {}
    for name, identity in study.tasks.bases.items():
        by_dataset.setdefault(identity.dataset, []).append(name)
    groups: list[list[str]] = []
    for dataset, names in by_dataset.items():
        others = [group for group in groups if any(_have_common_images(study, by_dataset[old], names) for old in group)]
        groups = [group for group in groups if group not in others] + [[*(old for g in others for old in g), dataset]]
    for group in groups:
        if len(group) > 1:
            yield [name for dataset in group for name in by_dataset[dataset]], len(group)


def _have_common_images(study: "Study", first: Sequence[str], second: Sequence[str]) -> bool:
    """Return True if the tasks of two data sets read the same images in the same way."""
    options = [study.tasks.options_of(names[0]) for names in (first, second)]
    if options[0].image_options != options[1].image_options or len({*map(_masks, options)} - {None}) > 1:
        return False  # one data set could not have both
    sketches = [sketch_of_all([study.tasks.bases[name].files for name in names]) for names in (first, second)]
    if all(sketches):
        return overlap(*sketches) > SAME
    ours, theirs = map(_images, options)
    return ours is not None and ours == theirs


def _masks(task: Task) -> str | None:
    """Return the column or folder of a task's masks."""
    columns = task.arguments.get("columns") or {}
    return columns.get("mask") or task.arguments.get("masks")


def _images(task: Task) -> dict[str, Any] | None:
    """Return the arguments of a task's images, without the selection of images; None if they cannot be shared.

    Planning cannot look at these images, as they are downloaded or made by a rule.
    """
    creator = get_creator("tasks", task.creator)
    if creator.sharing is None:
        return None
    arguments = creator.arguments(task)
    if creator.images_alone is not None:
        arguments = creator.images_alone.arguments(arguments)
    images = {key: value for key, value in arguments.items() if key == "columns" or key not in creator.sharing.keys}
    downloads = sorted(file.checksum for file in task.downloads)
    return {"creator": creator.name, "images": images, "downloads": downloads}
