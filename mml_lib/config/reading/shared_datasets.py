"""Data sets that tasks share: `dataset: chexpert` adds the keys of `datasets.chexpert` to a task."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from mml_lib.config.reading.catalogue_entries import CATALOGUE, resolve_catalogue
from mml_lib.config.reading.presets import merge
from mml_lib.config.reading.scalars import plain, text_of
from mml_lib.errors import MMLError, nearest

DATASET = "dataset"
"""Key of a task that names its data set."""

ORIGIN = ("creator", "downloads")
"""Keys of a data set that state the origin of its images."""

OF_DATASET = (*ORIGIN, "path", "masks", "made_by_rule", "splits", "images", "image", "mask", "box", "rle")
"""Keys that determine images and masks; all tasks of a data set have them in common."""

OF_TASK = ("duplicates", "metadata", DATASET)
"""Keys that each task sets itself."""

DIVIDING = ("folds", "fold_0_fraction", "test_fraction", "seed", "fold_time_limit")
"""Keys of a division, which a data set may declare for all of its tasks."""

COLUMNS = ("image", "label", "labels", "value", "mask", "split", "group", "fold", "weight", "box", "rle")
"""Columns of a table that may be written without `columns`."""

TARGETS = ("label", "labels", "value", "mask")
"""Targets; a task learns one of them."""

SHAPES = ("box", "rle")
"""Columns of shapes, whose classes are in the column `label`."""

MEANINGS = ("idx_to_class", "colors")
"""Keys that state the meaning of a target's values."""

COLUMN_OF_TYPE = {"regression": "value", "multilabel_classification": "labels"}
"""Column of targets by task type, if the study writes it as `label`."""

Section = Mapping[str, Any]


