"""Records: which studies ran in a project, so that nothing of theirs passes for unused."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mml_lib.files.atomic import write_text

FORMAT = 1


def record_study(record: Path, files: Sequence[str], values: Mapping[str, Any]) -> None:
    """Add the study that is run now to the record of its project, if it is not there yet.

    Args:
        record: the file.
        files: its config files relative to the working folder; later ones take precedence.
        values: what was given by `--config` beside them.
    """
    root = record.parent.resolve()
    study = {"folder": os.path.relpath(Path.cwd(), root), "files": list(files), "values": dict(values)}
    studies = _read(record)
    if study not in studies:
        write_text(record, json.dumps({"format": FORMAT, "studies": [*studies, study]}, indent=2) + "\n")


def recorded_studies(record: Path) -> list[dict[str, Any]] | None:
    """Return `folder` (whole), `files` and `values` of each study that ran in a project; None where nobody knows."""
    if not record.exists():
        return None
    root = record.parent.resolve()
    return [{**study, "folder": os.path.normpath(root / study["folder"])} for study in _read(record)]


def _read(record: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        studies = content["studies"] if content["format"] == FORMAT else []
        return [{key: study[key] for key in ("folder", "files", "values")} for study in studies]
    except (OSError, ValueError, KeyError, TypeError):
        return []
