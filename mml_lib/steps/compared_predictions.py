"""Compared predictions: those of several networks, masks at the original size where the networks differ in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions, read_predictions
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.struct import TaskStruct


def read_alike(
    paths: Sequence[str],
    transforms: Sequence[Sequence[Mapping[str, Any]]] | None,
    dataset: str | Sequence[str],
    tasks: str | Sequence[str],
) -> list[AnyPredictions]:
    """Read predictions of one split; masks that differ in size come at the original size of their images.

    Args:
        paths: of the predictions, N.
        transforms: between delivered images and the masks of each network, N; None: all masks are of one size.
        dataset: path of the manifest; empty where it is not needed.
        tasks: paths of the descriptions of the predicted tasks, all on this data set.

    Raises:
        MMLError: predictions or delivered masks are missing or damaged.
    """
    predictions = [read_predictions(path) for path in paths]
    if transforms is None or not isinstance(dataset, str):
        return predictions
    from mml_lib.images.restoring import at_original_size

    manifest, listed = Dataset.read(dataset), [tasks] if isinstance(tasks, str) else list(tasks)
    row_of: dict[str, int] = {}
    for path in listed:
        row_of |= TaskDescription.read(path).by_id("row")
    lookup = TaskStruct("", {"description": Path(listed[0])}).lookup
    return [
        at_original_size(masks, row_of, manifest, lookup, of_network) if isinstance(masks, MaskPredictions) else masks
        for masks, of_network in zip(predictions, transforms, strict=True)
    ]
