"""Figures of benchmarks: a table at the end of a session, beside the kept figures of `tests/benchmarks/figures.csv`.

The fixture `figures` records them. The option `--keep-figures` writes those of passed tests into the file.
"""

import csv
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path

import pytest

from mml_lib import __version__
from tests.support.places import REPOSITORY

KEPT = REPOSITORY / "tests/benchmarks/figures.csv"
PROPERTY = "figure"
TITLES = ("figure", "now", "kept", "version", "limit", "unit", "by", "beside")


@dataclass(frozen=True)
class Figure:
    """A measured figure.

    Args:
        name: name, which no other figure has.
        value: rounded value.
        unit: empty for a ratio.
        of: what it is compared with.
        by: `processor` for processor time, which other processes change little; `clock` for time by the clock.
        limit: what its test accepts.
        version: version of MML and day of a kept figure.
        machine: where a kept figure was measured.
    """

    name: str
    value: str
    unit: str = ""
    of: str = ""
    by: str = ""
    limit: str = ""
    version: str = ""
    machine: str = ""

    @property
    def needs_idle_machine(self) -> bool:
        """False for ratios of processor time, and for what is no time."""
        return self.by == "clock" or (self.by == "processor" and bool(self.unit))


class Figures:
    """Figures of a test.

    Args:
        properties: of the test; pytest hands them to its report.
    """

    def __init__(self, properties: list[tuple[str, object]]):
        self.properties = properties

    def record(
        self,
        name: str,
        value: float,
        unit: str = "",
        of: str = "",
        by: str = "",
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> None:
        """Add a figure to the table, and check that it is within its limits."""
        signs = {"≤": at_most, "≥": at_least}
        limit = " ".join(f"{sign} {rounded(bound)}" for sign, bound in signs.items() if bound is not None)
        self.properties.append((PROPERTY, asdict(Figure(name, rounded(value), unit, of, by, limit))))
        assert at_most is None or value <= at_most, f"{name}: {value} {unit} > {at_most}"
        assert at_least is None or value >= at_least, f"{name}: {value} {unit} < {at_least}"


def rounded(value: float) -> str:
    """Return a number with three digits, and all those of a larger integer."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def read_kept(path: Path = KEPT) -> dict[str, Figure]:
    """Return the kept figures by name."""
    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        return {row["name"]: Figure(**row) for row in csv.DictReader(file)}


def keep(figures: Iterable[Figure], path: Path = KEPT) -> None:
    """Replace the kept figures of the same names."""
    kept = read_kept(path) | {figure.name: figure for figure in figures}
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Figure)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(kept[name]) for name in sorted(kept))


def table(figures: Sequence[Figure], kept: dict[str, Figure]) -> list[str]:
    """Return the lines of a table of figures, each beside its kept one."""
    rows = [TITLES]
    for figure in figures:
        last = kept.get(figure.name, Figure("", "-"))
        row = (figure.name, figure.value, last.value, last.version, figure.limit, figure.unit, figure.by, figure.of)
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def recorded(reports: Iterable[pytest.TestReport]) -> list[Figure]:
    """Return the figures that tests have recorded."""
    properties = (pair for report in reports if report.when == "call" for pair in report.user_properties)
    return [Figure(**value) for key, value in properties if key == PROPERTY]


def machine() -> str:
    """Return the number of cores, and the GPU of tests that have imported torch."""
    torch = sys.modules.get("torch")
    gpu = f", {torch.cuda.get_device_name()}" if torch is not None and torch.cuda.is_available() else ""
    return f"{len(os.sched_getaffinity(0))} cores{gpu}"


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Records the figures of a benchmark."""
    return Figures(request.node.user_properties)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--keep-figures",
        choices=("all", "ratios"),
        help="write the figures of benchmarks to tests/benchmarks/figures.csv; `ratios` leaves out seconds and what is "
        "measured by the clock, which need an idle machine",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    passed = recorded(terminalreporter.getreports("passed"))
    if measured := passed + recorded(terminalreporter.getreports("failed")):
        terminalreporter.section("figures")
        for line in table(measured, read_kept()):
            terminalreporter.write_line(line)
    if wanted := config.getoption("--keep-figures"):
        version = f"{__version__}, {date.today()}"
        chosen = [figure for figure in passed if wanted == "all" or not figure.needs_idle_machine]
        keep(Figure(**asdict(figure) | {"version": version, "machine": machine()}) for figure in chosen)
