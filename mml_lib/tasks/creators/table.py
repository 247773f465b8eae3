"""The creator `csv`: a table of images, which stay where they are."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import say, summarized, warn
from mml_lib.pipelines.digests import digest
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.columns import ColumnMapping, Columns, Source, cell, overlooked
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.creators.delimited import Row, read_rows
from mml_lib.tasks.creators.indicators import CellValue, Indicators, PartialLabels
from mml_lib.tasks.creators.labels import SEPARATOR, check_separator, class_names, parse_label
from mml_lib.tasks.creators.own_data import TableFiles, only_file, sampled_digests, size_of, state_of_targets
from mml_lib.tasks.creators.row_filter import RowFilter, kept_rows
from mml_lib.tasks.creators.shared_images.creator_sharing import Sharing
from mml_lib.tasks.creators.shared_images.table_images import IMAGES_OF_TABLES, TARGET_KEYS
from mml_lib.tasks.creators.split_names import SPLIT_WORDS
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, SPLITS, Delivery, Label, Sample
from mml_lib.tasks.missing import Missing


@dataclass(frozen=True)
class TableOptions:
    """Options of a table in a task.

    Args:
        task_type: task type, where a table has several columns of targets.
        columns: column, template of columns, or list of one-hot columns by meaning; None: not used.
        separator: separator of labels; None: `|`.
        missing: the spellings of a missing value; None: the common ones.
        encoding: encoding of the file; None: UTF-8.
        filter: condition of the rows that are read; None: all rows are.
        unknown: values of target columns that leave an entry out; None: there are none.
        uncertain: the value of uncertain labels, and its meaning; None: there is none.
    """

    task_type: str | None = None
    columns: ColumnMapping | None = None
    separator: str | None = None
    missing: Sequence[str] | None = None
    encoding: str | None = None
    filter: str | None = None
    unknown: Sequence[CellValue] | None = None
    uncertain: Mapping[str, CellValue] | None = None

    def check(self) -> None:
        """Refuse a separator that divides nothing, or divides probabilities, and an expression that is no filter.

        Raises:
            MMLError: the separator to choose from, or what a filter is.
        """
        if self.filter is not None:
            RowFilter.of(self.filter)
        if self.separator is not None and (not self.separator or re.search(r"[:.\w]", self.separator)):
            raise MMLError(f"separator: {self.separator!r} cannot stand between labels; write | , ; / or a space")

    @property
    def meaning(self) -> list[object]:
        """Options that decide the samples, in addition to the file itself."""
        columns = sorted(self.columns.items()) if self.columns else []
        options: list[object] = [columns, self.separator, self.missing, self.encoding]
        options += [] if self.filter is None else [self.filter]
        partial = {"unknown": self.unknown, "uncertain": self.uncertain}
        # These keys are no part of the digest of other tables.
        options += [partial] if any(value is not None for value in partial.values()) else []
        return options if any(options) else []

    def with_partial_labels(self, columns: Columns) -> Columns:
        """Return columns whose targets may be unknown, and whose labels may be uncertain, as the task says.

        Raises:
            MMLError: there are no targets; only labels may be uncertain; a value has another meaning.
        """
        partial = PartialLabels.of(self.unknown, self.uncertain)
        target, kind = columns.sources.get("target"), TASK_TYPES[columns.kind]
        if partial is None:
            return columns
        if self.uncertain is not None and not kind.is_multilabel:
            raise MMLError("uncertain: only for several labels an image; write columns: {labels: [Edema, …]}")
        if target is None:
            raise MMLError(f"unknown: {columns.file} has no targets that could be unknown; leave it out")
        if isinstance(target, Indicators):
            partial.check_indicators(target.names)
        if kind.has_masks:
            partial = partial.of_texts
        return replace(columns, sources={**columns.sources, "target": replace(target, partial=partial)})


@dataclass(frozen=True)
class Table:
    """The samples of a table.

    Args:
        columns: columns that are read.
        samples: samples in the order of the rows.
        rows: cells of each sample.
        missing: the test for cells without a value.
        num_rows: number of rows in the file, kept by the filter or not.
        spelled: number of cells by column and spelling of a missing value.
        rows_without_labels: number of rows whose labels are all unknown.
    """

    columns: Columns
    samples: list[Sample]
    rows: list[Row]
    missing: Missing
    num_rows: int
    spelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows_without_labels: int = 0

    @property
    def kind(self) -> str:
        return self.columns.kind

    def warnings(self, options: TableOptions) -> list[str]:
        """Return the warnings about the table.

        Raises:
            MMLError: labels are joined by another separator.
        """
        learned = TASK_TYPES[self.kind].is_learnable
        filtered = RowFilter.of(options.filter).columns if options.filter else ()
        cells = [row.cells for row in self.rows]
        lines = overlooked(self.columns, cells, self.missing, filtered) if learned else []
        if self.spelled and options.missing is None:
            texts = [f"'{text}' in {name} ({count:,})" for (name, text), count in self.spelled.most_common()]
            lines.append(
                f"{self.columns.file}: these cells count as missing: {summarized(texts, 4)}; if one is a name, write "
                'missing: [""]'
            )
        target = self.columns.sources.get("target")
        if target is not None and target.partial is not None:
            lines += self._lines_of_unknown(target, target.partial)
        if isinstance(target, Indicators):
            unused = target.unused([sample.label for sample in self.samples])
            text = f"{self.columns.file}: no row has 1 in {summarized(unused, 4)}, so they are no classes"
            return lines + [text] * bool(unused)
        where = f"{self.columns.file}, column '{self.columns.name_of('target')}'"
        return lines + check_separator(self.samples, self.kind, where, options.separator)

    def _lines_of_unknown(self, target: Source | Indicators, partial: PartialLabels) -> list[str]:
        """Return a line for rows without a known target, and for values that no row has."""
        lines = []
        if self.rows_without_labels:
            count = f"{self.rows_without_labels:,} of {len(self.rows):,} rows"
            lines.append(f"{self.columns.file}: {count} have no known target, so their images are unlabelled")
        columns = [part for part in target.parts if isinstance(part, int)]
        cells = {cell(row.cells, column) for row in self.rows for column in columns}
        if isinstance(target, Source) and TASK_TYPES[self.kind].is_multilabel:  # a:0.7|b:-1
            cells |= {text.strip() for joined in cells for text in re.split(r"[^\w.+-]", joined)}
        if unused := partial.unused(cells, self.missing):
            values = summarized(map(repr, unused), 4)
            lines.append(f"{self.columns.file}: no row has {values}, which the task calls unknown or uncertain")
        return lines


def read_table(file: Path, options: TableOptions | None = None) -> Table:
    """Return the samples of a table.

    Raises:
        MMLError: the first mistake, with its line.
    """
    options = options or TableOptions()
    options.check()
    columns, rows = _columns_and_rows(file, options)
    reader = _Reader(columns, options, _ends_in_delimiter(columns.header, rows))
    for row in rows:
        reader.check_width(row)
    kept = kept_rows(columns, rows, options.filter, reader.missing)
    samples = [reader.sample(row) for row in kept]
    return Table(columns, samples, kept, reader.missing, len(rows), reader.spelled, reader.rows_without_labels)


def _columns_and_rows(file: Path, options: TableOptions) -> tuple[Columns, list[Row]]:
    header, *rows = [*read_rows(file, options.encoding)] or [Row(1, [])]
    columns = Columns.of(file, header, options.columns, options.task_type, rows[0] if rows else None)
    return options.with_partial_labels(columns), rows


def _ends_in_delimiter(header: Sequence[str], rows: Sequence[Row]) -> bool:
    """Return True if the header, or most rows beside it, end in a delimiter that has no column behind it."""
    wider = sum(len(row.cells) > len(header) for row in rows)
    return bool(header) and (not header[-1] or 2 * wider > len(rows))


class _Reader:
    """Turns rows into samples.

    Args:
        columns: columns that are read.
        options: options of the table.
        ends_in_delimiter: empty cells beyond the header are usual in this table. In others they show that a cell was
            divided, `nevus, benign,,` in place of `"nevus, benign",,`.
    """

    def __init__(self, columns: Columns, options: TableOptions, ends_in_delimiter: bool):
        self.columns = columns
        self.ends_in_delimiter = ends_in_delimiter
        self.missing = Missing(options.missing)
        self.separator = options.separator or SEPARATOR
        self.files = TableFiles(columns)
        self.spelled: Counter[tuple[str, str]] = Counter()
        # A cell that comes again and again (a class) is parsed once.
        self.labels: dict[str, Label] = {}
        self.rows_without_labels = 0

    def check_width(self, row: Row) -> None:
        """Refuse a row that is wider than the header.

        Raises:
            MMLError: its line and the number of its cells.
        """
        width = len(self.columns.header)
        beyond = row.cells[width:]
        if any(map(str.strip, beyond)) or (beyond and not self.ends_in_delimiter):
            raise self.columns.wrong(
                row.line, f"there are {len(row.cells)} cells, {width} in the header; quote those with commas"
            )

    def sample(self, row: Row) -> Sample:
        """Return the sample of a row.

        Raises:
            MMLError: its line and the mistake.
        """
        columns = self.columns
        image = self._value("image", row)
        if not image:
            raise columns.wrong(row.line, f"the column '{columns.name_of('image')}' is empty")
        split = "unlabelled" if not TASK_TYPES[columns.kind].is_learnable else self._split(row)
        label, mask = (None, None) if split == "unlabelled" else self._target(row)
        if label is mask is None and split != "unlabelled":  # the target is unknown
            split, self.rows_without_labels = "unlabelled", self.rows_without_labels + 1
        file = self.files.named(image, "image", row.line)
        return Sample(image, file, label, split, self._value("group", row) or None, self._fold(row), mask)

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
            return None, text if text == EMPTY_MASK_TOKEN else self.files.named(text, "mask", row.line)
        if text not in self.labels:
            where = f"{columns.file}, line {row.line}"
            label = parse_label(text, kind, where, self.separator, self.missing)
            if partial is not None and isinstance(label, Mapping):
                label = partial.known(label, self.missing)
            self.labels[text] = label
        return self.labels[text], None

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
        return Survey(task_type=options.task_type or "classification")
    file = only_file(path, ".csv", "csv")
    table = read_table(file, options)
    samples, kind = table.samples, table.kind
    if TASK_TYPES[kind].has_masks:  # numbers and colours stand for pixels, which the task gives their classes
        options = replace(options, unknown=[value for value in options.unknown or () if isinstance(value, str)] or None)
    if not isinstance(table.columns.sources.get("target"), Indicators):
        check_separator(samples, kind, str(file), options.separator)
    files = [name for sample in samples for name in (sample.image, sample.mask) if name not in (None, EMPTY_MASK_TOKEN)]
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    state = [kind, content, [size_of(name) for name in files], sampled_digests(files, 64)]
    return Survey.of_samples(samples, kind, digest([*state, *options.meaning]))


def _survey_targets(path: str, **arguments: Any) -> Survey:
    """Read the table for a task whose images are those of a data set: what it says of each image is its state."""
    table = read_table(only_file(path, ".csv", "csv"), TableOptions(**arguments))
    return Survey.of_samples(table.samples, table.kind, state_of_targets(table.samples, table.kind))


def read_columns(names: Sequence[str], /, path: str, **arguments: Any) -> dict[str, dict[str, str]]:
    """Return by column the text of each image's cell; empty where it holds no value.

    Raises:
        MMLError: it has no such column, or has it twice.
    """
    file = only_file(path, ".csv", "csv")
    options = TableOptions(**arguments)
    columns, rows = _columns_and_rows(file, options)
    sources = {name: Source(name, (columns.place(name, "metadata"),)) for name in names}
    missing = Missing(options.missing)
    rows = kept_rows(columns, rows, options.filter, missing)
    ids = [columns.sources["image"].read(row.cells, missing) for row in rows]
    return {
        name: dict(zip(ids, (source.read(row.cells, missing) for row in rows), strict=True))
        for name, source in sources.items()
    }


@register_creator("csv", _survey_table, 2, read_columns, Sharing(TARGET_KEYS, IMAGES_OF_TABLES, _survey_targets))
def table(
    folder: Path,
    path: str,
    task_type: str | None = None,
    columns: dict[str, str | list[str] | None] | None = None,
    separator: str | None = None,
    missing: list[str] | None = None,
    encoding: str | None = None,
    filter: str | None = None,
    unknown: list[str | int | float | list[int]] | None = None,
    uncertain: dict[str, str | int | float] | None = None,
) -> Delivery:
    """A table with the column `image` and a column of targets: `label`, `labels`, `value` or `mask`.

    Images are files, relative to the table. `label` is for classification, `labels` for several labels (`a|b`, or
    `a:0.7|b:0.2`), `value` for regression, `mask` for segmentation (a file, or EMPTY_MASK_TOKEN). Without any of them,
    the images are unlabelled. Optional columns: `split` (train, val, test, unlabelled), `group`, `fold`. Targets of the
    split unlabelled are ignored.

    Args:
        folder: unused, the images stay where they are.
        path: the table, or a folder with a single one.
        task_type: task type, where there are several columns of targets.
        columns: the table's own names, `{image: file_name, label: diagnosis}`, or templates of them,
            `image: "{site}/{id}.png"`; a list of one-hot columns, `label: [MEL, NV, BCC]`; null for a column that is
            not used.
        separator: separator of labels in place of `|`.
        missing: spellings of a missing value in place of the common ones; an empty cell is always missing.
        encoding: encoding of the file, where it is not UTF-8.
        filter: the rows that are read, `view == 'frontal' and age > 18`.
        unknown: values of columns of targets that leave an entry out of loss, class weights and metrics, `[-1, ""]`;
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
    return Delivery(read.samples, class_names(read.samples), read.kind)
