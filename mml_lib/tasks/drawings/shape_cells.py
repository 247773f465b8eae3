"""Shapes in the cells of tables: boxes in four columns, run lengths in one."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.tasks.drawings.run_lengths import RunLengths
from mml_lib.tasks.drawings.shapes import Box

SHAPES = ("box", "rle")
"""Kinds of shapes in the key `columns` of a table."""

EXTENT, CORNERS = ("x", "y", "width", "height"), ("x1", "y1", "x2", "y2")
"""Numbers of a box: upper left corner and extent, or two corners."""

BOX_REMEDY = "write box: {x: …, y: …, width: …, height: …} or box: {x1: …, y1: …, x2: …, y2: …} with a column each"
RLE_REMEDY = "write rle: EncodedPixels, or rle: {column: EncodedPixels, order: rows, starts: relative}"
RLE_OPTIONS = {
    "order": (("columns", "rows"), "the order in which pixels are numbered"),
    "starts": (("absolute", "relative"), "relative for starts that count from the end of the run before"),
}
"""Further keys of `rle`: their values, the default first, and what they say."""


@dataclass(frozen=True)
class BoxCells:
    """Columns of a box.

    Args:
        names: column of each number, those of `EXTENT` or of `CORNERS`.
        parts: place of each column in a row.
    """

    names: Mapping[str, str]
    parts: tuple[int, ...]

    @property
    def text(self) -> str:
        return ", ".join(self.names.values())

    def read(self, cells: Sequence[str], missing: Callable[[str], bool]) -> Box | None:
        """Return the box of a row, None where all its cells are empty.

        Raises:
            ValueError: a cell is empty or no number, or the box has no extent.
        """
        texts = [cells[place].strip() if place < len(cells) else "" for place in self.parts]
        empty = [name for name, text in zip(self.names.values(), texts, strict=True) if missing(text)]
        if len(empty) == len(texts):
            return None
        if empty:
            raise ValueError(f"the column '{empty[0]}' of the box is empty; fill all four columns, or none")
        numbers = [_number(name, text) for name, text in zip(self.names.values(), texts, strict=True)]
        if tuple(self.names) == CORNERS:
            left, upper, right, lower = numbers
            numbers = [left, upper, right - left, lower - upper]
        box = Box(*numbers)
        box.check()
        return box


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"the column '{name}' has '{text}', which is not a coordinate")
    return number


@dataclass(frozen=True)
class RunCells:
    """Column of run lengths.

    Args:
        text: name of the column.
        parts: its place in a row.
        by_rows: pixels are numbered along rows, not down columns.
        relative: starts count from the end of the run before.
    """

    text: str
    parts: tuple[int]
    by_rows: bool = False
    relative: bool = False

    def read(self, cells: Sequence[str], missing: Callable[[str], bool]) -> RunLengths | None:
        """Return the runs of a row, None where its cell is empty or -1.

        Raises:
            ValueError: the cell holds no pairs of start and length.
        """
        (place,) = self.parts
        text = cells[place].strip() if place < len(cells) else ""
        if missing(text) or text in ("-1", "-1.0"):
            return None
        runs = RunLengths.of_relative(text, self.by_rows) if self.relative else RunLengths(text, self.by_rows)
        runs.check()
        return runs


ShapeCells = BoxCells | RunCells


def shape_cells(role: str, value: str | Sequence[str] | Mapping[str, Any], place: Callable[[str], int]) -> ShapeCells:
    """Return the columns of shapes that the key `columns` of a task names.

    Args:
        role: one of `SHAPES`.
        value: what the task says of it.
        place: returns the place of a column by its name.

    Raises:
        MMLError: it names other than the columns of a shape.
    """
    if role == "box":
        stated = value if isinstance(value, dict) else {name: name for name in value if isinstance(value, list)}
        keys = next((keys for keys in (EXTENT, CORNERS) if set(stated) == set(keys)), None)
        if keys is None:
            raise MMLError(f"columns.box: {value!r} does not state which columns are the box; {BOX_REMEDY}")
        names = {key: stated[key] for key in keys}
        return BoxCells(names, tuple(map(place, names.values())))
    options = {"column": value} if isinstance(value, str) else value
    if not isinstance(options, dict) or "column" not in options or not set(options) <= {"column", *RLE_OPTIONS}:
        raise MMLError(f"columns.rle: {value!r} names no column; {RLE_REMEDY}")
    chosen = {}
    for key, ((default, other), meaning) in RLE_OPTIONS.items():
        chosen[key] = options.get(key, default)
        if chosen[key] not in (default, other):
            raise MMLError(f"columns.rle: {key} is '{chosen[key]}'; write {default} or {other}, {meaning}")
    by_rows, relative = chosen["order"] == "rows", chosen["starts"] == "relative"
    return RunCells(options["column"], (place(options["column"]),), by_rows, relative)
