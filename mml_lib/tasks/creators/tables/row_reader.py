"""Rows of tables as samples."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from mml_lib.task_types import IGNORED, TASK_TYPES
from mml_lib.tasks.creators.annotated.annotated_rows import AnnotatedRows
from mml_lib.tasks.creators.columns import Columns, Source, cell
from mml_lib.tasks.creators.delimited import Row
from mml_lib.tasks.creators.indicators import Indicators
from mml_lib.tasks.creators.labels import (
    SEPARATOR,
    class_names,
    parse_label,
    parse_weight,
)
from mml_lib.tasks.creators.own_data import TableFiles
from mml_lib.tasks.creators.split_names import SPLIT_WORDS
from mml_lib.tasks.creators.tables.table_options import TableOptions
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, SPLITS, Delivery, Label, Sample
from mml_lib.tasks.delivery_checks import ListedImages
from mml_lib.tasks.drawings.shape_cells import SHAPES
from mml_lib.tasks.missing import Missing


class RowReader:
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
            read = self._once(read) if self.columns.unused & {*SHAPES} else read
            listed = ListedImages(self.columns.file)
            for line, sample in read:
                listed.add(sample, f"line {line}")
            samples = [sample for _, sample in read]
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

    def _once(self, samples: Sequence[tuple[int, Sample]]) -> list[tuple[int, Sample]]:
        """Return the first line and the sample of each image, of rows that differ in their shapes only."""
        first: dict[str, tuple[int, Sample]] = {}
        for line, sample in samples:
            if first.setdefault(sample.id, (line, sample))[1] != sample:
                other = f"the image '{sample.id}' has another target, split, group, fold or weight"
                raise self.columns.wrong(
                    line, f"{other} than in line {first[sample.id][0]}; give all its rows the same"
                )
        return [*first.values()]

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
                label = partial.with_unknown(label, self.missing)
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
