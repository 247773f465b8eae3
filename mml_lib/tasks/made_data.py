"""Data that another rule makes: planning names the data set by their paths, before they exist.

The first data at these paths are that data set. Their fingerprint is recorded beside its manifest, so that a plan takes
later data with another fingerprint for another data set, as it does with own data that were edited. A step refuses data
that changed after its plan was made.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.files.atomic import write_text
from mml_lib.tasks.creators.creator_registry import CREATORS

RECORD = "made_from.txt"
"""File beside a manifest: the fingerprint of the data that the data set was first made of."""


def read_first_state(folder: Path) -> str | None:
    """Return the fingerprint that a data set was first made of; None where it was not made."""
    record = folder / RECORD
    return record.read_text(encoding="utf-8") if record.is_file() else None


def check_made_data(source: Mapping[str, Any], folder: Path) -> None:
    """Refuse data that a rule has changed since the data set was planned.

    Args:
        source: of the data set: creator, arguments, and `made_by_rule` for such data.
        folder: of the data set.

    Raises:
        MMLError: they have another fingerprint.
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
    """Record the fingerprint of data that a rule made, when a data set is first made of them."""
    if "made_by_rule" not in source or read_first_state(folder):
        return
    if state := CREATORS[source["creator"]].state_of_made(source):
        write_text(folder / RECORD, state)
