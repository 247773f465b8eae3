"""Tables of new images: a CSV with a column of files. Planning imports this module, so it does without pandas."""

import csv
from pathlib import Path
from typing import NamedTuple

from mml_lib.errors import MMLError, nearest

COLUMNS = ("image", "file", "path")
"""Possible names of the column of files, in the order of precedence."""


class TableRow(NamedTuple):
    """An image that a table names."""

    id: str
    content: Path


def images_of_table(table: Path) -> list[TableRow]:
    """Return the images of a table; relative paths are relative to its folder. A column `id` names them.

    Raises:
        MMLError: the table, its column, or a file is missing, or the table has no rows.
    """
    try:
        with open(table, newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, delimiter="\t" if table.suffix.lower() == ".tsv" else ",")
            header = list(reader.fieldnames or ())
            cells = list(reader)
    except OSError as error:
        raise MMLError(f"images: the table {table} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise MMLError(f"images: the table {table} is not CSV in UTF-8 ({error}); save it so") from error
    column = next((name for name in COLUMNS if name in header), None)
    if column is None:
        raise MMLError(f"images: the table {table} has no column 'image'{nearest('image', header)}")
    rows = []
    for line, row in enumerate(cells, 2):
        if not (name := (row[column] or "").strip()):
            raise MMLError(f"images: {table}, line {line}: the column '{column}' is empty; write a file")
        file = table.parent / name
        if not Path(str(file).rpartition("#")[0] or file).is_file() and not file.is_file():
            raise MMLError(f"images: {table}, line {line}: the file {file} does not exist")
        rows.append(TableRow((row.get("id") or "").strip() or name, file))
    if not rows:
        raise MMLError(f"images: the table {table} has no rows; write one for each image")
    return rows
