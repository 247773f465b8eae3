"""Warm start: what the demo study takes from nothing with it and without, and a step that needs torch as a whole."""

import csv
import os
import statistics
from pathlib import Path

import pytest

from tests.support.demo_study import demo
from tests.support.workplaces import Workplace

pytestmark = pytest.mark.benchmark


def test_steps_start_within_a_second_by_a_process_that_has_torch_imported(tmp_path: Path, capsys):
    """A prediction of a small network takes little but its start; the first one waits for the process to be there."""
    whole, steps = {}, {}
    for name, warm in (("warm", True), ("cold", False)):
        folder = tmp_path / name
        folder.mkdir()
        whole[name] = demo(folder, os.cpu_count(), warm_start=warm)
        files = Workplace(folder).files("results/measured/BENCHMARKS/predict_fold/*.tsv")
        steps[name] = [float(next(csv.DictReader(open(file), delimiter="\t"))["s"]) for file in files]
    with capsys.disabled():
        for name, times in steps.items():
            durations = f"{statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})"
            print(
                f"\n{name}: demo study from nothing {whole[name]:.1f} s, each of {len(times)} predictions {durations}"
            )
    assert whole["warm"] < 0.8 * whole["cold"]
    assert statistics.median(steps["warm"]) < 1
