"""Provenance of a report: versions, hardware, times, and the commits of MML and of the study."""

import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mml_lib import __version__
from mml_lib.reports.methods.methods_sections import duration
from mml_lib.wording import enumerated


def commit_of(folder: Path) -> str:
    """Return the commit that a folder is at, with a mark of changes; empty outside of a repository, or without git."""
    try:
        commit = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"{commit}{' (with uncommitted changes)' if changed else ''}"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def provenance(
    models: Sequence[Mapping[str, Any]], times: pd.DataFrame, commits: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Return names and values of the provenance of results. Unknown values are left out.

    Args:
        models: content of the files of networks.
        times: time and memory of the steps of each rule.
        commits: commits by repository; empty ones are left out.
    """
    trained = sorted({str(model["created"]) for model in models if model.get("created")})
    seconds = [float(model["training_time"]) for model in models]
    entries = {
        "trained": "" if not trained else trained[0] if len(trained) == 1 else f"{trained[0]} to {trained[-1]}",
        "networks": str(len(models) or ""),
        "time of all trainings": duration(sum(seconds)) if seconds else "",
        "devices of trainings": enumerated(_different(str(model["device"]) for model in models)),
        "processors of trainings": enumerated(_different(_hardware(model, "processor") for model in models)),
        "GPUs of trainings": enumerated(_different(_hardware(model, "gpu") for model in models)),
        "largest memory of a step": f"{times['mb_max'].max() / 1000:.2f} GB" if times["mb_max"].notna().any() else "",
        "versions of trainings": enumerated(_different(_versions(model) for model in models)),
        "versions of this report": f"mml {__version__}, Python {platform.python_version()}",
        "system of this report": f"{platform.system()} {platform.machine()}",
        **{f"commit of {name}": commit for name, commit in commits.items()},
        "energy": energy_of(models),
    }
    return [(name, value) for name, value in entries.items() if value]


def energy_of(models: Sequence[Mapping[str, Any]]) -> str:
    """Return the energy of trainings as text: an upper bound, because counters include other processes."""
    measured = [model["energy_kwh"] for model in models if model.get("energy_kwh") is not None]
    if not measured:
        return "not measured"
    some = "" if len(measured) == len(models) else f" ({len(measured)} of {len(models)} trainings were measured)"
    return f"at most {sum(measured):.3g} kWh by the counters of processors and GPUs{some}"


def _hardware(model: Mapping[str, Any], part: str) -> str:
    return str(model.get("hardware", {}).get(part, ""))


def _versions(model: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in model.get("versions", {}).items())


def _different(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]
