"""Run times: how long steps took, and how much memory, from the benchmark files that Snakemake writes."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mml_lib.files.terminal import PEAK

COLUMNS = ("rule", "steps", "seconds_mean", "seconds_max", "hours", "mb_mean", "mb_max")


def run_times(folders: Sequence[Path], names: Sequence[str]) -> pd.DataFrame:
    """Return a row for each rule whose steps are measured.

    Args:
        folders: with a folder for each rule, in it a file for each step.
        names: what the name of a file has to be, or to begin with before a `-`.

    Returns:
        `rule steps seconds_mean seconds_max hours mb_mean mb_max`: hours of all steps together, and the largest
        resident memory of each step in 10⁶ bytes; NaN where a step was too short to be measured.
    """
    files = [file for folder in folders for file in sorted(folder.glob("*/*.tsv"))]
    beginnings = tuple(f"{name}-" for name in names)
    files = [file for file in files if file.stem in names or file.stem.startswith(beginnings)]
    steps = [(file.parent.name, *_measured(file)) for file in files]
    rows = []
    for rule, of_rule in pd.DataFrame(steps, columns=["rule", "seconds", "mb"]).groupby("rule", sort=False):
        seconds, mb = of_rule["seconds"], of_rule["mb"]
        rows.append(
            (rule, len(of_rule), seconds.mean(), seconds.max(), seconds.sum() / 3600, mb.mean(), mb.max()),
        )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values("hours", ascending=False, kind="stable", ignore_index=True)


def _measured(file: Path) -> tuple[float, float]:
    """Return seconds and the largest resident memory of a step, of its latest repetition; NaN where it is not told."""
    lines = file.read_text(encoding="utf-8").splitlines()
    if len(lines) < 2:
        return np.nan, np.nan
    told = dict(zip(lines[0].split("\t"), lines[-1].split("\t"), strict=False))
    seconds, mib = (pd.to_numeric(told.get(key), errors="coerce") for key in ("s", "max_rss"))
    return float(seconds), float(np.fmax(float(mib) * 2**20 / 1e6, _logged(file)))


def _logged(file: Path) -> float:
    """Return the peak memory that a step told its log; Snakemake misses that of one forked off another process."""
    log = file.parents[2] / "LOGS" / file.parent.name / f"{file.stem}.log"
    found = re.findall(PEAK.replace("%.0f", r"(\d+)"), log.read_text(encoding="utf-8")) if log.exists() else []
    return float(found[-1]) if found else np.nan
