"""Run times: how long steps took, and how much memory, from the benchmark files that Snakemake writes."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mml_lib.machine.measured import Measured, benchmark_files

COLUMNS = ("rule", "steps", "seconds_mean", "seconds_max", "hours", "mb_mean", "mb_max")


def run_times(folders: Sequence[Path], names: Sequence[str]) -> pd.DataFrame:
    """Return a row for each rule whose steps are measured.

    Args:
        folders: with a folder for each rule, in it a file for each step.
        names: names of files, or their beginnings before a `-`.

    Returns:
        `rule steps seconds_mean seconds_max hours mb_mean mb_max`: hours of all steps together, and the largest
        resident memory of each step in 10⁶ bytes; NaN where a step was too short to be measured.
    """
    beginnings = tuple(f"{name}-" for name in names)
    files = benchmark_files(folders)
    steps = [Measured.of(file) for file in files if file.stem in names or file.stem.startswith(beginnings)]
    rows = []
    for rule, of_rule in pd.DataFrame(steps, columns=["rule", "name", "seconds", "mb"]).groupby("rule", sort=False):
        seconds, mb = of_rule["seconds"], of_rule["mb"]
        rows.append(
            (rule, len(of_rule), seconds.mean(), seconds.max(), seconds.sum() / 3600, mb.mean(), mb.max()),
        )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values("hours", ascending=False, kind="stable", ignore_index=True)
