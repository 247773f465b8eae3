"""Pixel vectors: packed images as rows of numbers, scaled down to a common size."""

import numpy as np

from mml_lib.images.stores.sized_store import SizedPixels
from mml_lib.tasks.pixel_format import FULL_SCALE

LONGEST = 64
"""Largest number of pixels of the longer side. Images of different sizes become squares with this side."""


class PixelVectors:
    """Images of samples as vectors, N×D, read on demand.

    Args:
        images: packed images by row (H×W×C each).
        rows: row of each sample (N).
    """

    def __init__(self, images: np.ndarray | SizedPixels, rows: np.ndarray):
        self.images = images
        self.rows = np.asarray(rows)
        height, width = (LONGEST, LONGEST) if isinstance(images, SizedPixels) else images.shape[1:3]
        scale = min(1.0, LONGEST / max(height, width))
        self.size = max(1, round(height * scale)), max(1, round(width * scale))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors of some samples (float32, 0..1)."""
        return np.stack([self._vector(self.images[row]) for row in self.rows[indices].tolist()])

    def _vector(self, image: np.ndarray) -> np.ndarray:
        import cv2

        share = image.astype(np.float32) / FULL_SCALE[image.dtype.name]
        if share.shape[:2] != self.size:
            share = cv2.resize(share, self.size[::-1], interpolation=cv2.INTER_AREA)
        return share.ravel()
