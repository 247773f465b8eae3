"""Benchmarks: each records its figures, and the file of kept figures is one that people and the table can read."""

import ast
import csv
from dataclasses import fields
from pathlib import Path

import pytest

from tests.support.benchmark_figures import KEPT, Figure, Figures, keep, read_kept, recorded, table


@pytest.fixture
def report() -> pytest.TestReport:
    """The report of a test that has recorded two figures, the last one over its limit."""
    figures = Figures([])
    figures.record("packing", 1.0849, of="a bare loop", by="processor", at_most=1.25)
    with pytest.raises(AssertionError, match="packing: memory"):
        figures.record("packing: memory", 123_456.7, "MB", at_most=100)
    return pytest.TestReport(
        "test", ("file", 0, "test"), {}, "failed", None, "call", user_properties=figures.properties
    )


def test_figures_are_kept_by_name_and_stand_beside_later_ones(report: pytest.TestReport, tmp_path: Path):
    first, memory = recorded([report])
    assert (first.value, first.limit, memory.value) == ("1.08", "≤ 1.25", "123457")
    file = tmp_path / "figures.csv"
    keep([memory, Figure(**first.__dict__ | {"version": "0.1.0, 2026-01-01"})], file)
    keep([Figure("apple", "2")], file)
    assert list(read_kept(file)) == ["apple", "packing", "packing: memory"]
    _, row = table([Figure("packing", "1.2", of="a bare loop")], read_kept(file))
    assert row.split() == ["packing", "1.2", "1.08", "0.1.0,", "2026-01-01", "a", "bare", "loop"]


def test_figures_below_a_limit_fail_the_test():
    with pytest.raises(AssertionError, match=r"0\.89.*< 0\.9"):
        Figures([]).record("coverage", 0.89, at_least=0.9)


def test_kept_figures_have_a_version_and_a_machine():
    with open(KEPT, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]] == [field.name for field in fields(Figure)]
    names = [row["name"] for row in rows]
    assert names == sorted(set(names))
    assert all(row[key] for row in rows for key in ("value", "version", "machine"))


@pytest.mark.parametrize("path", sorted(KEPT.parent.glob("test_*.py")), ids=lambda path: path.stem)
def test_each_benchmark_records_its_figures(path: Path):
    functions = [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)]
    tests = {node.name: [argument.arg for argument in node.args.args] for node in functions}
    silent = [name for name, arguments in tests.items() if name.startswith("test_") and "figures" not in arguments]
    assert not silent, "record figures by the fixture of this name"
