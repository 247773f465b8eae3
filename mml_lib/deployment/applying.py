"""Applying: predictions of many new images, a part at a time, as one table and mask files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from mml_lib.deployment.new_images import NewImage, files_of, repeated_ids
from mml_lib.deployment.prediction_rows import prediction_rows
from mml_lib.deployment.predictor import NoImagesLeft, Observe, Predictor, Refused
from mml_lib.deployment.preparation import Prepared
from mml_lib.deployment.training_distance import TrainingDistance
from mml_lib.errors import MMLError
from mml_lib.files.archives import extract, is_archive
from mml_lib.files.atomic import passing_folder
from mml_lib.machine.progress import progress
from mml_lib.predictions.predictions import MaskPredictions
from mml_lib.wording import counted

PART = 256
"""Number of images whose predictions are in memory at the same time."""

UNLIKE = "unlike the training images"
"""Warning in the table."""


@dataclass(frozen=True)
class Applied:
    """Predictions of new images.

    Args:
        table: one row for each predicted image.
        refused: `id file reason` of each image that cannot be predicted.
    """

    table: pd.DataFrame
    refused: pd.DataFrame


@contextmanager
def opened_images(path: Path, unpacked: Path) -> Iterator[list[NewImage]]:
    """Yield the images of a folder, a table, a file or an archive, which is unpacked for the block.

    Args:
        path: the folder or file.
        unpacked: folder for the members of an archive.

    Raises:
        MMLError: the archive is damaged, or there are no images.
    """
    if path.is_dir() or path.suffix.lower() in (".csv", ".tsv") or not is_archive(path):
        yield files_of(path)
        return
    with passing_folder(unpacked) as folder:
        extract(path, folder)
        yield [replace(image, label=f"{path}/{image.id}") for image in files_of(folder)]


def apply_predictor(
    predictor: Predictor,
    images: Sequence[NewImage],
    distance: TrainingDistance | None = None,
    warn_from: float = 0.99,
    masks: Path | None = None,
    batch_size: int = 32,
    threads: int = 1,
) -> Applied:
    """Return a table with a row for each image, and the refused images; write masks as PNG files of class indices.

    Args:
        predictor: the predictor.
        images: the images.
        distance: distances to the training; None: none.
        warn_from: rank of the distance above which an image counts as unlike the training images.
        masks: folder for masks; None: they are not written.
        batch_size: number of images in a batch.
        threads: number of threads that read images.

    Returns:
        The table has the columns of `Predictor`, and `distance`, `distance_rank` (share of held-out images of the task
        that are nearer) and `warning`.

    Raises:
        MMLError: two images have the same id, or no image can be predicted.
    """
    if repeated := repeated_ids(images):
        raise MMLError(f"images: several images have the id '{repeated[0]}'; use unique ids")
    tables, refused = [], Refused()
    with tqdm(total=len(images), desc="predict", unit="image", **progress()) as bar:
        for start in range(0, len(images), PART):
            part = list(images[start : start + PART])
            bar.update(len(part))
            distances: dict[str, float] = {}
            try:
                predictions = predictor.predictions(part, batch_size, threads, _observer(distance, distances), refused)
            except NoImagesLeft:
                continue
            part = [image for image in part if image.id not in refused]
            table = prediction_rows(predictions, predictor.classes, part)
            if distance is not None:
                values = np.array([distances[image.id] for image in part])
                ranks = distance.ranks(values)
                warnings = np.where(ranks >= warn_from, UNLIKE, "")
                table = table.assign(distance=values, distance_rank=ranks, warning=warnings)
            if masks is not None and isinstance(predictions, MaskPredictions):
                table.insert(2, "mask", _write_masks(predictions, masks))
            tables.append(table)
    if not tables:
        raise MMLError(f"none of {counted(len(images), 'image')} can be predicted: {next(iter(refused.values()))}")
    rows = [(image.id, image.file, refused[image.id]) for image in images if image.id in refused]
    return Applied(pd.concat(tables, ignore_index=True), pd.DataFrame(rows, columns=["id", "file", "reason"]))


def _observer(distance: TrainingDistance | None, distances: dict[str, float]) -> Observe | None:
    """Return a function that notes the distance of each prepared image by its id; None without distances."""
    if distance is None:
        return None

    def observe(batch: Sequence[Prepared]) -> None:
        values = distance(batch).tolist()
        distances.update(zip([prepared.id for prepared in batch], values, strict=True))

    return observe


def _write_masks(predictions: MaskPredictions, folder: Path) -> list[str]:
    """Write the mask of each image as a PNG of class indices; return their names below the folder."""
    names = []
    for name, (mask, _) in zip(predictions.ids.tolist(), predictions.images(), strict=True):
        file = f"{name}.png" if not name.lower().endswith(".png") else name
        path = folder / file.lstrip("/").replace("..", "_")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
        names.append(str(path.relative_to(folder)))
    return names
