"""Images of a table alone: its columns of images and masks, whatever else the table says of them."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mml_lib.pipelines.digests import digest
from mml_lib.tasks.creators.columns import ColumnMapping, Columns, Source
from mml_lib.tasks.creators.delimited import Row, read_rows
from mml_lib.tasks.creators.own_data import TableFiles, only_file, sampled_digests, size_of
from mml_lib.tasks.creators.shared_images.creator_sharing import ImagesAlone
from mml_lib.tasks.creators.tables.row_filter import kept_rows
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Delivery, Sample
from mml_lib.tasks.missing import Missing

KEPT = ("path", "encoding", "missing", "filter")
"""Arguments of a table that its images depend on, beside the columns of images and masks."""

TARGET_KEYS = ("columns", "task_type", "separator", "filter", "unknown", "uncertain")
"""Arguments of a table that say what is learned."""

SEGMENTATION = "semantic_segmentation"


def arguments_of_images(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the creator `csv` that images and masks depend on."""
    columns = arguments.get("columns") or {}
    named = {role: columns[role] for role in ("image", "mask") if role in columns}
    kept = {key: arguments[key] for key in KEPT if arguments.get(key) is not None}
    no_masks = [value for value in arguments.get("unknown") or () if isinstance(value, str) and value]
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
    samples = _samples(only_file(path, ".csv", "csv"), **options)
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
    samples = _samples(table, **options)
    names = [name for sample in samples for name in (sample.image, sample.mask) if name not in (None, EMPTY_MASK_TOKEN)]
    files = sorted(set(names))
    pairs = sorted([_relative(sample.image, table), _relative(sample.mask or "", table)] for sample in samples)
    state = [pairs, [size_of(file) for file in files], sampled_digests(files, 64)]
    return digest([*state, hashlib.sha256(table.read_bytes()).hexdigest()] if whole else state)


def _relative(name: str, table: Path) -> str:
    return name if name in ("", EMPTY_MASK_TOKEN) else os.path.relpath(name, table.parent)


def _samples(
    table: Path,
    columns: ColumnMapping | None = None,
    encoding: str | None = None,
    missing: Sequence[str] | None = None,
    filter: str | None = None,
    unknown: Sequence[str] = (),
) -> list[Sample]:
    header, *rows = [*read_rows(table, encoding)] or [Row(1, [])]
    unused = {"split": None, "group": None, "fold": None}
    read = Columns.of(table, header, {**(columns or {}), **unused}, "no_task")
    has_masks = (columns or {}).get("mask", "mask" if "mask" in read.header else None) is not None
    if has_masks:
        read = Columns.of(table, header, {**(columns or {}), **unused}, SEGMENTATION)
    files, is_missing = TableFiles(read), Missing(missing)
    samples: dict[str, Sample] = {}
    for row in kept_rows(read, rows, filter, is_missing):
        mask = _mask(read, row, files, is_missing, unknown)
        for id_, image in files.images(row, is_missing):
            first = samples.setdefault(os.path.normpath(image), Sample(id_, image, mask=mask))
            if first.mask is None:
                samples[os.path.normpath(image)] = replace(first, mask=mask)
            elif mask not in (None, first.mask):
                raise read.wrong(row.line, f"the image {image} has two masks, {first.mask} and {mask}")
    return list(samples.values())


def _mask(columns: Columns, row: Row, files: TableFiles, missing: Missing, unknown: Sequence[str]) -> str | None:
    source = columns.sources.get("target")
    if not isinstance(source, Source):
        return None
    mask = source.read(row.cells, missing)
    if mask in ("", *unknown):
        return None
    return mask if mask == EMPTY_MASK_TOKEN else files.named(mask, "mask", row.line, source)


IMAGES_OF_TABLES = ImagesAlone(deliver_images, survey_images, arguments_of_images)
