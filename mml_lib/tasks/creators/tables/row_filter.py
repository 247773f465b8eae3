"""Filters of tables: expressions such as `view == 'frontal' and age > 18`, which are parsed and never executed.

An expression is a tree of Python's syntax (`ast`). Comparisons of columns with texts and numbers, `and`, `or` and `not`
are turned into functions of a row; everything else is refused. A comparison with a missing value is unknown, as in SQL:
it is None here, `and`, `or` and `not` follow Kleene's logic, and only rows that are True are kept.
"""

import ast
import operator
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized
from mml_lib.tasks.creators.columns import Columns, cell
from mml_lib.tasks.creators.delimited import Row
from mml_lib.tasks.creators.labels import NUMBER, number_of
from mml_lib.tasks.missing import Missing
from mml_lib.tasks.names import normalized

Cells = Mapping[str, str | None]
"""Text of each column in a row; None: it is missing."""

Condition = Callable[[Cells], bool | None]
"""True, False or None (unknown) for a row."""

ORDERS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
DATE = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?")
DATE_FORM = "of the form 2015-01-31 or 2015-01-31 08:00"
DAY = len("2015-01-31")
PARTS = "comparisons (== != < <= > >= in, not in, is None), and, or, not"


@dataclass(frozen=True)
class _Column:
    name: str


Operand = _Column | str | int | float
"""A side of a comparison: a column, a text or a number."""


@dataclass(frozen=True)
class RowFilter:
    """The condition that a row fulfils to be kept.

    Args:
        text: the expression as written.
        columns: names of the columns that it compares, in the order of their first use.
        condition: the condition.
    """

    text: str
    columns: tuple[str, ...]
    condition: Condition

    @classmethod
    def of(cls, text: str) -> "RowFilter":
        """Parse an expression.

        Raises:
            MMLError: it is not a filter.
        """
        try:
            # A column whose name is no Python name stands between backticks, as in `DataFrame.query` of pandas.
            names: list[str] = []
            tree = ast.parse(_with_plain_names(" ".join(text.split()), names), mode="eval")
            parser = _Parser(names)
            condition = parser.condition(tree.body)
        except SyntaxError as error:
            raise MMLError(f'filter: "{text}" is not an expression ({error.msg}){_remedy(text)}') from error
        except (ValueError, OverflowError, RecursionError, MemoryError) as error:
            raise MMLError(f'filter: "{text}" is not a filter: {error or "it is nested too deeply"}') from error
        return cls(text, tuple(parser.columns), condition)

    def keeps(self, cells: Cells) -> bool:
        """Return True if a row fulfils the condition.

        Raises:
            ValueError: a cell that is compared with a number is none.
        """
        return self.condition(cells) is True


def kept_rows(columns: Columns, rows: list[Row], text: str | None, missing: Missing) -> list[Row]:
    """Return the rows of a table that a filter keeps.

    Args:
        columns: columns of the table.
        rows: its rows.
        text: the expression; None: all rows are kept.
        missing: the test for cells without a value.

    Raises:
        MMLError: the filter names no column, compares a cell that is not a number, or keeps nothing.
    """
    if text is None:
        return rows
    row_filter = RowFilter.of(text)
    places = {name: columns.place(name, "filter") for name in row_filter.columns}
    kept = []
    for row in rows:
        texts = {name: cell(row.cells, place) for name, place in places.items()}
        try:
            keeps = row_filter.keeps({name: None if missing(value) else value for name, value in texts.items()})
        except ValueError as error:
            raise columns.wrong(row.line, f"filter: {error}") from error
        kept += [row] * keeps
    if rows and not kept:
        name, place = next(iter(places.items()))
        values = summarized((value for value, _ in Counter(cell(row.cells, place) for row in rows).most_common()), 5)
        raise MMLError(
            f'{columns.file}: filter: "{text}" keeps none of the {len(rows):,} rows; the column {name} has {values}'
        )
    return kept


