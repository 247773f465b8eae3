"""Drawn masks: the drawings of a delivery become PNG files in the folder of the data set."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.images.readers import read_header
from mml_lib.machine.terminal import summarized, warn
from mml_lib.tasks.dataset import EMPTY_MASK_TOKEN, Delivery, Sample


def draw_masks(delivery: Delivery, folder: Path, threads: int) -> Delivery:
    """Write the masks that a creator describes by shapes, and return the delivery without drawings.

    Args:
        delivery: delivery of a creator. Names of drawn masks are relative to `folder`.
        folder: folder of the data set.
        threads: number of threads that read headers and write masks.

    Raises:
        MMLError: an image cannot be read, or a shape does not fit it. The message has the file and row of the shape.
    """

    unseen: dict[str, Sequence[str]] = {}

    def drawn(sample: Sample) -> Sample:
        if sample.mask is None or sample.mask not in delivery.drawings:
            return sample
        image = folder / sample.image
        try:
            mask, unseen[sample.mask] = delivery.drawings[sample.mask].draw(read_header(image).size)
        except MMLError as error:
            raise MMLError(f"{error} (image {image})") from error
        if not mask.any():
            return replace(sample, mask=EMPTY_MASK_TOKEN)
        file = folder / sample.mask
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(mask)).save(file, format="PNG", compress_level=1)
        return sample

    if not delivery.drawings:
        return delivery
    with ThreadPoolExecutor(threads) as pool:
        samples = list(pool.map(drawn, delivery.samples))
    _warn_about_unseen([where for mask in sorted(unseen) for where in unseen[mask]])
    return replace(delivery, samples=samples, drawings={})


def _warn_about_unseen(places: Sequence[str]) -> None:
    """Warn about shapes that cover no pixel of their images.

    Args:
        places: file and row of each shape.
    """
    if places:
        shapes = "shapes cover" if len(places) > 1 else "shape covers"
        warn(
            f"{len(places)} {shapes} no pixel, and no mask shows them: {summarized(places)}; correct or remove them, "
            "and see whether their coordinates are in pixels"
        )
