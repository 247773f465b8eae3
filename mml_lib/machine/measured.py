"""Measured time and memory of steps, from Snakemake's benchmark files.

Forecasts read them while planning, therefore without pandas.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mml_lib.machine.terminal import PEAK


@dataclass(frozen=True)
class Measured:
    """Measured time and memory of one step.

    Args:
        rule: name of its rule.
        name: name of its benchmark file, made of its wildcards.
        seconds: wall-clock time; NaN if it was too short to be measured.
        mb: peak resident memory in 10⁶ bytes, or NaN.
    """

    rule: str
    name: str
    seconds: float
    mb: float

    @classmethod
    def of(cls, file: Path) -> "Measured":
        """Read the last repetition in a benchmark file."""
        lines = file.read_text(encoding="utf-8").splitlines()
        row = dict(zip(lines[0].split("\t"), lines[-1].split("\t"), strict=False)) if len(lines) > 1 else {}
        seconds, mib = (_number(row.get(key)) for key in ("s", "max_rss"))
        peaks = [mb for mb in (mib * 2**20 / 1e6, _logged_peak(file)) if not math.isnan(mb)]
        return cls(file.parent.name, file.stem, seconds, max(peaks, default=math.nan))


def benchmark_files(folders: Iterable[Path], rule: str = "*") -> list[Path]:
    """Return the benchmark files in folders, which have a subfolder for each rule."""
    return [file for folder in folders for file in sorted(folder.glob(f"{rule}/*.tsv"))]


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _logged_peak(file: Path) -> float:
    """Return the peak memory in the log of a step; Snakemake does not measure forks of another process."""
    log = file.parents[2] / "LOGS" / file.parent.name / f"{file.stem}.log"
    peaks = re.findall(PEAK.replace("%.0f", r"(\d+)"), log.read_text(encoding="utf-8")) if log.exists() else []
    return float(peaks[-1]) if peaks else math.nan
