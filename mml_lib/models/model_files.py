"""Files of each network on disk. Planning imports this module, so it does not import pandas."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mml_lib.files.manager import MMLFileManager
from mml_lib.files.removing import size_of
from mml_lib.pipelines.digests import digest

Network = tuple[str, str, int]
"""Task, run and fold."""

Files = Mapping[str, Sequence[Mapping[str, Any]]]
"""By assignment key, the wildcards of each file (or folder) of a network, and its size in `bytes`."""


def network_files(fm: MMLFileManager) -> dict[Network, dict[str, list[dict[str, Any]]]]:
    """Return the files and folders of a project that belong to one network, by network and assignment key."""
    files: dict[Network, dict[str, list[dict[str, Any]]]] = {}
    for key in (template.key for template in fm.templates("TASK_NAME", "RUN", "FOLD")):
        for artefact in fm.existing(key):
            network = artefact["task"], artefact["run"], int(artefact["fold"])
            entries = files.setdefault(network, {}).setdefault(key, [])
            entries.append({**artefact, "bytes": size_of([Path(fm.path(key, **artefact))])})
    return files


def stored_models(fm: MMLFileManager) -> list[dict[str, Any]]:
    """Return each model of a project, with its existing files.

    Returns:
        `task`, `run`, `fold`; `path` of the storage; assignment `keys` with existing files; splits of `predictions`
        (`task/split` for other tasks); total size of all files in `bytes`.
    """
    return [
        {
            **{"task": task, "run": run, "fold": fold},
            "path": fm.path("models", task=task, run=run, fold=fold),
            "keys": list(files),
            "predictions": [
                *(entry["eval"] for entry in files.get("predictions", ())),
                *(f"{entry['eval_task']}/{entry['eval']}" for entry in files.get("other_predictions", ())),
            ],
            "bytes": sum(entry["bytes"] for entries in files.values() for entry in entries),
        }
        for (task, run, fold), files in sorted(network_files(fm).items())
        if "models" in files
    ]


def state_of(files: Mapping[Network, Files]) -> str:
    """Return a digest that changes when a file is added or removed, or when its size changes."""
    entries = [
        [*network, key, sorted(entry.items())] for network, keys in files.items() for key in keys for entry in keys[key]
    ]
    return digest(sorted(entries, key=str))
