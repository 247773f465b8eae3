"""Time of the summary and of mode `post` over whole steps."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("answers.py")


@pytest.mark.benchmark
def test_twelve_runs_of_five_folds_are_summed_up_and_answered_within_two_minutes_of_one_core(capsys):
    one_core = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    table = subprocess.run([sys.executable, SCRIPT], env=one_core, text=True, capture_output=True, check=True).stdout
    with capsys.disabled():
        print(f"\n{table}")
    of_all = table.splitlines()[-1].split()
    assert of_all[0] == "all"
    assert float(of_all[2]) < 120, "CPU seconds; 43 before there were procedures, calibrated members and groups"
