"""Small annotated images, and the masks that are drawn from their annotations."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mml_lib.images.drawing.drawn_masks import draw_masks
from mml_lib.images.surveying import survey_images
from mml_lib.tasks.creators.creator_registry import create
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Dataset
from mml_lib.tasks.delivery_checks import check_delivery

HEIGHT, WIDTH = 20, 30


def write_pictures(folder: Path, *names: str) -> Path:
    """Write an image of 20×30 random pixels for each name."""
    for number, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file)
    return folder


def write_json(file: Path, content: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return file


def made(creator: str, path: Path, folder: Path, **arguments: Any) -> Dataset:
    """Make a data set as its rule does."""
    delivery = create(creator, {"path": str(path), **arguments}, folder)
    check_delivery(delivery, "d")
    return survey_images(draw_masks(delivery, folder, 1), "d", folder, 1)


def masks_of(dataset: Dataset) -> dict[str, np.ndarray]:
    """Return the pixels of each mask by the id of its sample."""
    masks = {}
    for row, sample in enumerate(dataset.delivery.samples):
        if sample.mask == EMPTY_MASK_TOKEN:
            masks[sample.id] = np.zeros(dataset.sizes[row], np.uint8)
        elif sample.mask is not None:
            masks[sample.id] = np.asarray(Image.open(dataset.mask_path(row)))
    return masks
