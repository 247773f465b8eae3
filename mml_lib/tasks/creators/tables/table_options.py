"""Options of a table in a task."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mml_lib.errors import MMLError
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.column_names import ColumnText
from mml_lib.tasks.creators.columns import ColumnMapping, Columns
from mml_lib.tasks.creators.indicators import CellValue, Indicators, PartialLabels, Unknown
from mml_lib.tasks.creators.tables.row_filter import RowFilter
from mml_lib.tasks.drawings.shape_cells import SHAPES, shape_cells

UNCERTAIN = -1
"""Value of uncertain labels, unless a task names another one."""


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
        uncertain: the value of uncertain labels and its meaning, or the meaning of -1 alone; None: there is none.
    """

    task_type: str | None = None
    columns: ColumnMapping | None = None
    separator: str | None = None
    missing: Sequence[str] | None = None
    encoding: str | None = None
    filter: str | None = None
    unknown: Unknown | None = None
    uncertain: Mapping[str, CellValue] | CellValue | None = None

    def check(self) -> None:
        """Refuse a separator that divides nothing, or divides probabilities, and an expression that is not a filter.

        Raises:
            MMLError: the separator to choose from, or what a filter is.
        """
        if self.filter is not None:
            RowFilter.of(self.filter)
        for role, value in self.shapes.items():
            shape_cells(role, value, lambda name: 0)
        if self.separator is not None and (not self.separator or re.search(r"[:.\w]", self.separator)):
            raise MMLError(f"separator: {self.separator!r} cannot stand between labels; write | , ; / or a space")

    @property
    def shapes(self) -> dict[str, ColumnText]:
        """Columns of shapes by their kind."""
        return {role: value for role, value in (self.columns or {}).items() if role in SHAPES and value is not None}

    @property
    def uncertain_value(self) -> Mapping[str, CellValue] | None:
        """The value of uncertain labels and its meaning: -1, as in CheXpert and MIMIC-CXR, unless the task names it."""
        if self.uncertain is None or isinstance(self.uncertain, Mapping):
            return self.uncertain
        return {"value": UNCERTAIN, "as": self.uncertain}

    @property
    def planned_kind(self) -> str:
        """The task type of a table that is not there yet."""
        return self.task_type or ("semantic_segmentation" if self.shapes else "classification")

    @property
    def meaning(self) -> list[object]:
        """Options that decide the samples, in addition to the file itself."""
        columns = sorted(self.columns.items()) if self.columns else []
        options: list[object] = [columns, self.separator, self.missing, self.encoding]
        options += [] if self.filter is None else [self.filter]
        partial = {"unknown": self.unknown, "uncertain": self.uncertain_value}
        # These keys are no part of the digest of other tables.
        options += [partial] if any(value is not None for value in partial.values()) else []
        return options if any(options) else []

    def with_partial_labels(self, columns: Columns) -> Columns:
        """Return columns whose targets may be unknown, and whose labels may be uncertain, as the task says.

        Raises:
            MMLError: there are no targets; only labels may be uncertain; a value has another meaning.
        """
        partial = PartialLabels.of(self.unknown, self.uncertain_value)
        target, kind = columns.sources.get("target"), TASK_TYPES[columns.kind]
        if partial is None:
            return columns
        if self.uncertain is not None and not kind.is_multilabel:
            raise MMLError("uncertain: only for several labels an image; write columns: {labels: [Edema, …]}")
        if target is None:
            raise MMLError(f"unknown: {columns.file} has no targets that could be unknown; leave it out")
        if isinstance(target, Indicators):
            partial.check_indicators(target.names)
        elif partial.by_column:
            raise MMLError("unknown: values by column are for several columns of labels; write a list, unknown: [-1]")
        if kind.has_masks:
            partial = partial.for_cells
        return replace(columns, sources={**columns.sources, "target": replace(target, partial=partial)})
