"""Own data without code: a table of images. The images stay where they are."""

import csv
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mml_lib.config.identity import digest
from mml_lib.errors import MMLError, nearest
from mml_lib.tasks.creators.own_data import class_names, only_file, parse_label, sampled_digests, size_of
from mml_lib.tasks.creators.registry import Survey, register_creator
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Delivery, Label, Sample

TARGETS = {
    "label": "classification",
    "labels": "multilabel_classification",
    "value": "regression",
    "mask": "semantic_segmentation",
}
"""The columns that say what is learned, with the task type of each."""

OPTIONAL = ("split", "group", "fold")
COLUMNS = ("image", *TARGETS, *OPTIONAL)


@dataclass(frozen=True)
class _Columns:
    """Where the columns of a table stand; None: there is none."""

    file: Path
    kind: str
    width: int
    image: int
    target: int | None
    split: int | None
    group: int | None
    fold: int | None

    @classmethod
    def of(cls, file: Path, header: Sequence[str], task_type: str | None) -> "_Columns":
        header = [name.strip() for name in header]
        for name in header:
            if name in COLUMNS and header.count(name) > 1:
                raise MMLError(f"{file}: the column '{name}' is there twice; keep one")
            if name.lower() in OPTIONAL and name.lower() not in header:  # or a split would be overlooked
                raise MMLError(f"{file}: write the column '{name}' as '{name.lower()}'")
        if "image" not in header:
            raise MMLError(f"{file}: there is no column 'image'{nearest('image', header)}")
        kind = task_type or cls._kind(file, header)
        target = next((column for column, of_type in TARGETS.items() if of_type == kind), None)
        if target and target not in header:
            raise MMLError(f"{file}: there is no column '{target}', which {kind} needs{nearest(target, header)}")
        places = {name: header.index(name) if name in header else None for name in ("image", *OPTIONAL)}
        return cls(file, kind, len(header), target=header.index(target) if target else None, **places)

    def wrong(self, number: int, what: str) -> MMLError:
        """Return the error that tells what is wrong in a line."""
        return MMLError(f"{self.file}, line {number}: {what}")

    @staticmethod
    def _kind(file: Path, header: Sequence[str]) -> str:
        found = [column for column in TARGETS if column in header]
        if len(found) > 1:
            raise MMLError(
                f"{file}: the columns {', '.join(found)} are there; say by task_type which one is learned: "
                f"{', '.join(TARGETS[column] for column in found)}"
            )
        others = [name for name in header if name not in COLUMNS]
        for column in TARGETS if not found else ():
            if "?" in (near := nearest(column, others)):
                raise MMLError(f"{file}: there is no column '{column}'{near} Or set task_type: no_task")
        return TARGETS[found[0]] if found else "no_task"


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of a table, the header first; rows without any content are left out.

    Cells are separated by what the header has most of: commas, semicolons or tabs.

    Raises:
        MMLError: the file is no UTF-8 table.
    """
    try:
        with open(file, newline="", encoding="utf-8-sig") as stream:
            separator = max(",;\t", key=stream.readline().count)
            stream.seek(0)
            reader = csv.reader(stream, delimiter=separator, skipinitialspace=True, strict=True)
            for cells in reader:
                if any(map(str.strip, cells)):
                    yield reader.line_num, cells
    except OSError as error:
        raise MMLError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MMLError(f"{file} is not UTF-8 ({error}); save it as such") from error
    except csv.Error as error:
        raise MMLError(f"{file}, line {reader.line_num}: {error}; close quotes, and double them inside") from error


def _survey_table(path: str, task_type: str | None = None) -> Survey:
    """Read the table, so that its mistakes are told early; look at the sizes of its files and the content of some."""
    file = only_file(path, ".csv", "csv")
    samples, kind = read_table(file, task_type)
    files = [name for sample in samples for name in (sample.image, sample.mask) if name not in (None, EMPTY_MASK_TOKEN)]
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    known = Survey.of_splits({sample.split for sample in samples} - {None}, task_type=kind)
    given = [sample.fold for sample in samples if sample.split in (None, "train")]
    folds = set(given) - {None} | ({0} if known.folds else set())
    return replace(
        known,
        fingerprint=digest([kind, content, [size_of(name) for name in files], sampled_digests(files, 64)]),
        folds=len(folds) or None,
        has_test=None in given if known.has_test is None and folds else known.has_test,
    )


def _cell(cells: Sequence[str], place: int | None) -> str:
    return cells[place].strip() if place is not None and place < len(cells) else ""


def read_columns(columns: Sequence[str], path: str, task_type: str | None = None) -> dict[str, dict[str, str]]:
    """Return by column what a table says of each image.

    Raises:
        MMLError: it has no such column, or has it twice.
    """
    file = only_file(path, ".csv", "csv")
    rows = _rows(file)
    header = [name.strip() for name in next(rows, (1, []))[1]]
    for name in ("image", *columns):
        if header.count(name) != 1:
            state = "is there twice; keep one" if name in header else f"is not there{nearest(name, header)}"
            raise MMLError(f"{file}: the column '{name}' {state}")
    places = {name: header.index(name) for name in ("image", *columns)}
    cells = [{name: _cell(row, place) for name, place in places.items()} for _, row in rows]
    return {name: {each["image"]: each[name] for each in cells} for name in columns}


@register_creator("csv", survey=_survey_table, metadata=read_columns)
def table(folder: Path, path: str, task_type: str | None = None) -> Delivery:
    """Read the column `image` (a file, relative to the table) and one that says what is learned.

    That is `label` (classification), `labels` (multi-label: `a|b`, or `a:0.7|b:0.2`), `value` (regression) or `mask`
    (segmentation; a file, or EMPTY_MASK_TOKEN); without any, the images are unlabelled. Optional columns: `split`
    (train, val, test, unlabelled), `group`, `fold`. What is said of images in the split unlabelled is not looked at.

    Args:
        folder: unused, the images stay where they are.
        path: the table, or a folder with a single one.
        task_type: says which column is learned where there are several.
    """
    samples, kind = read_table(only_file(path, ".csv", "csv"), task_type)
    return Delivery(samples, class_names(samples, kind), kind)


def read_table(file: Path, task_type: str | None = None) -> tuple[list[Sample], str]:
    """Return the samples of a table, and their task type.

    Raises:
        MMLError: the first mistake, with its line.
    """
    rows = _rows(file)
    columns = _Columns.of(file, next(rows, (1, []))[1], task_type)
    there = _Existing(columns)
    # A cell that comes again and again (a class) is parsed once.
    labels: dict[str, Label] = {}
    return [_sample(columns, number, cells, there, labels) for number, cells in rows], columns.kind


def _sample(columns: _Columns, number: int, cells: list[str], there: "_Existing", labels: dict[str, Label]) -> Sample:
    if len(cells) > columns.width and any(cells[columns.width :]):
        raise columns.wrong(
            number, f"there are {len(cells)} cells, {columns.width} in the header; quote those with commas"
        )
    image = _cell(cells, columns.image)
    if not image:
        raise columns.wrong(number, "the column 'image' is empty")
    split = "unlabelled" if columns.kind == "no_task" else _cell(cells, columns.split) or None
    target, label, mask = _cell(cells, columns.target), None, None
    if split != "unlabelled":
        if not target and columns.kind != "multilabel_classification":
            column = next(column for column, kind in TARGETS.items() if kind == columns.kind)
            raise columns.wrong(number, f"the column '{column}' is empty; fill it, or put the image into 'unlabelled'")
        if columns.kind == "semantic_segmentation":
            mask = target if target == EMPTY_MASK_TOKEN else there.named(target, "mask", number)
        else:
            if target not in labels:
                labels[target] = parse_label(target, columns.kind, f"{columns.file}, line {number}")
            label = labels[target]
    fold = _cell(cells, columns.fold) or None
    if fold is not None and not fold.isdecimal():
        raise columns.wrong(number, f"the fold '{fold}' is not a number 0, 1, 2 …")
    group = _cell(cells, columns.group) or None
    return Sample(image, there.named(image, "image", number), label, split, group, fold and int(fold), mask)


class _Existing:
    """Looks up files of a table; a folder is listed once, whatever the number of its files."""

    def __init__(self, columns: _Columns):
        self.columns = columns
        self.root = str(columns.file.parent)
        self.folders: dict[str, frozenset[str]] = {}

    def named(self, name: str, what: str, number: int) -> str:
        """Return the path of a file; `what` it is and the line number tell of it if it does not exist."""
        path = os.path.join(self.root, name)
        folder, base = os.path.split(path)
        if folder not in self.folders:
            self.folders[folder] = self._list(folder)
        if base not in self.folders[folder]:
            raise self.columns.wrong(number, f"the {what} {path} does not exist")
        return path

    @staticmethod
    def _list(folder: str) -> frozenset[str]:
        try:
            return frozenset(os.listdir(folder))
        except (OSError, ValueError):
            return frozenset()