def _with_plain_names(text: str, names: list[str]) -> str:
    """Replace each column in backticks outside of quotes by a Python name that states its place in `names`."""

    def placeholder(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        names.append(match[1].strip())
        return f"_backticks_{len(names) - 1}"

    return re.sub(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`([^`]*)`", placeholder, text)


def _remedy(text: str) -> str:
    if not text.strip():
        return "; write a comparison such as age > 18"
    if re.search(r"(?<![=!<>])=(?!=)", text):
        return "; equality is =="
    return f"; write {PARTS}, texts in quotes, and columns such as `patient id` in backticks"


class _Parser:
    """Turns the syntax tree of an expression into a condition.

    Args:
        names: names of the columns in backticks.
    """

    def __init__(self, names: Sequence[str]):
        self.names = {f"_backticks_{number}": name for number, name in enumerate(names)}
        self.columns: dict[str, None] = {}

    def condition(self, node: ast.expr) -> Condition:
        """Return the condition of a node.

        Raises:
            ValueError: it is none.
        """
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return partial(_all, [self.condition(value) for value in values])
            case ast.BoolOp(op=ast.Or(), values=values):
                return partial(_any, [self.condition(value) for value in values])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return partial(_not, self.condition(operand))
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                sides = pairwise([left, *comparators])
                return partial(_all, [self._comparison(op, *pair) for op, pair in zip(ops, sides, strict=True)])
            case ast.Name():
                text = self._text(node)
                raise ValueError(f"{text} alone is not a comparison; write a value, such as {text} == 'yes'")
        raise ValueError(f"{self._text(node)} is not a comparison; a filter has {PARTS}")

    def _text(self, node: ast.expr) -> str:
        """Return a part of the expression as the user wrote it."""
        return re.sub(r"\b_backticks_\d+\b", lambda match: f"`{self.names[match[0]]}`", ast.unparse(node))

    def _comparison(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> Condition:
        if isinstance(op, ast.Is | ast.IsNot):
            column = self._operand(left)
            if not (isinstance(column, _Column) and isinstance(right, ast.Constant) and right.value is None):
                raise ValueError(f"'is' stands only in {self._text(left)} is None, for a missing value; write ==")
            return partial(_is_missing, column.name, isinstance(op, ast.Is))
        if isinstance(op, ast.In | ast.NotIn):
            condition = self._membership(left, right)
            return partial(_not, condition) if isinstance(op, ast.NotIn) else condition
        sides = self._operand(left), self._operand(right)
        if not any(isinstance(side, _Column) for side in sides):
            raise ValueError(f"{self._text(left)} is compared with {self._text(right)}, and neither is a column")
        if isinstance(op, ast.Eq):
            return partial(_equal, sides)
        if isinstance(op, ast.NotEq):
            return partial(_not, partial(_equal, sides))
        for side in sides:
            if isinstance(side, str) and NUMBER.fullmatch(side):
                raise ValueError(f"the order of '{side}' would be that of a text; write {side} without quotes")
            if isinstance(side, str) and _as_date(side) is None:
                raise ValueError(f"'{side}' has no order: it is neither a number nor a date {DATE_FORM}")
        return partial(_ordered, ORDERS[type(op)], sides)

    def _membership(self, left: ast.expr, right: ast.expr) -> Condition:
        column = self._operand(left)
        if not isinstance(column, _Column):
            raise ValueError(f"{self._text(left)} before 'in' is not a column")
        values: list[Operand] = []
        if isinstance(right, ast.List | ast.Tuple | ast.Set):
            values = [self._operand(value) for value in right.elts]
        if not values or any(isinstance(value, _Column) for value in values):
            raise ValueError(f"{self._text(right)} after 'in' is not a list of values; write ['AP', 'PA']")
        return partial(_any, [partial(_equal, (column, value)) for value in values])

    def _operand(self, node: ast.expr) -> Operand:
        match node:
            case ast.Name(id=name):
                column = self.names.get(name, name)
                self.columns[column] = None
                return _Column(column)
            case ast.Constant(value=bool() as value):
                raise ValueError(f"{value} is not text; write '{value}' in quotes, as cells spell it")
            case ast.Constant(value=None):
                raise ValueError("None stands only behind 'is' and 'is not'; write is None for a missing value")
            case ast.Constant(value=str() as value):
                return normalized(value)
            case ast.Constant(value=int() | float() as value):
                return _checked(value)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -_checked(value)
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr()):
                raise ValueError(f"{self._text(node)} has & or |; write and, or")
        raise ValueError(f"{self._text(node)} is not a column, text or number; a filter has {PARTS}")


# --- conditions -------------------------------------------------------------------------------------------------------


def _all(conditions: Sequence[Condition], cells: Cells) -> bool | None:
    is_known = True
    for condition in conditions:
        value = condition(cells)
        if value is False:
            return False
        is_known = is_known and value is not None
    return True if is_known else None


def _any(conditions: Sequence[Condition], cells: Cells) -> bool | None:
    is_known = True
    for condition in conditions:
        value = condition(cells)
        if value:
            return True
        is_known = is_known and value is not None
    return False if is_known else None


def _not(condition: Condition, cells: Cells) -> bool | None:
    value = condition(cells)
    return None if value is None else not value


def _is_missing(column: str, expected: bool, cells: Cells) -> bool:
    return (cells[column] is None) is expected


def _equal(sides: tuple[Operand, Operand], cells: Cells) -> bool | None:
    """Compare as numbers if one side is a number in the expression, or if both columns hold one; else as texts."""
    left, right = (_value(side, cells) for side in sides)
    if left is None or right is None:
        return None
    has_text = any(isinstance(side, str) for side in sides)
    numbers = None if has_text else (_as_number(left), _as_number(right))
    if numbers and None not in numbers:
        return numbers[0] == numbers[1]
    return left == right


def _ordered(order: Callable[[Any, Any], bool], sides: tuple[Operand, Operand], cells: Cells) -> bool | None:
    """Compare as dates if one side is a text in the expression; else as numbers."""
    left, right = (_value(side, cells) for side in sides)
    if left is None or right is None:
        return None
    is_dated = any(isinstance(side, str) for side in sides)
    values: list[Any] = [(_as_date(str(value)) if is_dated else _as_number(value)) for value in (left, right)]
    for side, value in zip(sides, values, strict=True):
        if value is None and isinstance(side, _Column):
            kind = f"date {DATE_FORM}" if is_dated else "number"
            raise ValueError(f"the column '{side.name}' is '{cells[side.name]}', which is not a {kind}")
    if is_dated and any(isinstance(side, str) and len(side) == DAY for side in sides):
        values = [value.date() for value in values]  # a day is the whole day
    return order(*values)


def _as_date(text: str) -> datetime | None:
    if not DATE.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _value(side: Operand, cells: Cells) -> str | int | float | None:
    if not isinstance(side, _Column):
        return side
    text = cells[side.name]
    return None if text is None else normalized(text)


def _checked(value: int | float) -> int | float:
    """Return a number of an expression.

    Raises:
        OverflowError: it is no floating-point number.
    """
    float(value)
    return value


def _as_number(value: str | int | float) -> int | float | None:
    """Return a number, whole ones exactly; None for other texts."""
    return number_of(value) if isinstance(value, str) else value
