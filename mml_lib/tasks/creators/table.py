"""The creator `csv`: a table of images, which stay where they are."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mml_lib.machine.terminal import say, summarized, warn
from mml_lib.pipelines.digests import digest
from mml_lib.task_types import IGNORED, TASK_TYPES
from mml_lib.tasks.creators.annotated.annotated_rows import AnnotatedRows
from mml_lib.tasks.creators.column_names import TARGETS, ColumnText
from mml_lib.tasks.creators.columns import Columns, Source, cell
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.creators.delimited import Row, check_widths, read_rows
from mml_lib.tasks.creators.indicators import Indicators
from mml_lib.tasks.creators.labels import (
    SEPARATOR,
    check_separator,
    class_names,
    parse_label,
    parse_weight,
    weight_lines,
)
from mml_lib.tasks.creators.own_data import TableFiles, only_file, sampled_digests, size_of, state_of_targets
from mml_lib.tasks.creators.shared_images.creator_sharing import Sharing
from mml_lib.tasks.creators.shared_images.table_images import IMAGES_OF_TABLES, TARGET_KEYS
from mml_lib.tasks.creators.split_names import SPLIT_WORDS
from mml_lib.tasks.creators.tables.overlooked_columns import lost_splits, overlooked
from mml_lib.tasks.creators.tables.row_filter import RowFilter, kept_rows
from mml_lib.tasks.creators.tables.table_options import TableOptions
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, SPLITS, Delivery, Label, Sample
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
            lines += target.partial.lines(
                self.columns.file, targets, self.missing, self.rows_without_labels, len(cells)
            )
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
    reader = _Reader(columns, options, keeps_splits)
    check_widths(file, columns.header, rows)
    kept = kept_rows(columns, rows, options.filter, reader.missing)
    return Table(
        columns, reader.delivery(kept), kept, reader.missing, len(rows), reader.spelled, reader.rows_without_labels
    )


def _columns_and_rows(file: Path, options: TableOptions) -> tuple[Columns, list[Row]]:
    header, *rows = [*read_rows(file, options.encoding)] or [Row(1, [])]
    columns = Columns.of(file, header, options.columns, options.task_type, rows[0] if rows else None)
    return options.with_partial_labels(columns), rows


class _Reader:
    """Turns rows into samples.

    Args:
        columns: columns that are read.
        options: options of the table.
        keeps_splits: samples without a known target keep the split of the table.
    """

    def __init__(self, columns: Columns, options: TableOptions, keeps_splits: bool = False):
        self.columns = columns
        self.keeps_splits = keeps_splits
        self.missing = Missing(options.missing)
        self.separator = options.separator or SEPARATOR
        self.files = TableFiles(columns)
        self.spelled: Counter[tuple[str, str]] = Counter()
        # A cell that comes again and again (a class) is parsed once.
        self.labels: dict[str, Label] = {}
        self.rows_without_labels = 0

    def delivery(self, rows: Sequence[Row]) -> Delivery:
        """Return the data set of rows.

        Raises:
            MMLError: the line of the first mistake.
        """
        if self.columns.shapes is None:
            read = [(row.line, sample) for row in rows for sample in self._samples(row)]
            samples = self._once(read) if self.columns.unused & {*SHAPES} else [sample for _, sample in read]
            return Delivery(samples, class_names(samples), self.columns.kind)
        annotated = AnnotatedRows(self.columns)
        for row in rows:
            for sample in self._samples(row):
                annotated.add(row, sample, self.missing, self._class)
        return annotated.delivery()

    def _samples(self, row: Row) -> list[Sample]:
        columns, images = self.columns, self.files.images(row, self.missing)
        learned = TASK_TYPES[columns.kind].is_learnable
        split = self._split(row) if learned or self.keeps_splits else "unlabelled"
        label, mask = self._target(row) if learned and split != "unlabelled" else (None, None)
        is_unknown = label is mask is None and split != "unlabelled" and columns.shapes is None
        if is_unknown and not self.keeps_splits:
            split, self.rows_without_labels = "unlabelled", self.rows_without_labels + 1
        own_group = images[0].id if columns.further_images else None
        group, fold = self._value("group", row) or own_group, self._fold(row)
        weight = None if split == "unlabelled" else self._weight(row)
        return [
            Sample(image.id, image.file, label, split, group, fold, mask, weight, image.channels) for image in images
        ]

    def _once(self, samples: Sequence[tuple[int, Sample]]) -> list[Sample]:
        """Return each image once, of rows that differ in their shapes only."""
        first: dict[str, tuple[int, Sample]] = {}
        for line, sample in samples:
            if first.setdefault(sample.id, (line, sample))[1] != sample:
                other = f"the image '{sample.id}' has another target, split, group, fold or weight"
                raise self.columns.wrong(
                    line, f"{other} than in line {first[sample.id][0]}; give all its rows the same"
                )
        return [sample for _, sample in first.values()]

    def _value(self, role: str, row: Row) -> str:
        source = self.columns.sources.get(role)
        if source is None:
            return ""
        value = source.read(row.cells, self.missing)
        if not value and source.place is not None and role != "image" and (text := cell(row.cells, source.place)):
            self.spelled[source.text, text] += 1
        return value

    def _split(self, row: Row) -> str | None:
        split = self._value("split", row) or None
        if split is None or split in SPLITS:
            return split
        if meant := SPLIT_WORDS.get(split.lower()):
            raise self.columns.wrong(
                row.line, f"there is no split '{split}'; splits: {', '.join(SPLITS)}, did you mean '{meant}'?"
            )
        return split

    def _target(self, row: Row) -> tuple[Label, str | None]:
        """Return label and mask of a sample."""
        columns, kind = self.columns, self.columns.kind
        if columns.shapes is not None:
            return None, None
        if isinstance(indicators := columns.sources["target"], Indicators):
            try:
                return indicators.label(row.cells, kind, self.missing), None
            except ValueError as error:
                raise columns.wrong(row.line, str(error)) from error
        text = self._value("target", row)
        partial = columns.sources["target"].partial
        if partial is not None and partial.is_unknown(self._spelled(row) or text, self.missing):
            return None, None
        if not text and not TASK_TYPES[kind].is_multilabel:
            self._refuse_missing(row)
        if TASK_TYPES[kind].has_masks:
            source = columns.sources["target"]
            assert isinstance(source, Source)
            return None, text if text == EMPTY_MASK_TOKEN else self.files.named(text, "mask", row.line, source)
        if text not in self.labels:
            where = f"{columns.file}, line {row.line}"
            label = parse_label(text, kind, where, self.separator, self.missing)
            if partial is not None and isinstance(label, Mapping):
                label = partial.known(label, self.missing)
            self.labels[text] = label
        return self.labels[text], None

    def _class(self, row: Row) -> str:
        """Return the class of a shape; pixels of an unknown class are ignored."""
        partial = self.columns.sources["target"].partial
        if partial is not None and partial.is_unknown(self._spelled(row), self.missing):
            return IGNORED
        if not (text := self._value("target", row)):
            self._refuse_missing(row)
        return text

    def _spelled(self, row: Row) -> str:
        """Return the target's cell as it is written; empty where it is made of several columns."""
        source = self.columns.sources["target"]
        return "" if source.place is None else cell(row.cells, source.place)

    def _refuse_missing(self, row: Row) -> None:
        source, spelled = self.columns.sources["target"], self._spelled(row)
        state = f"is missing ('{spelled}')" if spelled else "is empty"
        is_name = spelled and TASK_TYPES[self.columns.kind].is_single_label
        or_name = f', or write missing: [""] if {spelled!r} is a name' if is_name else ""
        raise self.columns.wrong(
            row.line,
            f"the column '{source.text}' {state}; fill it, put the image into 'unlabelled', or write unknown: [\"\"] "
            f"for all such images{or_name}",
        )

    def _weight(self, row: Row) -> float | None:
        if "weight" not in self.columns.sources:
            return None
        try:
            return parse_weight(self._value("weight", row))
        except ValueError as error:
            raise self.columns.wrong(row.line, f"the column '{self.columns.name_of('weight')}' {error}") from error

    def _fold(self, row: Row) -> int | None:
        text = self._value("fold", row)
        if not text:
            return None
        if not re.fullmatch(r"[0-9]+(\.0*)?", text):  # with missing values, pandas writes 1 as 1.0
            raise self.columns.wrong(row.line, f"the fold '{text}' is not a number 0, 1, 2 …")
        return int(text.partition(".")[0])


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
    reader = _Reader(columns, options)
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
    uncertain: dict[str, str | int | float] | None = None,
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
        uncertain: the value of uncertain labels and its meaning: ignore, positive, negative or a probability,
            `{value: -1, as: 0.5}`.
    """
    options = TableOptions(task_type, columns, separator, missing, encoding, filter, unknown, uncertain)
    read = read_table(only_file(path, ".csv", "csv"), options)
    if filter is not None:
        say(f'{read.columns.file}: filter: "{filter}" keeps {len(read.samples):,} of {read.num_rows:,} rows')
    for line in read.warnings(options):
        warn(line)
    return read.delivery
