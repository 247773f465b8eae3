"""Scripts that Snakemake runs in forks of the warm process."""

import os
import time
from typing import Any

from mml_lib.machine.warm_start import run_in_fork

THREAD_LIBRARIES = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")
TEMPORARY_FOLDERS = ("TMPDIR", "TMP", "TEMPDIR", "TEMP")


def run_script(script: Any, path: str) -> int | None:
    """Run the script of a local step in a fork of the warm process, and record its time and memory.

    Args:
        script: Snakemake's script object.
        path: path of the script with Snakemake's preamble.

    Returns:
        the exit status, negative for a signal; None if the script has not run.
    """
    started = time.time()
    result = run_in_fork(path, step_environment(script), wait="warm=True" in script.source)
    if result is None:
        return None
    record = script.bench_record
    if record is not None:
        record.running_time = time.time() - started
        if "kib" in result:
            record.data_collected = True
            record.max_rss = result["kib"] / 1024
            record.cpu_time = result["seconds"]
            record.cpu_usage = 100 * result["seconds"]
    return int(result["status"])


def step_environment(script: Any) -> dict[str, str]:
    """Return the environment variables that Snakemake sets for a script: numbers of threads, temporary folder."""
    environment = dict(os.environ)
    environment |= dict.fromkeys((f"{name}_NUM_THREADS" for name in THREAD_LIBRARIES), str(script.threads))
    environment["VECLIB_MAXIMUM_THREADS"] = str(script.threads)
    if folder := script.resources.get("tmpdir"):
        environment |= dict.fromkeys(TEMPORARY_FOLDERS, str(folder))
    return environment
