"""Header fields: columns of metadata from the headers of image files, in addition to those of a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mml_lib.images.image_files import errors_named
from mml_lib.images.readers.reading import reader_of
from mml_lib.machine.terminal import print_line, warn
from mml_lib.tasks.creators.creator_registry import read_metadata
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.metadata import AGE, HEADER_PREFIX, OLDEST, Column, ages_in_years, header_columns


def collect_columns(
    dataset: Dataset, task: str, source: Mapping[str, Any], downloads: Path | None = None
) -> dict[str, Column]:
    """Return columns of metadata by sample id, in the order that the task states.

    Args:
        dataset: the data set.
        task: name of the task.
        source: creator, arguments and columns of the task.
        downloads: folder of the unpacked downloads.

    Raises:
        MMLError: the data have no such column.
    """
    header_names = header_columns(task, source["columns"])
    data_names = [name for name in source["columns"] if name not in header_names]
    columns: dict[str, Column] = {}
    if data_names:
        by_file = read_metadata(source["creator"], source["arguments"], data_names, downloads)
        columns |= {name: _by_sample(dataset, column) for name, column in by_file.items()}
    if header_names:
        columns |= _read_fields(dataset, header_names)
    return {name: columns[name] for name in source["columns"]}


def _by_sample(dataset: Dataset, column: Column) -> Column:
    """Return a column by file as a column by sample, in which frames have the values of their file."""
    ids = [sample.id for sample in dataset.delivery.samples]
    if all(id_ in column for id_ in ids):
        return column
    return {id_: column.get(id_, column.get(id_.rpartition("#")[0], "")) for id_ in ids}


def _read_fields(dataset: Dataset, names: Sequence[str]) -> Mapping[str, Column]:
    """Return columns of header fields; empty texts for files without them."""
    keywords = [name.removeprefix(HEADER_PREFIX) for name in names]
    columns: dict[str, dict[str, str]] = {name: {} for name in names}
    for sample in dataset.delivery.samples:
        file = dataset.folder / sample.image
        with errors_named(file):
            reader = reader_of(file)
            fields = reader.fields(file, keywords) if reader.fields else {}
        for name, keyword in zip(names, keywords, strict=True):
            columns[name][sample.id] = fields.get(keyword, "")
    return {name: _ages(column, dataset.name) if name == AGE else column for name, column in columns.items()}


def _ages(column: Column, name: str) -> Column:
    """Return ages in years without identifying ones, and print the number of changed ages."""
    ages = ages_in_years(column)
    oldest = sum(age == str(OLDEST) for age in ages.values())
    unread = sum(bool(column[id_]) and not age for id_, age in ages.items())
    if oldest:
        print_line(
            f"{name}: {oldest:,} of {len(ages):,} images have an age of {OLDEST} years or more, written as {OLDEST}"
        )
    if unread:
        warn(f"{name}: {unread:,} of {len(ages):,} images have no age in {AGE} that DICOM knows, and are left out")
    return ages
