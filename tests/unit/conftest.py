"""Modules of a user's own code."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.own_modules import NUMBERS


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Write the source of a new module; its name is that of no other test."""
    folder = tmp_path / "mine"
    folder.mkdir()
    before = dict(sys.modules)

    def write(source: str, name: str = "own") -> Path:
        path = folder / f"{name}_{next(NUMBERS)}.py"
        path.write_text(source)
        return path

    sys.path.insert(0, str(folder))
    yield write
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name not in before]:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
