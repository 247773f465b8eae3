"""The `python` of the tests' Snakemakes: a script in a fork is the script that it would be without."""

import os
import subprocess
from pathlib import Path

import pytest

from mml_lib.config.pipeline_folder import LIBRARY
from tests.support.warm_steps import warm_python

SCRIPT = """
import os, sys
import torch
kind = "fork" if "matplotlib" in sys.modules else "plain"
print(kind, sys.argv[1:], os.getcwd(), torch.get_num_threads(), flush=True)
"""


@pytest.mark.parametrize(("end", "status"), [("", 0), ("sys.exit(3)", 3), ("os.kill(os.getpid(), 15)", -15)])
def test_script_has_arguments_folder_and_threads_of_its_own_and_its_end(end: str, status: int, tmp_path: Path):
    path = os.pathsep.join(filter(None, [str(LIBRARY), str(LIBRARY), os.environ.get("PYTHONPATH")]))
    done = _run(tmp_path, end, "a", "b c", PYTHONPATH=path, OMP_NUM_THREADS="1")
    assert done.stdout == f"fork ['a', 'b c'] {tmp_path} 1\n"
    assert done.returncode == status


def test_script_runs_plainly_in_another_environment(tmp_path: Path):
    done = _run(tmp_path, "sys.exit(3)", "a", PYTHONPATH=f"{LIBRARY}:{tmp_path}", OMP_NUM_THREADS="1")
    assert done.stdout == f"plain ['a'] {tmp_path} 1\n"
    assert done.returncode == 3


def _run(folder: Path, end: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    script = folder / "script.py"
    script.write_text(SCRIPT + end)
    command = [warm_python(), script, *arguments]
    return subprocess.run(command, cwd=folder, env=os.environ | environment, text=True, stdout=subprocess.PIPE)
