"""Metadata: columns of a data set other than its labels, and the sub-groups that they define."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from statistics import quantiles

from mml_lib.errors import MMLError, nearest
from mml_lib.files.atomic import write_text
from mml_lib.tasks.missing import is_missing

MOST_GROUPS = 50
"""Largest number of sub-groups in a column. Columns with more values, such as patients, define no sub-groups."""

MOST_NUMBERS = 10
"""Columns with more distinct numbers (age) are divided by their quartiles; in others (grade), each is a sub-group."""

HEADER_PREFIX = "dicom."
"""Prefix of columns that are fields of DICOM headers, such as `dicom.PatientSex`."""

HEADER_FIELDS = frozenset(
    {
        *(
            "PatientSex",
            "PatientAge",
            "PatientSize",
            "PatientWeight",
            "PatientPosition",
            "Modality",
            "BodyPartExamined",
        ),
        *("ViewPosition", "Laterality", "ImageLaterality", "Manufacturer", "ManufacturerModelName", "SliceThickness"),
        *("KVP", "ExposureTime", "XRayTubeCurrent", "ConvolutionKernel", "MagneticFieldStrength", "RepetitionTime"),
        *("EchoTime", "FlipAngle", "ScanningSequence", "ContrastBolusAgent", "PhotometricInterpretation"),
    }
)
"""Fields that describe images and identify nobody. MML never writes other fields of a header."""

AGE = HEADER_PREFIX + "PatientAge"
OLDEST = 90
"""Largest age in years; higher ages are replaced by it, because they identify patients (45 CFR 164.514(b)(2))."""

YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
"""Length of DICOM's units of age in years (PS3.5, section 6.2, value representation AS)."""

Column = Mapping[str, str]
"""Value of each sample, by its id."""


def header_columns(task: str, names: Iterable[str]) -> list[str]:
    """Return the columns that are fields of DICOM headers.

    Raises:
        MMLError: a field is not one of `HEADER_FIELDS`.
    """
    columns = [name for name in names if name.startswith(HEADER_PREFIX)]
    for name in columns:
        if (field := name.removeprefix(HEADER_PREFIX)) not in HEADER_FIELDS:
            raise MMLError(
                f"tasks.{task}.metadata: '{name}' is not read, as it may identify patients"
                f"{nearest(field, HEADER_FIELDS)}; fields: {', '.join(sorted(HEADER_FIELDS))}"
            )
    return columns


def ages_in_years(column: Column) -> Column:
    """Return ages of DICOM headers (`045Y`, `018M`) in years, at most 90.

    Other values become empty, because they could be dates of birth.
    """
    return {id_: _years(age) for id_, age in column.items()}


def _years(age: str) -> str:
    match = re.fullmatch(r"(\d{1,3})([YMWD]?)", age.strip().upper())
    return f"{min(OLDEST, int(match[1]) * YEARS[match[2] or 'Y']):.4g}" if match else ""


def check_sub_groups(task: str, columns: Mapping[str, Column]) -> None:
    """Refuse columns that do not divide the samples of a task into sub-groups.

    Args:
        task: name of the task.
        columns: columns by name.

    Raises:
        MMLError: a column has more than `MOST_GROUPS` values, and some are not numbers.
    """
    for name, column in columns.items():
        values = dict.fromkeys(value for value in column.values() if not is_missing(value))
        if len(values) > MOST_GROUPS and not _are_numbers(values):
            texts = [value for value in values if not _are_numbers([value])]
            raise MMLError(
                f"tasks.{task}.metadata: '{name}' has {len(values)} values, {len(texts)} of them not numbers, as "
                f"'{texts[0]}'; up to {MOST_GROUPS} are sub-groups, and numbers are divided by quartiles: leave the "
                "cell empty where nothing is known, or leave the column out"
            )


def sub_groups(column: Column) -> dict[str, str | None]:
    """Return the sub-group of each sample by its id; None without a value.

    The sub-group is the value of the sample, or the quartile if the column has many distinct numbers.
    """
    present = {id_: value for id_, value in column.items() if not is_missing(value)}
    values = set(present.values())
    groups: Mapping[str, str] = present
    if len(values) > MOST_NUMBERS and _are_numbers(values):
        numbers = {id_: float(value) for id_, value in present.items()}
        groups = _quartiles(numbers)
    return {id_: groups.get(id_) for id_ in column}


def _quartiles(numbers: Mapping[str, float]) -> dict[str, str]:
    """Return the quartile of each number, named by its limits; the upper limit belongs to the quartile."""
    limits = [*quantiles(numbers.values(), n=4, method="inclusive"), max(numbers.values())]
    lower = [f"{min(numbers.values()):.10g}", *(f"above {limit:.10g}" for limit in limits[:-1])]
    names = [f"Q{place}: {low} to {high:.10g}" for place, (low, high) in enumerate(zip(lower, limits, strict=True), 1)]
    return {
        id_: next(name for name, limit in zip(names, limits, strict=True) if number <= limit)
        for id_, number in numbers.items()
    }


def _are_numbers(values: Iterable[str]) -> bool:
    try:
        return all(isfinite(float(value)) for value in values)
    except ValueError:
        return False


def write_metadata(path: str | Path, columns: Mapping[str, Column]) -> None:
    """Write a CSV table with the column `id` and the given columns."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["id", *columns])
    for id_ in next(iter(columns.values())):
        writer.writerow([id_, *(column.get(id_, "") for column in columns.values())])
    write_text(path, table.getvalue())


def read_metadata_table(path: str | Path) -> dict[str, dict[str, str]]:
    """Return the columns of a table that `write_metadata` wrote."""
    with open(path, newline="", encoding="utf-8") as stream:
        _, *names = next(rows := csv.reader(stream))
        cells = list(rows)
    return {name: {row[0]: row[place] for row in cells} for place, name in enumerate(names, 1)}
