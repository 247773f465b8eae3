"""Records of the studies that ran in a project, so that their artefacts do not count as unused."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mml_lib.files.atomic import write_text

FORMAT = 1


@dataclass(frozen=True)
class StudyRecord:
    """A study that ran in a project.

    Args:
        folder: its working folder.
        files: its config files, relative to the working folder; later ones take precedence.
        values: values of `--config`.
    """

    folder: str
    files: Sequence[str]
    values: Mapping[str, Any]


def record_study(record: Path, files: Sequence[str], values: Mapping[str, Any]) -> None:
    """Add the running study to the record of its project, unless it contains the study already.

    Args:
        record: file of the record.
        files: its config files, relative to the working folder; later ones take precedence.
        values: values of `--config`.
    """
    root = record.parent.resolve()
    study = StudyRecord(os.path.relpath(Path.cwd(), root), list(files), dict(values))
    studies = _read(record)
    if study not in studies:
        content = {"format": FORMAT, "studies": list(map(asdict, [*studies, study]))}
        write_text(record, json.dumps(content, indent=2) + "\n")


def recorded_studies(record: Path) -> list[StudyRecord] | None:
    """Return the studies that ran in a project, with absolute paths of their folders; None without a record."""
    if not record.exists():
        return None
    root = record.parent.resolve()
    return [replace(study, folder=os.path.normpath(root / study.folder)) for study in _read(record)]


def _read(record: Path) -> list[StudyRecord]:
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        studies = content["studies"] if content["format"] == FORMAT else []
        return [StudyRecord(**study) for study in studies]
    except (OSError, ValueError, KeyError, TypeError):
        return []
