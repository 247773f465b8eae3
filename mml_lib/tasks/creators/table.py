"""The creator `csv`: a table of images, which stay where they are."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import shorten
from typing import Any

from mml_lib.machine.terminal import print_line, summarized, warn
from mml_lib.pipelines.digests import digest
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.column_names import TARGETS, ColumnText
from mml_lib.tasks.creators.columns import Columns, Source, cell
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.creators.delimited import Row, check_widths, read_rows
from mml_lib.tasks.creators.indicators import Indicators
from mml_lib.tasks.creators.labels import (
    check_separator,
    weight_lines,
)
from mml_lib.tasks.creators.own_data import only_file, sampled_digests, size_of, state_of_targets
from mml_lib.tasks.creators.shared_images.creator_sharing import Sharing
from mml_lib.tasks.creators.shared_images.table_images import IMAGES_OF_TABLES, TARGET_KEYS
from mml_lib.tasks.creators.tables.overlooked_columns import lost_splits, overlooked
from mml_lib.tasks.creators.tables.row_filter import RowFilter, kept_rows
from mml_lib.tasks.creators.tables.row_reader import RowReader
from mml_lib.tasks.creators.tables.table_options import TableOptions
from mml_lib.tasks.dataset import Delivery, Sample
from mml_lib.tasks.drawings.shape_cells import SHAPES
from mml_lib.tasks.missing import Missing


@dataclass(frozen=True)
class Table:
    """The samples of a table.

    Args:
        columns: columns that are read.
        delivery: samples in the order of the rows.
        rows: rows that the filter keeps.
        missing: the test for cells without a value.
        num_rows: number of rows in the file, kept by the filter or not.
        spelled: number of cells by column and spelling of a missing value.
        rows_without_labels: number of rows whose labels are all unknown.
    """

    columns: Columns
    delivery: Delivery
    rows: list[Row]
    missing: Missing
    num_rows: int
    spelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows_without_labels: int = 0

    @property
    def kind(self) -> str:
        return self.columns.kind

    @property
    def samples(self) -> list[Sample]:
        return self.delivery.samples

    def warnings(self, options: TableOptions) -> list[str]:
        """Return the warnings about the table.

        Raises:
            MMLError: labels are joined by another separator.
        """
        learned = TASK_TYPES[self.kind].is_learnable
        filtered = RowFilter.of(options.filter).columns if options.filter else ()
        cells = [row.cells for row in self.rows]
        lines = overlooked(self.columns, cells, self.missing, filtered) if learned else []
        if "weight" not in (options.columns or {}):
            lines += weight_lines(self.columns.file, [sample.weight for sample in self.samples])
        if self.spelled and options.missing is None:
            texts = [f"'{text}' in {name} ({count:,})" for (name, text), count in self.spelled.most_common()]
            lines.append(
                f"{self.columns.file}: these cells count as missing: {summarized(texts, 4)}; if one is a name, write "
                'missing: [""]'
            )
        target = self.columns.sources.get("target")
        if target is not None and target.partial is not None:
            columns = [part for part in target.parts if isinstance(part, int)]
            targets = {cell(row, column) for row in cells for column in columns}
            where = f"{self.columns.file}, column '{shorten(target.text, 40, placeholder='…')}'"
            lines += target.partial.lines(where, targets, self.missing, self.rows_without_labels, len(cells))
            lines += lost_splits(self.columns, cells, self.missing, {sample.split for sample in self.samples})
        if isinstance(target, Indicators):
            unused = target.unused([sample.label for sample in self.samples])
            text = f"{self.columns.file}: no row has 1 in {summarized(unused, 4)}, so they are no classes"
            return lines + [text] * bool(unused)
        return lines + self.check_separator(options.separator)

    def check_separator(self, separator: str | None) -> list[str]:
        """Return a warning of labels that look joined by another separator.

        Raises:
            MMLError: labels are joined by another separator.
        """
        if isinstance(self.columns.sources.get("target"), Indicators) or self.columns.shapes is not None:
            return []
        where = f"{self.columns.file}, column '{self.columns.name_of('target')}'"
        return check_separator(self.samples, self.kind, where, separator)


def read_table(file: Path, options: TableOptions | None = None, keeps_splits: bool = False) -> Table:
    """Return the samples of a table.

    Args:
        file: the table.
        options: options of the task.
        keeps_splits: samples without a known target keep the split of the table.

    Raises:
        MMLError: the first mistake, with its line.
    """
    options = options or TableOptions()
    options.check()
    columns, rows = _columns_and_rows(file, options)
    reader = RowReader(columns, options, keeps_splits)
    check_widths(file, columns.header, rows)
    kept = kept_rows(columns, rows, options.filter, reader.missing)
    return Table(
        columns, reader.delivery(kept), kept, reader.missing, len(rows), reader.spelled, reader.rows_without_labels
    )


def _columns_and_rows(file: Path, options: TableOptions) -> tuple[Columns, list[Row]]:
    header, *rows = [*read_rows(file, options.encoding)] or [Row(1, [])]
    columns = Columns.of(file, header, options.columns, options.task_type, rows[0] if rows else None)
    return options.with_partial_labels(columns), rows


def _survey_table(path: str = "", downloaded: bool = False, **arguments: Any) -> Survey:
    """Read the table, so that its mistakes show early; look at the sizes of its files and the content of some."""
    options = TableOptions(**arguments)
    if downloaded:
        options.check()
        return Survey(task_type=options.planned_kind)
    file = only_file(path, ".csv", "csv")
    table = read_table(file, options)
    samples, kind = table.samples, table.kind
    if TASK_TYPES[kind].has_masks:  # numbers and colours stand for pixels, which the task gives their classes
        options = replace(options, unknown=[value for value in options.unknown or () if isinstance(value, str)] or None)
    table.check_separator(options.separator)
    files = [name for sample in samples for name in sample.files if name not in table.delivery.drawings]
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    state = [kind, content, [size_of(name) for name in files], sampled_digests(files, 64)]
    state += ["weight"] if "weight" in table.columns.sources else []
    return Survey.of_samples(samples, kind, digest([*state, *options.meaning]))


def _survey_targets(path: str, **arguments: Any) -> Survey:
    """Read the table for a task whose images are those of a data set: what it says of each image is its state."""
    table = read_table(only_file(path, ".csv", "csv"), TableOptions(**arguments))
    return Survey.of_samples(table.samples, table.kind, state_of_targets(table.samples, table.kind))


def _deliver_places(folder: Path, path: str, **arguments: Any) -> Delivery:
    """Deliver split, fold and group of each image of a table, with the target that the data set states.

    Args:
        folder: unused, the images stay where they are.
        path: the table, or a folder with a single one.
        arguments: further arguments of the creator.
    """
    options = TableOptions(**arguments)
    stated = {role: name for role, name in (options.columns or {}).items() if role != "mask"}  # the manifest has masks
    if not any(stated.get(role) for role in (*TARGETS, *SHAPES)):
        stated |= dict.fromkeys(TARGETS)
        options = replace(options, task_type="no_task", unknown=None, uncertain=None)
    options = replace(options, columns=stated | {"mask": None})
    return read_table(only_file(path, ".csv", "csv"), options, keeps_splits=True).delivery


def read_columns(names: Sequence[str], /, path: str, **arguments: Any) -> dict[str, dict[str, str]]:
    """Return by column the text of each image's cell; empty where it holds no value.

    Raises:
        MMLError: it has no such column, or has it twice.
    """
    file = only_file(path, ".csv", "csv")
    options = TableOptions(**arguments)
    columns, rows = _columns_and_rows(file, options)
    sources = {name: Source(name, (columns.place(name, "metadata"),)) for name in names}
    reader = RowReader(columns, options)
    values: dict[str, dict[str, dict[str, None]]] = {name: {} for name in names}
    for row in kept_rows(columns, rows, options.filter, reader.missing):
        for image in reader.files.images(row, reader.missing):
            for name, source in sources.items():
                values[name].setdefault(image.id, {})[source.read(row.cells, reader.missing)] = None
    # An image may have several rows with a shape each.
    return {
        name: {id_: "|".join(filter(None, texts)) for id_, texts in by_id.items()} for name, by_id in values.items()
    }


SHARING = Sharing(TARGET_KEYS, replace(IMAGES_OF_TABLES, places=_deliver_places), _survey_targets)


@register_creator("csv", _survey_table, 2, read_columns, SHARING)
def table(
    folder: Path,
    path: str,
    task_type: str | None = None,
    columns: dict[str, ColumnText | None] | None = None,
    separator: str | None = None,
    missing: list[str] | None = None,
    encoding: str | None = None,
    filter: str | None = None,
    unknown: list[str | int | float | list[int]] | dict[str, list[str | int | float]] | None = None,
    uncertain: dict[str, str | int | float] | str | int | float | None = None,
) -> Delivery:
    """A table with the column `image` and a column of targets: `label`, `labels`, `value` or `mask`.

    Images are files, relative to the table. `label` is for classification, `labels` for several labels (`a|b`, or
    `a:0.7|b:0.2`), `value` for regression, `mask` for segmentation (a file, or EMPTY_MASK_TOKEN). Without any of them,
    the images are unlabelled. Optional columns: `split` (train, val, test, unlabelled), `group`, `fold`, `weight` (in
    the loss). Targets of the split unlabelled are ignored.

    Args:
        folder: folder of drawn masks; images stay where they are.
        path: the table, or a folder with a single one.
        task_type: task type, where there are several columns of targets.
        columns: the table's own names, `{image: file_name, label: diagnosis}`, or templates of them,
            `image: "{site}/{id}_*.png"`; a list of one-hot columns, `label: [MEL, NV, BCC]`, or of images of a row;
            `image: {channels: [dapi, gfp]}` for files that are the channels of one image; null for a column that is not
            used; `box: {x: …, y: …, width: …, height: …}` or `rle: …` for shapes.
        separator: separator of labels in place of `|`.
        missing: spellings of a missing value in place of the common ones; an empty cell is always missing.
        encoding: encoding of the file, where it is not UTF-8.
        filter: the rows that are read, `view == 'frontal' and age > 18`.
        unknown: values of columns of targets that leave an entry out of loss, class weights and metrics, `[-1, ""]`, or
            by column of a label, `{Edema: [-1], Mass: [9]}`;
            `""` stands for empty cells. Where targets are masks, numbers and colours stand for pixels, `[255, 7]`.
        uncertain: the meaning of the uncertain labels -1: ignore, positive, negative or a probability; of another value
            `{value: U, as: 0.5}`.
    """
    options = TableOptions(task_type, columns, separator, missing, encoding, filter, unknown, uncertain)
    read = read_table(only_file(path, ".csv", "csv"), options)
    if filter is not None:
        print_line(f'{read.columns.file}: filter: "{filter}" keeps {len(read.samples):,} of {read.num_rows:,} rows')
    for line in read.warnings(options):
        warn(line)
    return read.delivery
