"""File operations of a command and all its processes, counted by strace.

`python -m tests.support.file_operations FOLDER RUNS` prints those of a study whose steps only write their outputs.
"""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from tests.support.counted_plan import STUDY
from tests.support.places import REPOSITORY

CALL = re.compile(r"^\d+ +(\w+)\((?:AT_FDCWD, |\d+, )?(?:\"([^\"]*)\")?")

PLACES = ("metadata", "incomplete", "locks", "log", "scripts", "shadow", "auxiliary", "conda", "singularity", "iocache")
"""Folders of Snakemake in the working folder."""


def count_operations(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Counter[tuple[str, str]]:
    """Return the number of system calls that name files or list folders, by call and place.

    Args:
        command: program and arguments.
        folder: working folder, in which a file with all calls is written for the time.
        environment: variables in addition to those of this process.
    """
    trace = folder / "trace"
    traced = ["strace", "-f", "-qq", "-e", "trace=%file,getdents64", "-e", "signal=none", "-o", str(trace), *command]
    done = subprocess.run(traced, cwd=folder, env=os.environ | dict(environment), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    with open(trace, errors="replace") as lines:
        calls = Counter((call[1], place_of(call[2] or "", folder)) for line in lines if (call := CALL.match(line)))
    trace.unlink()
    return calls


def place_of(path: str, folder: Path) -> str:
    """Return the kind of place that a path is in."""
    path = path.removeprefix(f"{folder}/")
    if path.startswith(str(REPOSITORY)):
        return "library"
    if path.startswith("/"):
        return "elsewhere"
    parts = path.split("/")
    if parts[0] == ".snakemake" and len(parts) > 1:
        return next((f".snakemake/{place}" for place in PLACES if parts[1].startswith(place)), ".snakemake")
    return parts[0] if parts[0] in ("results", "data", ".snakemake") else "study"


def count_study(folder: Path, runs: int) -> Counter[tuple[str, str]]:
    """Return the operations of a study of 16 pretended steps a run."""
    folder.mkdir()
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY | {"sweep": {"seed": list(range(runs))}}))
    command = [sys.executable, "-m", "tests.support.pretended_steps", "--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--profile", str(REPOSITORY / "profiles/default"), "--configfile", "study.yaml", "--cores", "2"]
    return count_operations(command, folder, {"PYTHONPATH": str(REPOSITORY)})


def per_step(smaller: Counter[tuple[str, str]], larger: Counter[tuple[str, str]], steps: int) -> Counter:
    """Return the operations of a further step, by call and place."""
    return Counter({key: (number - smaller[key]) / steps for key, number in larger.items()})


if __name__ == "__main__":
    few, many = 4, int(sys.argv[2])
    counts = [count_study(Path(sys.argv[1]) / str(runs), runs) for runs in (few, many)]
    added = per_step(*counts, 16 * (many - few))
    print(f"{16 * many} steps: {counts[1].total()} operations, {added.total():.1f} a further step")
    for (call, place), number in added.most_common():
        if number >= 0.05:
            print(f"{number:8.2f} {call:12} {place}")
