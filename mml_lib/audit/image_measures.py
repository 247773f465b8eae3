"""Measures of packed images: brightness, contrast, sharpness, border, and thumbnails for hashes.

All are computed from the grey image, the mean of the channels, as a share of the full scale.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mml_lib.audit.outlier_scores import DEVIATIONS, robust_scores
from mml_lib.audit.perceptual_hashes import SIDE
from mml_lib.files.atomic import write_whole
from mml_lib.files.containers import reading_arrays
from mml_lib.files.formats import FORMATS
from mml_lib.tasks.pixel_format import FULL_SCALE

LEAST_CONTRAST = 0.01
"""Standard deviation of the grey image below which an image is blank."""

SATURATED = 0.98
"""Smallest grey value of a saturated pixel."""


@dataclass(frozen=True)
class ImageMeasures:
    """Measures of N images.

    Args:
        ids: sample ids (N).
        thumbnails: grey thumbnails (uint8, N×32×32).
        bright_end: 99th percentile of the grey values (N, 0..1).
        contrast: standard deviation of the grey values (N, 0..1).
        saturated: share of saturated pixels (N, 0..1).
        sharpness: base-10 logarithm of the variance of the Laplacian divided by that of the pixels (N); NaN for blank
            images.
        border: mean and standard deviation of the pixels of the four edges (N×8).
    """

    ids: np.ndarray
    thumbnails: np.ndarray
    bright_end: np.ndarray
    contrast: np.ndarray
    saturated: np.ndarray
    sharpness: np.ndarray
    border: np.ndarray

    def write(self, path: str | Path) -> None:
        """Write an `.npz` file, whole or not at all."""
        with write_whole(path) as beside:
            np.savez(beside, **FORMATS["image_measures"].stamp, **asdict(self))

    @classmethod
    def read(cls, path: str | Path) -> "ImageMeasures":
        """Read a file of `write`.

        Raises:
            MMLError: the file is damaged, or has a newer format.
        """
        with reading_arrays(path, "image_measures") as content:
            return cls(**content)


def measure_images(images: Any, rows: Sequence[int], ids: Sequence[str], threads: int = 1) -> ImageMeasures:
    """Return the measures of packed images.

    Args:
        images: packed images by row (H×W×C each).
        rows: row of each sample (N).
        ids: id of each sample (N).
        threads: number of threads.
    """
    with ThreadPoolExecutor(threads) as pool:
        measures = list(pool.map(lambda row: measure(images[row]), rows, chunksize=64))
    columns = {name: np.array([image[name] for image in measures]) for name in measures[0]}
    return ImageMeasures(np.asarray(ids, np.str_), **columns)


def measure(image: np.ndarray) -> dict[str, Any]:
    """Return the measures of one image, H×W×C."""
    import cv2

    height, width, channels = image.shape
    # A matrix product is several times faster than a mean over the last axis.
    weights = np.full(channels, 1 / (channels * FULL_SCALE[image.dtype.name]), np.float32)
    grey = (image.reshape(-1, channels).astype(np.float32) @ weights).reshape(height, width)
    deviation = float(cv2.meanStdDev(grey)[1][0, 0])
    laplacian = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_32F))[1][0, 0] ** 2
    counts = np.bincount((grey.ravel() * 255).clip(0, 255).astype(np.uint8), minlength=256)
    bright = int(np.searchsorted(np.cumsum(counts), 0.99 * grey.size))
    thumbnail = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    edges = (grey[0], grey[-1], grey[:, 0], grey[:, -1])
    has_pattern = deviation >= LEAST_CONTRAST
    return {
        "thumbnails": np.rint(thumbnail * 255).clip(0, 255).astype(np.uint8),
        "bright_end": bright / 255,
        "contrast": deviation,
        "saturated": float((grey >= SATURATED).mean()),
        "sharpness": float(np.log10(max(laplacian, 1e-12) / deviation**2)) if has_pattern else np.nan,
        "border": np.array([moment for edge in edges for moment in (edge.mean(), edge.std())], np.float32),
    }


@dataclass(frozen=True)
class Fault:
    """A fault of images: a measure far from the median.

    Args:
        name: name of the fault.
        measure: field of `ImageMeasures`.
        sign: -1 for low values, 1 for high values.
        least: smallest difference from the median.
    """

    name: str
    measure: str
    sign: int
    least: float


FAULTS = (
    Fault("dark", "bright_end", -1, 0.3),
    Fault("over-exposed", "saturated", 1, 0.3),
    Fault("blurred", "sharpness", -1, 0.6),
)
"""Faults. The measure differs from the median by `least` and by `DEVIATIONS` robust standard deviations."""


def find_faults(measures: ImageMeasures) -> list[tuple[int, str, float]]:
    """Return row, fault and measure of each faulty image. Blank images have no other fault."""
    blank = measures.contrast < LEAST_CONTRAST
    rows = [(int(row), "blank", float(measures.contrast[row])) for row in np.flatnonzero(blank)]
    for fault in FAULTS:
        values = getattr(measures, fault.measure).astype(np.float64)
        values = np.where(blank, np.nan, values)
        if np.isnan(values).all():
            continue
        difference = fault.sign * (values - np.nanmedian(values))
        is_faulty = (difference >= fault.least) & (fault.sign * robust_scores(values) >= DEVIATIONS)
        rows += [(int(row), fault.name, float(values[row])) for row in np.flatnonzero(is_faulty)]
    return rows