def resolve_datasets(config: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """Return a config whose tasks contain the keys of their catalogue entries and data sets, overlaid by their own.

    Args:
        config: config of a study.
        folders: folders of presets.

    Raises:
        MMLError: there is no such data set or entry, or a key is in the wrong section.
    """
    owners, stated = _owners(config), config
    config = resolve_catalogue(config, folders)
    datasets = {name: _flat(f"datasets.{name}", keys) for name, keys in _mappings(config, "datasets").items()}
    tasks = {name: _flat(f"tasks.{name}", keys) for name, keys in _mappings(config, "tasks").items()}
    joined = {name: _joined(name, keys, datasets.get(owners.get(name, ""))) for name, keys in tasks.items()}
    images = {name: _without_tasks(keys, _mappings(stated, "datasets")[name]) for name, keys in datasets.items()}
    resolved = dict(config)
    for section, entries in (("datasets", images), ("tasks", joined)):
        if entries:
            resolved[section] = {**config[section], **{name: _with_columns(keys) for name, keys in entries.items()}}
    return resolved


def _without_tasks(keys: Section, stated: Section) -> dict[str, Any]:
    """Return the keys of a data set without those of its tasks.

    Args:
        keys: keys of the data set and its catalogue entry.
        stated: keys of the data set in the study. Only these declare a division; that of an entry belongs to each task.
    """
    task_keys = (*OF_TASK, *(key for key in DIVIDING if key not in stated))
    return {key: value for key, value in keys.items() if key not in task_keys}


def _owners(config: Mapping[str, Any]) -> dict[str, str]:
    """Check the keys of data sets and tasks, and return the data set of each task that names one.

    Raises:
        MMLError: there is no such data set, or a key is in the wrong section.
    """
    datasets, owners = config.get("datasets") or {}, {}
    if not isinstance(datasets, Mapping):
        raise MMLError(
            f"datasets: {datasets!r} is not a mapping; write {{chexpert: {{creator: csv, path: images.csv}}}}"
        )
    for name, keys in _mappings(config, "datasets").items():
        _refuse_keys(f"datasets.{name}", keys, OF_TASK, "each task has its own; write it there")
    for name, keys in _mappings(config, "tasks").items():
        if DATASET in keys:
            owners[name] = _owner(name, keys, datasets)
            remedy = f"it belongs to the data set; write it in datasets.{owners[name]}"
            _refuse_keys(f"tasks.{name}", keys, OF_DATASET, remedy)
    return owners


def _mappings(config: Mapping[str, Any], section: str) -> dict[str, Section]:
    entries = config.get(section)
    entries = entries if isinstance(entries, Mapping) else {}
    return {name: entry for name, entry in entries.items() if isinstance(entry, Mapping)}


def _refuse_keys(where: str, keys: Section, refused: Collection[str], remedy: str) -> None:
    columns = keys.get("columns")
    columns = columns if isinstance(columns, Mapping) else {}
    for key in (*keys, *(f"columns.{column}" for column in columns)):
        if key.removeprefix("columns.") in refused:
            raise MMLError(f"{where}.{key}: {remedy}")


def _owner(name: str, task: Section, datasets: Mapping[str, Any]) -> str:
    """Return the name of a task's data set."""
    try:
        dataset = text_of(task[DATASET])
    except ValueError as error:
        raise MMLError(f"tasks.{name}.{DATASET}: {error}") from error
    if not dataset:
        raise MMLError(f"tasks.{name}.{DATASET}: write the name of one of datasets, such as {DATASET}: chexpert")
    if dataset not in datasets:
        hint = f"there is no data set '{dataset}' in datasets{nearest(str(dataset), datasets)}"
        raise MMLError(f"tasks.{name}.{DATASET}: {hint if datasets else 'the study has no datasets'}")
    if not isinstance(datasets[dataset], Mapping):
        raise MMLError(f"datasets.{dataset}: write its keys, such as {dataset}: {{creator: csv, path: images.csv}}")
    return dataset


def _flat(where: str, keys: Section) -> dict[str, Any]:
    """Return keys of a table with each column in a key of its own."""
    columns = keys.get("columns")
    if keys.get("creator", "csv") != "csv" or not isinstance(columns, Mapping):
        return dict(keys)
    for column in columns:
        if column in keys:
            raise MMLError(f"{where}: {column} and columns.{column} are both set; keep one of them")
    others = {column: name for column, name in columns.items() if column not in COLUMNS}
    flat = {key: value for key, value in keys.items() if key != "columns"}
    return (
        flat | ({"columns": others} if others else {}) | {key: name for key, name in columns.items() if key in COLUMNS}
    )


def _with_columns(keys: Section) -> dict[str, Any]:
    """Return keys of a table with its columns in the key `columns`."""
    columns = {key: name for key, name in keys.items() if key in COLUMNS}
    if keys.get("creator") != "csv" or not columns:  # for other creators they are arguments
        return dict(keys)
    target = COLUMN_OF_TYPE.get(str(keys.get("task_type")))
    is_written_as_label = "label" in columns and not isinstance(columns["label"], list)
    if target and is_written_as_label and not any(columns.get(role) for role in (target, *SHAPES)):
        columns = {target if key == "label" else key: name for key, name in columns.items()}
    others = {key: value for key, value in keys.items() if key not in COLUMNS}
    return others | {"columns": merge(others.get("columns") or {}, columns)}


def _joined(name: str, task: Section, dataset: Section | None) -> dict[str, Any]:
    """Return the keys of a data set, overlaid by those of its task."""
    if dataset is None:
        return dict(task)
    for key in ORIGIN:
        if key in task and _comparable(task[key]) != _comparable(dataset.get(key)):
            raise MMLError(
                f"tasks.{name}.{CATALOGUE}: the entry has another {key} than the data set '{task[DATASET]}'; leave "
                f"{DATASET} or {CATALOGUE} out"
            )
    _check_one_target(name, task, dataset)
    below = dict(dataset)
    if any(key in task for key in TARGETS):  # the data set's own target is not learned
        below = {key: value for key, value in dataset.items() if key not in (*TARGETS, "task_type", *MEANINGS)}
    joined = merge(below, task)
    if shapes := below.keys() & {*SHAPES}:
        if "label" in task and "task_type" not in task:  # the label is not the class of the shapes
            joined["task_type"] = "classification"
        elif "labels" in task or "value" in task or ("label" in task and task["task_type"] == "regression"):
            joined |= dict.fromkeys(shapes)  # the rows of an image differ only in their shapes
    if "filter" in below and "filter" in task:
        joined["filter"] = f"({below['filter']}) and ({task['filter']})"
    return joined


def _check_one_target(name: str, task: Section, dataset: Section) -> None:
    """Refuse a segmentation that names a column of other targets, which it would not learn."""
    target = next((key for key in ("label", "labels", "value") if key in task), None)
    is_of_masks = task.get("task_type") == "semantic_segmentation"
    if target and is_of_masks and dataset.get("creator", "csv") == "csv" and not dataset.keys() & {*SHAPES}:
        raise MMLError(
            f"tasks.{name}: a semantic_segmentation does not learn {target}; leave {target} out to learn the masks of "
            f"the data set '{task[DATASET]}', or task_type to learn {target}"
        )


def _comparable(value: Any) -> Any:
    value = plain(value)
    return sorted(map(str, value)) if isinstance(value, list) else value
