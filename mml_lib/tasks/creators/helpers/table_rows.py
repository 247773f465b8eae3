"""Tables for creators in plugins."""

from pathlib import Path

from mml_lib.errors import MMLError, nearest
from mml_lib.tasks.creators.delimited import read_rows


class Cells(dict[str, str]):
    """Cells of a row by column; a missing column is one line.

    Args:
        cells: text of each column.
        where: file and line, for errors.
    """

    def __init__(self, cells: dict[str, str], where: str):
        super().__init__(cells)
        self.where = where

    def __missing__(self, column: str) -> str:
        raise MMLError(f"{self.where}: there is no column '{column}'{nearest(str(column), self)}")


def table_rows(file: str | Path, encoding: str | None = None) -> list[Cells]:
    """Return the rows of a table as texts by column, without spaces around them.

    Cells may be separated by commas, semicolons, tabs, `|` or runs of spaces.

    Args:
        file: the table, whose first row names the columns.
        encoding: encoding of the file, where it is not UTF-8.

    Raises:
        MMLError: the file is no table, has a column twice or a row that is wider than the header. A column that a row
            lacks is an error where it is read.

    Example:
        >>> [row["patient"] for row in table_rows("/data/labels.csv")]
        ['p1', 'p1', 'p2']
    """
    path = Path(file).expanduser()
    if not (lines := list(read_rows(path, encoding))):
        raise MMLError(f"{path}: the table is empty")
    header, *rows = lines
    names = [cell.strip() for cell in header.cells]
    if twice := next((name for name in names if name and names.count(name) > 1), None):
        raise MMLError(f"{path}: the column '{twice}' appears twice; rename one")
    table = []
    for row in rows:
        cells = [cell.strip() for cell in row.cells]
        if any(cells[len(names) :]):
            raise MMLError(f"{path}, line {row.line}: there are {len(cells)} cells, {len(names)} in the header")
        padded = cells + [""] * (len(names) - len(cells))
        table.append(Cells(dict(zip(names, padded, strict=False)), f"{path}, line {row.line}"))
    return table
