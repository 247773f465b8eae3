"""One-hot columns of a table: one column for each class, 1 where an image has the class."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mml_lib.errors import MMLError, nearest
from mml_lib.machine.terminal import summarized
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.labels import NUMBER, number_of
from mml_lib.tasks.dataset import Label, label_names

YES, NO = ("true", "yes"), ("false", "no")

MEANINGS: Mapping[str, float | None] = {"ignore": None, "positive": 1.0, "negative": 0.0}
"""Probability of a label whose cell is uncertain, by the words of `uncertain: {as: …}`; None: unknown."""

CellValue = str | int | float | list[int]
"""Values of cells, or of mask pixels: a number, or a colour [red, green, blue]."""

Unknown = Sequence[CellValue] | Mapping[str, Sequence[CellValue]]
"""Values that stand for no target: of all cells, or by column of labels."""


@dataclass(frozen=True)
class PartialLabels:
    """Cells of target columns that are unknown or uncertain.

    Args:
        unknown: values without a target; an empty text stands for every cell without a value.
        uncertain: the value that stands for an uncertain finding, if there is one.
        meaning: probability of a label that is uncertain; None: unknown.
        by_column: further values without a target in single columns of labels.
    """

    unknown: tuple[CellValue, ...] = ()
    uncertain: CellValue | None = None
    meaning: float | None = None
    by_column: Mapping[str, tuple[CellValue, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, unknown: Unknown | None, uncertain: Mapping[str, CellValue] | None) -> "PartialLabels | None":
        """Return the meaning of the keys `unknown` and `uncertain` of a task, None if it has neither.

        Raises:
            MMLError: a key or value that has no meaning, or one value with two.
        """
        if unknown is None and uncertain is None:
            return None
        if isinstance(unknown, Mapping):
            by_column = {name: tuple(values) for name, values in unknown.items()}
            parts = [partial for values in by_column.values() if (partial := cls.of(values, uncertain))]
            return replace(parts[0] if parts else cls(), unknown=(), by_column=by_column)
        unknown = tuple(unknown or ())
        if uncertain is None:
            return cls(unknown)
        if set(uncertain) != {"value", "as"}:
            raise MMLError(
                f"uncertain: the keys are {', '.join(uncertain) or 'none'}; write uncertain: {{value: -1, as: ignore}}"
            )
        value, meaning = uncertain["value"], uncertain["as"]
        if any(_is_cell(str(value), other) for other in unknown):
            raise MMLError(f"uncertain: the value {value!r} is one of unknown; name it in one of them")
        if isinstance(meaning, str) and meaning in MEANINGS:
            return cls(unknown, value, MEANINGS[meaning])
        probability = float(str(meaning)) if NUMBER.fullmatch(str(meaning)) else -1.0
        if not 0 <= probability <= 1:
            raise MMLError(f"uncertain.as: {meaning!r} is not one of {', '.join(MEANINGS)}, nor a probability in 0..1")
        return cls(unknown, value, probability)

    def is_unknown(self, text: str, missing: Callable[[str], bool]) -> bool:
        """Return True if the entry of a cell is unknown."""
        if any(_is_cell(text, value) or (value == "" and missing(text)) for value in self.unknown):
            return True
        return self.meaning is None and self.is_uncertain(text)

    def for_column(self, name: str) -> "PartialLabels":
        """Return the options for one column of labels."""
        further = self.by_column.get(name, ())
        return replace(self, unknown=(*self.unknown, *further)) if further else self

    @property
    def _all_unknown(self) -> list[CellValue]:
        return [*self.unknown, *(value for values in self.by_column.values() for value in values)]

    def is_uncertain(self, text: str) -> bool:
        """Return True if a cell contains the value of uncertain findings."""
        return self.uncertain is not None and _is_cell(text, self.uncertain)

    @property
    def for_cells(self) -> "PartialLabels":
        """Options for cells only. If targets are masks, numbers and colours denote pixels."""
        return PartialLabels(tuple(value for value in self.unknown if isinstance(value, str)))

    def with_unknown(
        self, labels: Mapping[str, float | None], missing: Callable[[str], bool]
    ) -> dict[str, float | None]:
        """Return the labels of a cell `a:0.7|b:-1` with their probabilities; None for unknown ones."""
        probabilities = dict(labels)
        for name, probability in labels.items():
            if self.is_unknown(str(probability), missing):
                probabilities[name] = None
            elif self.is_uncertain(str(probability)):
                probabilities[name] = self.meaning
        return probabilities

    def check_indicators(self, names: Sequence[str]) -> None:
        """Refuse values that have a meaning in one-hot columns, or name such a column.

        Raises:
            MMLError: there is such a value.
        """
        if unused := next((name for name in self.by_column if name not in names), None):
            raise MMLError(f"unknown: '{unused}' is not the column of a label{nearest(unused, names)}")
        for value in self._all_unknown:
            if value in names:
                raise MMLError(
                    f"unknown: '{value}' is the column of a class; write values of cells here, and leave rows out by "
                    f'filter: "{value} != 1"'
                )
            if any(_is_cell(str(value), word) for word in (0, 1, *YES, *NO)):
                raise MMLError(f"unknown: {value!r} says that an image has a label, or has it not; leave it out")

    def lines(
        self, where: str, cells: Collection[str], missing: Callable[[str], bool], rows_without_target: int, rows: int
    ) -> list[str]:
        """Return a line for rows without a known target, for blanks that count as 0, and for values that no row has.

        Args:
            where: the table and its columns, for messages.
            cells: texts of the columns of targets.
            missing: the test for cells without a value.
            rows_without_target: number of rows without a known target.
            rows: number of all rows.
        """
        lines = []
        if rows_without_target:
            count = f"{rows_without_target:,} of {rows:,} rows"
            lines.append(f"{where}: {count} have no known target, so their images are unlabelled")
        if self.uncertain is not None and not self.is_unknown("", missing) and any(map(missing, cells)):
            lines.append(
                f'{where}: cells without a value count as 0 (absent); write unknown: [""] if they are not known'
            )
        if unused := self._unused(cells, missing):
            values = summarized(map(repr, unused), 4)
            lines.append(f"{where}: no row has {values}, which the task calls unknown or uncertain")
        return lines

    def _unused(self, cells: Collection[str], missing: Callable[[str], bool]) -> list[CellValue]:
        """Return the values of `unknown` and `uncertain` that no cell has, alone or in `a:0.7|b:-1`."""
        texts = {*cells, *(part.strip() for text in cells for part in re.split(r"[^\w.+-]", text) if ":" in text)}
        is_empty = any(map(missing, cells))
        values = [*self._all_unknown, *([] if self.uncertain is None else [self.uncertain])]
        return [
            value
            for value in values
            if not (any(_is_cell(text, value) for text in texts) or (value == "" and is_empty))
        ]


def _is_cell(text: str, value: object) -> bool:
    """Return True if a cell holds a value; `-1` and `-1.0` are alike."""
    text, written = text.strip().lower(), str(value).strip().lower()
    numbers = number_of(text), number_of(written)
    return text == written if None in numbers else numbers[0] == numbers[1]


@dataclass(frozen=True)
class Indicators:
    """One-hot columns, as in the tables of ISIC (classes) and CheXpert (labels).

    Args:
        names: names of the classes, as the header has them.
        parts: the place of each column in a row.
        partial: values of cells that are unknown or uncertain.
    """

    names: tuple[str, ...]
    parts: tuple[int, ...]
    partial: PartialLabels | None = None

    place = None

    @property
    def text(self) -> str:
        return summarized(self.names, 3)

    def read(self, cells: Sequence[str], missing: Callable[[str], bool]) -> str:
        """Return the cells that have a value, joined; empty where none has one."""
        return " ".join(cells[place] for place in self.parts if place < len(cells) and not missing(cells[place]))

    def label(self, cells: Sequence[str], kind: str, missing: Callable[[str], bool]) -> Label:
        """Return the label of a row: the class whose column is 1, or the labels with their probabilities.

        Unknown labels have the probability None; a row without a known label, or with unknown cells and no class, has
        no label (None).

        Args:
            cells: of the row.
            kind: the task type, classification or multi-label classification.
            missing: the test for cells without a value, which count as 0.

        Raises:
            ValueError: a cell that is no 0, 1 or probability; a class is needed, and none or several are 1.
        """
        values = {name: self._value(name, cells, place, missing) for name, place in self._columns}
        labels = {name: value for name, value in values.items() if value is None or value > 0}
        if TASK_TYPES[kind].is_multilabel:
            return None if set(values.values()) == {None} else labels
        if set(labels.values()) == {None}:
            return None
        labels = {name: value for name, value in labels.items() if value is not None}
        soft = next((name for name, value in labels.items() if value != 1), None)
        if soft is not None:
            raise ValueError(f"the column '{soft}' has {values[soft]}; one-hot columns of a class hold 0 and 1")
        if len(labels) != 1:
            several = f"{summarized(labels, 3)} are 1" if labels else f"none of the columns {self.text} is 1"
            raise ValueError(f"{several}, where one class an image is needed; for several write columns: {{labels: …}}")
        return next(iter(labels))

    @property
    def _columns(self) -> list[tuple[str, int]]:
        return list(zip(self.names, self.parts, strict=True))

    def _value(self, name: str, cells: Sequence[str], place: int, missing: Callable[[str], bool]) -> float | None:
        text = cells[place].strip().lower() if place < len(cells) else ""
        if self.partial is not None:
            partial = self.partial.for_column(name)
            if partial.is_unknown(text, missing):
                return None
            if partial.is_uncertain(text):
                return partial.meaning
        if missing(text) or text in NO:
            return 0.0
        value = 1.0 if text in YES else float(text) if NUMBER.fullmatch(text) else -1.0
        if not 0 <= value <= 1:
            raise ValueError(
                f"the column '{name}' has '{text}'; one-hot columns hold 0, 1, or a probability between (for labels); "
                "for labels, unknown: [-1] and uncertain: {value: -1, as: ignore} say what others mean"
            )
        return value

    def unused(self, labels: Sequence[Label]) -> list[str]:
        """Return the classes that no row has."""
        present = {name for label in labels for name in label_names(label)}
        return [name for name in self.names if name not in present]


def one_hot_names(header: Sequence[str], first: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the columns that look one-hot by the first row: at least two, each 0 or 1.

    Args:
        header: names of all columns.
        first: cells of the first row.
        others: columns that are used otherwise.
    """
    cells = zip(header, first, strict=False)
    names = [name for name, text in cells if name and name not in others and text.strip() in ("0", "1", "0.0", "1.0")]
    return names if len(names) > 1 else []
