"""Redelivery: the creator of a data set that exists says what else is known of its images."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mml_lib.files.unpacking import UNPACKED
from mml_lib.tasks.creators.creator_registry import create
from mml_lib.tasks.dataset import Delivery


def deliver_again(source: Mapping[str, Any], folder: Path, places: bool = False) -> Delivery:
    """Return the delivery of a creator for a data set that exists; files that it writes are dropped.

    Args:
        source: its `creator` and `arguments`, and whether files are `downloaded`.
        folder: folder of the data set, with its unpacked downloads.
        places: deliver split, fold and group of all images instead of the samples of a task.

    Raises:
        MMLError: the creator cannot read the data.
    """
    files = folder / UNPACKED if source["downloaded"] else None
    with TemporaryDirectory() as empty:
        return create(source["creator"], source["arguments"], Path(empty), files, places=places)
