"""Real Snakemake runs in a folder of their own."""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.support.forked_snakemake import SECONDS, RunningSnakemake, run_snakemake, start_snakemake
from tests.support.places import REPOSITORY

TINY: dict[str, Any] = {
    "project": "tiny",
    "mode": {"preset": "train", "subroutines": ["train", "predict", "test"]},  # pictures take their time
    "tasks": {"stripes": {"creator": "fake", "num_samples": 48, "num_classes": 2, "size": 24, "folds": 2}},
    "preprocessing": {"size": 32},
    "normalization": "task",
    "arch": "test_resnet",
    "augmentations": "none",
    "loss": "cross_entropy",
    "optimizer": {"preset": "adamw", "lr": 0.003},
    "lr_scheduler": "one_cycle",
    "sampling": {"preset": "default", "batch_size": 8},
    "trainer": {"max_epochs": 1, "accelerator": "cpu"},
    "metrics": ["accuracy"],
    "resources": {rule: {"threads": 1} for rule in ("tune_fold", "train_fold", "predict_fold")},  # on a full machine
}


@dataclass
class Workplace:
    """A folder with a study, and the pipeline that runs there."""

    folder: Path
    snakefile: Path = REPOSITORY / "Snakefile"
    cores: int = 2
    forked: bool = True
    """False: Snakemake and its steps import everything themselves, which takes as long as users wait for it."""

    def write(self, study: dict[str, Any], name: str = "study.yaml") -> None:
        (self.folder / name).write_text(yaml.safe_dump(study))

    def command(self, *arguments: str) -> list[str]:
        return [
            *(sys.executable, "-m", "snakemake", *arguments),
            *("--snakefile", str(self.snakefile), "--cores", str(self.cores), "--configfile", "study.yaml"),
        ]

    def start(self, *arguments: str) -> RunningSnakemake | subprocess.Popen:
        """Start Snakemake and return while it runs, to be signalled."""
        command = self.command(*arguments)
        if self.forked:
            return start_snakemake(command[3:], self.folder)
        return subprocess.Popen(command, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Run Snakemake, and return its output."""
        if self.forked:
            status, output = run_snakemake(self.command(*arguments)[3:], self.folder)
        else:
            process = self.start(*arguments)
            output, _ = process.communicate(timeout=SECONDS)
            status = process.returncode
        assert (status != 0) == fails, output
        return output

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return how many steps of each rule a dry run plans."""
        output = self.run("-n", *arguments)
        if "Nothing to be done" in output:
            return {}
        lines = iter(output.splitlines())
        for line in lines:
            if line.split()[:2] == ["rule", "steps"]:
                break
        rows = (re.match(r"  (\w+) +(\d+)(?:  |$)", line) for line in lines)
        planned = {row[1]: int(row[2]) for row in takewhile(bool, rows)}
        assert planned, output
        return planned

    def files(self, pattern: str) -> list[Path]:
        """Return the files that match a pattern, without checksums."""
        return sorted(path for path in self.folder.glob(pattern) if path.suffix != ".sha256")


def steps_of(process: RunningSnakemake | subprocess.Popen, script: str) -> list[psutil.Process]:
    """Return the running steps of a Snakemake that are of a script."""
    return [child for child in psutil.Process(process.pid).children(recursive=True) if _runs(child, script)]


def _runs(process: psutil.Process, script: str) -> bool:
    try:
        line = process.cmdline()
    except psutil.Error:
        return False
    return len(line) > 1 and "python" in line[0] and line[-1].endswith(script)


def wait_for(condition: Callable[[], Any], seconds: float = 300) -> Any:
    """Wait until a condition is true, within a time limit, and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


def kill(process: RunningSnakemake | psutil.Process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def once(tmp_path_factory: pytest.TempPathFactory, name: str, study: dict[str, Any]) -> Workplace:
    """Return a finished study, run by the first of the test processes that asks for it.

    Raises:
        ValueError: another study has the name.
    """
    parallel = "PYTEST_XDIST_WORKER" in os.environ
    shared = tmp_path_factory.getbasetemp().parent if parallel else tmp_path_factory.getbasetemp()
    place = Workplace(shared / name)
    with open(shared / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / f"{name}.done").exists():
            shutil.rmtree(place.folder, ignore_errors=True)
            place.folder.mkdir()
            place.write(study)
            place.run()
            (shared / f"{name}.done").write_text(repr(study))
        if (shared / f"{name}.done").read_text() != repr(study):
            raise ValueError(f"two test files share the name '{name}' for different studies; rename one")
    return place
