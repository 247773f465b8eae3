"""Dry runs whose Python calls are counted.

`python -m tests.support.counted_plan FILE ARGUMENTS` is the command `snakemake -n ARGUMENTS`, and writes the number of
its calls, of all functions and of some, into a file.
"""

import contextlib
import cProfile
import json
import os
import pstats
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.places import REPOSITORY
from tests.support.warm_steps import COUNTED, warm_python

FUNCTIONS = {
    "stats": ("<built-in method posix.stat>", "<built-in method posix.lstat>"),
    "opens": (*(f"<built-in method {name}>" for name in ("io.open", "_io.open", "io.open_code", "posix.open")),),
    "listings": ("<built-in method posix.listdir>", "<built-in method posix.scandir>"),
    "signatures": ("signature",),
    "package searches": ("find_spec",),
}
"""Functions that are counted together, by their names in a profile."""

STUDY = {
    "project": "large",
    "mode": {"preset": "train", "subroutines": ["train", "predict", "test"]},
    "tasks": {"stripes": {"creator": "fake", "folds": 5}},
    "preprocessing": "size32",
    "arch": "test_resnet",
    "loss": "cross_entropy",
    "optimizer": "adamw",
    "lr_scheduler": "one_cycle",
}
"""A study without its sweep."""


@dataclass(frozen=True)
class PlanCounts:
    """Calls of a dry run.

    Args:
        steps: planned steps.
        calls: calls by kind; `calls`: of all functions.
    """

    steps: int
    calls: dict[str, int]

    def per_step(self, smaller: "PlanCounts") -> dict[str, float]:
        """Return the calls that each further step of a larger study takes."""
        steps = self.steps - smaller.steps
        return {kind: (number - smaller.calls[kind]) / steps for kind, number in self.calls.items()}


def count_plan(folder: Path, runs: int) -> PlanCounts:
    """Return the calls of the dry run of a study.

    Args:
        folder: new folder.
        runs: seeds of the sweep; each run has five folds of three steps, and a pipeline.
    """
    folder.mkdir()
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY | {"sweep": {"seed": list(range(runs))}}))
    return PlanCounts(16 * runs, count_calls(folder, "--profile", str(REPOSITORY / "profiles/default")))


def count_job(folder: Path, run: str) -> dict[str, int]:
    """Return the calls of the plan that a cluster job of a network begins with.

    Args:
        folder: folder of a study whose runs are recorded for jobs.
        run: its run.
    """
    tokens = f"task=stripes,run={run},fold=0"
    targets = [f"train_fold:{tokens}", f"predict_fold:{tokens},eval=test", f"test_fold:{tokens},eval=test"]
    rules = ("--allowed-rules", "train_fold", "predict_fold", "test_fold")
    return count_calls(folder, "--mode", "remote", "--force", "--cores", "1", *rules, "--target-jobs", *targets)


def count_calls(folder: Path, *arguments: str) -> dict[str, int]:
    """Return the calls of a dry run of a study by kind."""
    command = [str(warm_python()), "-m", COUNTED, "counts.json", "--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--configfile", "study.yaml", *arguments]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return json.loads((folder / "counts.json").read_text())


def main() -> None:
    """Plan, and write the counts."""
    from snakemake.cli import main as run

    file, *sys.argv[1:] = sys.argv[1:]
    sys.argv.append("-n")
    profile = cProfile.Profile()
    with contextlib.suppress(SystemExit):
        profile.runcall(run)
    Path(file).write_text(json.dumps(counted(profile)))


def counted(profile: cProfile.Profile) -> dict[str, int]:
    """Return the calls of a profile by kind; `calls`: of all functions."""
    calls = dict.fromkeys(("calls", *FUNCTIONS), 0)
    for (_, _, name), (_, number, *_) in pstats.Stats(profile).stats.items():
        calls["calls"] += number
        for kind, names in FUNCTIONS.items():
            calls[kind] += number * (name in names)
    return calls


if __name__ == "__main__":
    main()
