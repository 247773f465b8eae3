"""File operations of a run: what a file system that is shared has to answer for each step, beside the step itself."""

from pathlib import Path

import pytest

from tests.support.benchmark_figures import Figures
from tests.support.file_operations import count_study, per_step

FEW, MANY = 4, 62
"""Runs of five networks: 16 steps each."""


@pytest.mark.benchmark
def test_a_further_step_takes_few_file_operations(tmp_path: Path, figures: Figures):
    smaller, larger = (count_study(tmp_path / str(runs), runs) for runs in (FEW, MANY))
    added = per_step(smaller, larger, 16 * (MANY - FEW))
    for place in ("results", "data", "library"):
        number = sum(count for (_, kind), count in added.items() if kind == place)
        figures.record(f"file operations of a step below {place}", number)
    figures.record("file operations of a step", added.total(), at_most=260)
