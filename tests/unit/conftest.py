"""Every test has a file manager of its own."""

from collections.abc import Iterator

import pytest

from mml_lib.files.manager import MMLFileManager


@pytest.fixture(autouse=True)
def _fresh_file_manager() -> Iterator[None]:
    templates = dict(MMLFileManager._templates)
    MMLFileManager.clear_instance()
    yield
    MMLFileManager._templates.clear()
    MMLFileManager._templates.update(templates)
    MMLFileManager.clear_instance()
