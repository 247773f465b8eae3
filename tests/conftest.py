"""Fixtures of all tests: a file manager of its own for each, and the warnings that it prints."""

from collections.abc import Iterator

import pytest

from mml_lib.files.manager import MMLFileManager
from mml_lib.machine import terminal


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
    monkeypatch.setattr(terminal, "say", lines.append)
    return lines
