"""The demo study, and the seconds that it takes."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from tests.support.places import REPOSITORY


def demo(folder: Path, cores: int, *arguments: str, **changes: Any) -> float:
    """Run the demo study, and return the seconds that it took."""
    (folder / "study.yaml").write_text(yaml.safe_dump({"project": "measured"} | changes))
    files = [str(REPOSITORY / "config/config.yaml"), "study.yaml"]
    command = [sys.executable, "-m", "snakemake", *arguments, "--snakefile", str(REPOSITORY / "Snakefile")]
    roots = {"MML_DATA_PATH": str(folder / "data"), "MML_RESULTS_PATH": str(folder / "results")}
    started = time.monotonic()
    done = subprocess.run(
        [*command, "--cores", str(cores), "--configfile", *files],
        cwd=folder,
        env=os.environ | roots,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return time.monotonic() - started
