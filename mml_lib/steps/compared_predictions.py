"""Predictions of several networks that are compared: masks of different sizes are restored to the original size."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mml_lib.predictions.predictions import AnyPredictions, MaskPredictions, read_predictions
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.struct import TaskStruct


def read_compared_predictions(
    paths: Sequence[str],
    transforms: Sequence[Sequence[Mapping[str, Any]]] | None,
    dataset: str | Sequence[str],
    tasks: str | Sequence[str],
) -> list[AnyPredictions]:
    """Read the predictions of one split. Masks of different sizes are restored to the original size of their images.

    Args:
        paths: paths of the predictions, N.
        transforms: transforms from delivered images to the masks of each network, N; None: all masks have one size.
        dataset: path of the manifest; empty if it is not needed.
        tasks: paths of the descriptions of the predicted tasks, all on this data set.

    Raises:
        MMLError: predictions or delivered masks are missing or damaged.
    """
    predictions = [read_predictions(path) for path in paths]
    if transforms is None or not isinstance(dataset, str):
        return predictions
    from mml_lib.images.restoring import at_original_size

    manifest, descriptions = Dataset.read(dataset), [tasks] if isinstance(tasks, str) else list(tasks)
    row_of: dict[str, int] = {}
    for path in descriptions:
        row_of |= TaskDescription.read(path).by_id("row")
    lookup = TaskStruct("", {"description": Path(descriptions[0])}).lookup
    return [
        at_original_size(masks, row_of, manifest, lookup, network_transforms)
        if isinstance(masks, MaskPredictions)
        else masks
        for masks, network_transforms in zip(predictions, transforms, strict=True)
    ]
