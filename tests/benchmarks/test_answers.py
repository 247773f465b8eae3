"""Time of the summary and of mode `post` over whole steps."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.benchmark_figures import Figures

SCRIPT = Path(__file__).with_name("answers.py")


@pytest.mark.benchmark
def test_twelve_runs_of_five_folds_are_summed_up_and_answered_within_two_minutes_of_one_core(figures: Figures):
    one_core = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    table = subprocess.run([sys.executable, SCRIPT], env=one_core, text=True, capture_output=True, check=True).stdout
    seconds = {row.split()[0]: float(row.split()[2]) for row in table.splitlines()[1:]}
    for rule in sorted(seconds):
        limit = 120 if rule == "all" else None
        figures.record(f"answers of 12 runs × 5 folds: {rule}", seconds[rule], "s", by="processor", at_most=limit)
