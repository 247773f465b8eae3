"""Hints: data sets of a study that no task uses, and tasks that could share one."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mml_lib.config.task_options import Task
from mml_lib.machine.terminal import summarized
from mml_lib.pipelines.digests import digest
from mml_lib.tasks.creators.creator_registry import Creator, get_creator

if TYPE_CHECKING:
    from mml_lib.studies.study import Study


def dataset_lines(study: "Study") -> Iterator[str]:
    """Yield a line for each data set that tasks share, with its folder and tasks."""
    for name, dataset in study.tasks.datasets.items():
        tasks = [task for task, options in study.cfg.tasks.items() if options and options.dataset == name]
        yield f"  data set {name} ({dataset.folder}) of {summarized(tasks)}"


def dataset_hints(study: "Study") -> Iterator[str]:
    """Yield a line for data sets that no task uses, and for each set of tasks that pack the same images separately."""
    if unused := [name for name in study.cfg.datasets if name not in study.tasks.datasets]:
        yield f"warning: no task uses {summarized(unused)} of datasets"
    owners: dict[str, dict[str, list[str]]] = {}
    places: dict[str, str] = {}
    for name, identity in study.tasks.bases.items():
        task = study.tasks.options_of(name)
        creator = get_creator(f"tasks.{name}", task.creator)
        if creator.sharing is not None:
            key = digest(_images(creator, task))
            owners.setdefault(key, {}).setdefault(identity.dataset, []).append(name)
            places[key] = str(task.arguments.get("path", "the same downloads"))
    for key, by_dataset in owners.items():
        if len(by_dataset) > 1:
            names = [name for tasks in by_dataset.values() for name in tasks]
            yield (
                f"{summarized(names)} pack images of {places[key]} {len(by_dataset)} times; `datasets:` unpacks, reads "
                "and packs them once (see config/guide/tasks.md)"
            )


def _images(creator: Creator, task: Task) -> dict[str, Any]:
    """Return the arguments that the images of a task depend on, but for the choice of some of them."""
    arguments = creator.arguments(task)
    if creator.images_alone is not None:
        arguments = creator.images_alone.arguments(arguments)
    keys = creator.sharing.keys if creator.sharing else ()
    images = {key: value for key, value in arguments.items() if key == "columns" or key not in keys}
    if task.is_seen and "path" in images:
        images["path"] = os.path.realpath(os.path.expanduser(str(images["path"])))
    downloads = sorted(file.checksum for file in task.downloads)
    return {"creator": creator.name, "images": images, "downloads": downloads, "options": task.image_options}
