"""Tables as texts: encoding, delimiter, header and rows of a file."""

import contextlib
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mml_lib.errors import MMLError

DELIMITERS = (",", ";", "\t", "|")
"""Delimiters of cells; runs of spaces are tried after them."""

LOOKED_AT = 65536
"""Characters from which the delimiter is taken."""

_BINARY = {b"PK\x03\x04": "an Excel workbook or another archive", b"PAR1": "a Parquet file", b"\x1f\x8b": "compressed"}


@dataclass(frozen=True)
class Row:
    """One row of a table: its last line in the file, from 1 on, and its cells."""

    line: int
    cells: list[str]


def read_rows(file: Path, encoding: str | None = None) -> Iterator[Row]:
    """Yield the rows of a table, the header first; rows without any content are left out.

    Args:
        file: in UTF-8.
        encoding: another one.

    Raises:
        MMLError: the file is no such text, or has quotes that are never closed.
    """
    text = _decoded(file, encoding)
    first, text = _without_declaration(text)
    delimiter = first or delimiter_of(text)
    if delimiter == " ":
        text = re.sub(r"[ \t]+(?=\r?\n|$)", "", text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    skipped = 1 if first else 0
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield Row(reader.line_num + skipped, cells)
    except csv.Error as error:
        line = reader.line_num + skipped
        raise MMLError(f"{file}, line {line}: {error}; close quotes, and double them inside") from error


def _decoded(file: Path, encoding: str | None) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise MMLError(f"{file} cannot be read: {error.strerror}") from error
    for start, kind in _BINARY.items():
        if data.startswith(start):
            raise MMLError(f"{file} is {kind}, not text; save the table as CSV in UTF-8")
    if encoding is None and data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise MMLError(f"{file} is not UTF-8 but UTF-16; save it as UTF-8, or write encoding: utf-16")
    encoding = encoding or "utf-8-sig"
    try:
        text = data.decode(encoding)
    except LookupError as error:
        raise MMLError(f"{file}: there is no encoding '{encoding}'; write utf-8, utf-16 or cp1252") from error
    except UnicodeError as error:
        raise MMLError(_wrong_encoding(file, data, encoding, error)) from error
    if "\0" in text:
        raise MMLError(f"{file} is not UTF-8: it has zero bytes; save it as UTF-8, or write encoding: utf-16-le")
    return text.removeprefix("\ufeff")


def _wrong_encoding(file: Path, data: bytes, encoding: str, error: UnicodeError) -> str:
    name = "UTF-8" if encoding == "utf-8-sig" else encoding
    start = getattr(error, "start", 0)
    line = data.count(b"\n", 0, start) + 1
    lines = data[max(0, start - 12) : start + 12].splitlines()
    sample_text = next((part for part in lines if any(byte > 127 for byte in part)), b"").decode("cp1252", "replace")
    remedy = f"; save it as UTF-8, or write encoding: cp1252 if '{sample_text}' is right" if name == "UTF-8" else ""
    return f"{file} is not {name} (line {line}, byte {data[start]:#04x}){remedy}"


def _without_declaration(text: str) -> tuple[str | None, str]:
    """Return the delimiter of a first line `sep=;`, as Excel understands it, and the text below it."""
    match = re.match(r'"?sep=(.)"?\r?\n', text)
    return (match[1], text[match.end() :]) if match else (None, text)


def check_widths(file: Path, header: Sequence[str], rows: Sequence[Row]) -> None:
    """Refuse a row that is wider than the header.

    Empty cells beyond the header are allowed where the header, or most rows beside it, end in a delimiter that has no
    column behind it. In other tables they show that a cell was divided, `nevus, benign,,` in place of
    `"nevus, benign",,`.

    Raises:
        MMLError: its line and the number of its cells.
    """
    width = len(header)
    wider = [row for row in rows if len(row.cells) > width]
    ends_in_delimiter = bool(header) and (not header[-1] or 2 * len(wider) > len(rows))
    for row in wider:
        if any(map(str.strip, row.cells[width:])) or not ends_in_delimiter:
            raise MMLError(
                f"{file}, line {row.line}: there are {len(row.cells)} cells, {width} in the header; quote those with "
                "commas"
            )


def delimiter_of(text: str) -> str:
    """Return the delimiter of a table: the one that divides most rows into as many cells as the header.

    Of what divides rows equally well, it is what makes the most columns. Runs of spaces divide a table that nothing
    else divides and whose rows have all as many words as its header.
    """
    sample = text[:LOOKED_AT]
    if len(text) > LOOKED_AT:
        sample = sample[: sample.rfind("\n") + 1] or sample
    scored = [(_fit(sample, delimiter), delimiter) for delimiter in DELIMITERS]
    (share, width), delimiter = max(scored, key=lambda item: item[0])
    if width > 1:
        return delimiter
    share, width = _fit(re.sub(r"[ \t]+(?=\r?\n|$)", "", sample), " ")
    return " " if width > 1 and share == 1 else ","


def _fit(sample: str, delimiter: str) -> tuple[float, int]:
    """Return the share of rows with as many cells as the header, and the number of cells of the header."""
    rows = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=True)
    widths: list[int] = []
    with contextlib.suppress(csv.Error):
        widths.extend(len(cells) for cells in rows if any(map(str.strip, cells)))
    if not widths or widths[0] < 2:
        return 0.0, 1
    width, *others = widths
    return (sum(other == width for other in others) / len(others) if others else 1.0), width
