"""Redelivery: the creator of an existing data set delivers the targets or the places of its images."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mml_lib.files.unpacking import UNPACKED
from mml_lib.tasks.creators.creator_registry import check_creator_code, create
from mml_lib.tasks.dataset import Delivery


def check_source_code(definition: Mapping[str, Any]) -> None:
    """Refuse to ask a creator for targets or places if its code is not the user's code that the task was planned with.

    Args:
        definition: definition of the task.

    Raises:
        MMLError: a module has changed.
    """
    if "targets" in definition or "division" in definition:
        source = definition["source"]
        check_creator_code(source["creator"], source.get("code", {}), definition["dataset"])


def deliver_again(source: Mapping[str, Any], folder: Path, places: bool = False) -> Delivery:
    """Return the delivery of a creator for an existing data set. Files that the creator writes are discarded.

    Args:
        source: `creator` and `arguments` of the data set, and whether its files are `downloaded`.
        folder: folder of the data set, with its unpacked downloads.
        places: deliver split, fold and group of all images instead of the samples of a task.

    Raises:
        MMLError: the creator cannot read the data.
    """
    files = folder / UNPACKED if source["downloaded"] else None
    with TemporaryDirectory() as empty:
        return create(source["creator"], source["arguments"], Path(empty), files, places=places)


def deliver_places(division: Mapping[str, Any], folder: Path) -> Delivery | None:
    """Return split, fold and group of all images of a data set; None if its manifest contains them.

    Args:
        division: the division that the data set declares; `arguments` of the creator are None if the manifest suffices.
        folder: folder of the data set, with its unpacked downloads.

    Raises:
        MMLError: the creator cannot read the data.
    """
    return None if division["arguments"] is None else deliver_again(division, folder, places=True)
