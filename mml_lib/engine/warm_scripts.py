"""Scripts that Snakemake runs in forks of the warm process."""

import os
import time
from typing import Any

from mml_lib.machine.warm_start import run_in_fork

THREADS = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")
FOLDERS = ("TMPDIR", "TMP", "TEMPDIR", "TEMP")


def run_script(script: Any, path: str) -> int | None:
    """Run a script of a local step in a fork, and note its time and memory.

    Args:
        script: Snakemake's script object.
        path: path of the script with Snakemake's lines before it.

    Returns:
        the exit status, negative for a signal; None if the script has not run.
    """
    started = time.time()
    ended = run_in_fork(path, environment_of(script), wait="warm=True" in script.source)
    if ended is None:
        return None
    record = script.bench_record
    if record is not None:
        record.running_time = time.time() - started
        if "kib" in ended:
            record.data_collected = True
            record.max_rss = ended["kib"] / 1024
            record.cpu_time = ended["seconds"]
            record.cpu_usage = 100 * ended["seconds"]
    return int(ended["status"])


def environment_of(script: Any) -> dict[str, str]:
    """Return the environment that Snakemake gives a script: numbers of threads, and the folder of temporary files."""
    environment = dict(os.environ)
    environment |= dict.fromkeys((f"{name}_NUM_THREADS" for name in THREADS), str(script.threads))
    environment["VECLIB_MAXIMUM_THREADS"] = str(script.threads)
    if folder := script.resources.get("tmpdir"):
        environment |= dict.fromkeys(FOLDERS, str(folder))
    return environment
