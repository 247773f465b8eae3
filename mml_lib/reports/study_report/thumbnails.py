"""Thumbnails in pages: images as data addresses, with outlines of masks."""

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.images.decoding import decode_row
from mml_lib.images.display import displayed
from mml_lib.reports.task_figures import class_lookup
from mml_lib.task_types import IGNORE, TASK_TYPES
from mml_lib.tasks.dataset import Dataset
from mml_lib.tasks.description import TaskDescription

QUALITY = 60
"""Quality of the WebP files, of 100."""


class Thumbnails:
    """Small pictures of the samples of a task.

    Args:
        task: the task.
        dataset: its data set.
    """

    def __init__(self, task: TaskDescription, dataset: Dataset):
        self._dataset = dataset
        self._has_masks = TASK_TYPES[task.header["task_type"]].has_masks
        self._lookup = class_lookup(task.header) if self._has_masks else None
        self._rows = dict(zip(task.samples["id"], task.samples["row"], strict=True))

    def of(self, ids: Sequence[str], side: int) -> list[str]:
        """Return the pictures of samples as data addresses, empty for images that cannot be read.

        Args:
            ids: ids of the samples.
            side: pixels of the longer side.
        """
        return [self._picture(id_, side) for id_ in ids]

    def _picture(self, id_: str, side: int) -> str:
        try:
            pixels, mask = decode_row(self._dataset, self._rows[id_], with_mask=self._has_masks)
        except (MMLError, OSError):
            return ""
        image = Image.fromarray(displayed(pixels))
        scale = side / max(image.size)
        size = tuple(max(1, round(edge * scale)) for edge in image.size)
        image = image.resize(size, Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.BILINEAR)
        if mask is not None and self._lookup is not None:
            small = Image.fromarray(self._lookup[mask].astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
            image = Image.fromarray(outlined(np.array(image), np.array(small)))
        return data_address(image)


def outlined(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return an image, uint8 H×W×3, with the edges of regions of a mask, H×W, in black and white."""
    regions = np.where(mask == IGNORE, 0, mask)
    edge = np.zeros(regions.shape, dtype=bool)
    edge[:-1] |= regions[:-1] != regions[1:]
    edge[:, :-1] |= regions[:, :-1] != regions[:, 1:]
    around = edge.copy()
    around[1:] |= edge[:-1]
    around[:, 1:] |= edge[:, :-1]
    drawn = image.copy()
    drawn[around] = 0
    drawn[edge] = 255
    return drawn


def data_address(image: Image.Image) -> str:
    """Return a picture as a data address."""
    content = io.BytesIO()
    image.save(content, "WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"


def file_address(content: bytes, suffix: str) -> str:
    """Return a file of a picture as a data address."""
    return f"data:{TYPES[suffix]};base64,{base64.b64encode(content).decode()}"


TYPES: Mapping[str, str] = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}
"""Media types by the endings of files."""
