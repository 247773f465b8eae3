"""Images of a table alone: its columns of images and masks, whatever else the table says of them."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mml_lib.pipelines.digests import digest
from mml_lib.task_types import IGNORED
from mml_lib.tasks.creators.annotated.annotated_rows import AnnotatedRows
from mml_lib.tasks.creators.column_names import OPTIONAL
from mml_lib.tasks.creators.columns import ColumnMapping, Columns, Source
from mml_lib.tasks.creators.delimited import Row, read_rows
from mml_lib.tasks.creators.own_data import TableFiles, only_file, sampled_digests, size_of
from mml_lib.tasks.creators.shared_images.creator_sharing import ImagesAlone
from mml_lib.tasks.creators.tables.row_filter import kept_rows
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Delivery, Sample
from mml_lib.tasks.drawings.shape_cells import SHAPES
from mml_lib.tasks.missing import Missing

KEPT = ("path", "encoding", "missing", "filter")
"""Arguments of a table that its images depend on, beside the columns of images and masks."""

TARGET_KEYS = ("columns", "task_type", "separator", "filter", "unknown", "uncertain")
"""Arguments of a table that say what is learned."""

SEGMENTATION = "semantic_segmentation"


def arguments_of_images(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the creator `csv` that images and masks depend on."""
    columns = arguments.get("columns") or {}
    has_shapes = any(columns.get(role) for role in SHAPES)
    roles = ("image", "mask", *SHAPES, *(["label"] if has_shapes else []))
    named = {role: columns[role] for role in roles if role in columns}
    kept = {key: arguments[key] for key in KEPT if arguments.get(key) is not None}
    listed = unknown if isinstance(unknown := arguments.get("unknown"), list) else []
    no_masks = [value for value in listed if isinstance(value, str) and (value or has_shapes)]
    kept |= {"unknown": no_masks} if no_masks else {}
    return kept | ({"columns": named} if named else {})


def deliver_images(folder: Path, path: str, **options: Any) -> Delivery:
    """Deliver the images of a table, each once, and their masks if the table has a column of them.

    Args:
        folder: unused, the images stay where they are.
        path: the table, or a folder with a single one.
        options: the other arguments that images depend on.

    Raises:
        MMLError: a column or a file is missing, or an image has two masks.
    """
    delivery = _delivery(only_file(path, ".csv", "csv"), **options)
    samples = delivery.samples
    if delivery.drawings:
        return delivery
    has_masks = any(sample.mask for sample in samples)
    samples = [sample if sample.mask else replace(sample, split="unlabelled") for sample in samples]
    return Delivery(samples, [], SEGMENTATION if has_masks else "no_task")


def survey_images(path: str, whole: bool = False, **options: Any) -> str:
    """Return the fingerprint of the images and masks of a table: names and sizes of all, and the content of some.

    Args:
        path: the table, or a folder with a single one.
        whole: include the whole table.
        options: the other arguments that images depend on.
    """
    table = only_file(path, ".csv", "csv")
    delivery = _delivery(table, **options)
    samples = delivery.samples
    files = sorted({name for sample in samples for name in sample.files} - delivery.drawings.keys())
    names = sorted(_relative_names(sample, table) for sample in samples)
    state: list[Any] = [names, [size_of(file) for file in files], sampled_digests(files, 64)]
    if delivery.drawings:
        state.append(_state_of_drawings(delivery))
    return digest([*state, hashlib.sha256(table.read_bytes()).hexdigest()] if whole else state)


def _state_of_drawings(delivery: Delivery) -> list[Any]:
    """Return the state of drawn masks: classes, and the shapes of each image."""
    parts = {name: [(part.value, repr(part.shape)) for part in d.parts] for name, d in delivery.drawings.items()}
    return [delivery.classes, [[sample.id, parts.get(str(sample.mask))] for sample in delivery.samples]]


def _relative_names(sample: Sample, table: Path) -> list[str]:
    """Return image and mask relative to the table, then each channel with its file where there are some."""
    channels = [part for name, file in (sample.channels or {}).items() for part in (name, _relative(file, table))]
    return [_relative(sample.image, table), _relative(sample.mask or "", table), *channels]


def _relative(name: str, table: Path) -> str:
    return name if name in ("", EMPTY_MASK_TOKEN) else os.path.relpath(name, table.parent)


def _delivery(
    table: Path,
    columns: ColumnMapping | None = None,
    encoding: str | None = None,
    missing: Sequence[str] | None = None,
    filter: str | None = None,
    unknown: Sequence[str] = (),
) -> Delivery:
    header, *rows = [*read_rows(table, encoding)] or [Row(1, [])]
    unused = dict.fromkeys(OPTIONAL)
    read = Columns.of(table, header, {**(columns or {}), **unused}, "no_task")
    has_masks = (columns or {}).get("mask", "mask" if "mask" in read.header else None) is not None
    if has_masks or read.shapes is not None:
        read = Columns.of(table, header, {**(columns or {}), **unused}, SEGMENTATION)
    files, is_missing = TableFiles(read), Missing(missing)
    if read.shapes is not None:
        return _annotated(read, kept_rows(read, rows, filter, is_missing), files, is_missing, unknown)
    samples: dict[str, Sample] = {}
    for row in kept_rows(read, rows, filter, is_missing):
        mask = _mask(read, row, files, is_missing, unknown)
        for image in files.images(row, is_missing):
            place = os.path.normpath(image.file)
            first = samples.setdefault(place, Sample(image.id, image.file, mask=mask, channels=image.channels))
            if first.mask is None:
                samples[place] = replace(first, mask=mask)
            elif mask not in (None, first.mask):
                raise read.wrong(row.line, f"the image {image.file} has two masks, {first.mask} and {mask}")
            if first.channels != image.channels:
                raise read.wrong(row.line, f"the image {image.file} has other channels than in an earlier line")
    return Delivery(list(samples.values()), [], SEGMENTATION if has_masks else "no_task")


def _annotated(
    columns: Columns, rows: Sequence[Row], files: TableFiles, missing: Missing, unknown: Sequence[str]
) -> Delivery:
    """Return the images of a table with the shapes of their rows."""

    def label(row: Row) -> str:
        source = columns.sources["target"]
        text = source.read(row.cells, missing)
        if text in unknown:
            return IGNORED
        if not text:
            raise columns.wrong(row.line, f"the column '{source.text}' is empty; fill it")
        return text

    annotated = AnnotatedRows(columns)
    for row in rows:
        for image in files.images(row, missing):
            annotated.add(row, Sample(image.id, image.file, channels=image.channels), missing, label)
    return annotated.delivery()


def _mask(columns: Columns, row: Row, files: TableFiles, missing: Missing, unknown: Sequence[str]) -> str | None:
    source = columns.sources.get("target")
    if not isinstance(source, Source):
        return None
    mask = source.read(row.cells, missing)
    if mask in ("", *unknown):
        return None
    return mask if mask == EMPTY_MASK_TOKEN else files.named(mask, "mask", row.line, source)


IMAGES_OF_TABLES = ImagesAlone(deliver_images, survey_images, arguments_of_images)
