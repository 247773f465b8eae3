"""Fixtures of all tests: a file manager of its own for each, and the warnings that it prints.

Also the order of the tests where several processes run them, and the table of the benchmarks' figures.
"""

import gc
import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from mml_lib.files.manager import MMLFileManager
from mml_lib.machine import terminal

pytest_plugins = ["tests.support.benchmark_figures"]

if "PYTEST_XDIST_WORKER" in os.environ:
    # Threads that wait for each other do not spin: with more processes than cores, that takes most of their time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each process its share of the whole studies first, so that none is left at the end with a slow one."""
    if processes := getattr(config, "workerinput", {}).get("workercount"):
        items[:] = spread(items, processes)


def pytest_collection_finish() -> None:
    """Leave what was imported out of later collections of garbage: Lightning asks for one in each tuning and fit."""
    gc.collect()
    gc.freeze()


def spread(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """Return the tests in an order that pytest-xdist, which cuts it into equal parts, gives all processes slow ones."""
    files = [list(group) for _, group in groupby(filter(_is_slow, items), key=lambda item: item.path)]
    others = [item for item in items if not _is_slow(item)]
    order: list[pytest.Item] = []
    for process in range(processes):
        slow = [item for file in files[process::processes] for item in file]
        size = (len(items) - len(order)) // (processes - process)
        fill = max(0, size - len(slow))
        order += slow + others[:fill]
        del others[:fill]
    return order + others


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("long") is not None or Path(item.path).parent.name == "workflow"


@pytest.fixture(autouse=True)
def _fresh_file_manager() -> Iterator[None]:
    templates = dict(MMLFileManager._templates)
    MMLFileManager.clear_instance()
    yield
    MMLFileManager._templates.clear()
    MMLFileManager._templates.update(templates)
    MMLFileManager.clear_instance()


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings that a test prints."""
    lines: list[str] = []
    monkeypatch.setattr(terminal, "_printed_warnings", set())
    monkeypatch.setattr(terminal, "print_line", lines.append)
    return lines
