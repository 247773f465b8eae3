"""Data that another rule makes: planning names the data set by their paths, before the data exist.

MML records the fingerprint of the first data at these paths beside the manifest. Later data with another fingerprint
are another data set, like edited own data. A step refuses data that changed after its plan.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text
from mml_lib.tasks.creators.creator_registry import CREATORS

RECORD = "made_from.txt"
"""File beside a manifest with the fingerprint of the data from which the data set was first created."""


def read_first_state(folder: Path) -> str | None:
    """Return the fingerprint of the data from which a data set was first created; None before."""
    record = folder / RECORD
    return record.read_text(encoding="utf-8") if record.is_file() else None


def check_made_data(source: Mapping[str, Any], folder: Path) -> None:
    """Refuse data that a rule has changed since the data set was planned.

    Args:
        source: identity of the data set: creator, arguments, and `made_by_rule` for such data.
        folder: folder of the data set.

    Raises:
        MMLError: the data have another fingerprint.
    """
    if "made_by_rule" not in source:
        return
    planned = source.get("fingerprint") or read_first_state(folder)
    state = CREATORS[source["creator"]].state_of_made(source)
    if planned and state and state != planned:
        raise MMLError(
            f"{', '.join(source['made_by_rule'])} changed after the study was planned; run the same command again, "
            "which makes a new data set and trains new runs"
        )


def record_made_data(source: Mapping[str, Any], folder: Path) -> None:
    """Record the fingerprint of data that a rule made, when a data set is first created from them."""
    if "made_by_rule" not in source or read_first_state(folder):
        return
    if state := CREATORS[source["creator"]].state_of_made(source):
        write_text(folder / RECORD, state)
