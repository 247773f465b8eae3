"""Warm start: what the demo study takes from nothing with it and without, and a step that needs torch as a whole."""

import csv
import os
import statistics
from pathlib import Path

import pytest

from tests.support.benchmark_figures import Figures
from tests.support.demo_study import demo
from tests.support.workplaces import Workplace

pytestmark = pytest.mark.benchmark


def test_steps_start_within_a_second_by_a_process_that_has_torch_imported(tmp_path: Path, figures: Figures):
    """A prediction of a small network takes little but its start; the first one waits for the process to be there."""
    whole, steps = {}, {}
    for name, warm in (("warm", True), ("cold", False)):
        folder = tmp_path / name
        folder.mkdir()
        whole[name] = demo(folder, os.cpu_count(), warm_start=warm)
        files = Workplace(folder).files("results/measured/BENCHMARKS/predict_fold/*.tsv")
        steps[name] = [float(next(csv.DictReader(open(file), delimiter="\t"))["s"]) for file in files]
    ratio = whole["warm"] / whole["cold"]
    figures.record("demo study, warm start", ratio, of="cold starts", by="clock", at_most=0.8)
    for name, limit in (("cold", None), ("warm", 1)):
        seconds = statistics.median(steps[name])
        figures.record(f"prediction of the demo study, {name}", seconds, "s", by="clock", at_most=limit)
