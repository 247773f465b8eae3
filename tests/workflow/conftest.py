"""Real Snakemake runs in a folder of their own."""

import shutil
from pathlib import Path

import pytest

from tests.support.workplaces import TINY, Workplace, once


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    place = Workplace(tmp_path)
    place.write(TINY)
    return place


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A finished tiny study; tests look at it and leave it as it is."""
    return once(tmp_path_factory, "finished", TINY)


@pytest.fixture
def copy(finished: Workplace, tmp_path: Path) -> Workplace:
    """A copy of the finished study, to edit."""
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    return Workplace(tmp_path / "copy")
