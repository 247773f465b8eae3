"""Tables of a segmentation: its metrics for each class, with intervals, and for each image and class."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mml_lib.evaluation.evaluation import network_estimates
from mml_lib.evaluation.resampled import Groups, resample
from mml_lib.metrics import Metric, find_metric, weighted
from mml_lib.metrics.segmentation import foreground
from mml_lib.metrics.shares import Counts, against_rest
from mml_lib.metrics.surfaces import MaskPair, Surfaces, single_masks
from mml_lib.predictions.predictions import MaskPredictions
from mml_lib.predictions.scores import counts, pixel_confusion

KIND = MaskPredictions.task_type
ALWAYS = ("dice", "iou", "pooled_dice", "pooled_iou")
CHUNK = 256
"""Number of images in one computation."""
ORIGINAL = "_original"
"""Suffix of the names of metrics at the original sizes of images."""


@dataclass(frozen=True)
class MeasuredMasks:
    """Pixels of the classes of images, and distances of their surfaces.

    Args:
        pixels: counts of pixels, N images×classes.
        surfaces: surfaces of each image, N; empty if they are not measured.
        ids: ids of the images, N.
        suffix: suffix of the names of metrics.
        weights: weights of the images, N; None: equal weights.
    """

    pixels: Counts
    surfaces: Sequence[Surfaces]
    ids: np.ndarray
    suffix: str = ""
    weights: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        pairs: Iterable[MaskPair],
        ids: np.ndarray,
        classes: int,
        metrics: Sequence[str],
        suffix: str = "",
        weights: np.ndarray | None = None,
    ) -> "MeasuredMasks":
        """Measure masks, one image at a time. Surfaces are measured only if one of the metrics needs them."""
        image_counts, surfaces = [], []
        measures_surfaces = any(metric.takes == "masks" for metric in _metrics(metrics).values())
        for pair in pairs:
            image_counts.append(counts(pixel_confusion(pair.predicted, pair.target, classes)))
            surfaces += [pair.surfaces(classes)] if measures_surfaces else []
        pixels = Counts(*(np.stack(side) for side in zip(*image_counts, strict=True)))
        return cls(pixels, surfaces, ids, suffix, weights)

    def arguments(self, index: int | None = None) -> tuple[np.ndarray, ...]:
        """Return the arguments of metrics of all classes, or of one class against the rest."""
        pixels = self.pixels if index is None else against_rest(self.pixels, index)
        surfaces = self.surfaces if index is None else [surfaces.only(index) for surfaces in self.surfaces]
        return *pixels, *([single_masks(surfaces)] if surfaces else [])


def _metrics(names: Sequence[str]) -> dict[str, Metric]:
    """Return the metrics of the tables by name: the standard ones, and those of a study."""
    metrics = {name: find_metric(KIND, name) for name in dict.fromkeys([*ALWAYS, *names])}
    return {name: metric for name, metric in metrics.items() if metric}


def class_metrics(
    measured: Sequence[MeasuredMasks],
    classes: Sequence[str],
    metrics: Sequence[str],
    resamples: int,
    groups: Groups | None = None,
) -> pd.DataFrame:
    """Return the metrics of each class, and of the foreground classes together, with 95 % intervals.

    Args:
        measured: masks at the packed size, and at the original sizes.
        classes: names of the classes, the background first.
        metrics: names of further metrics.
        resamples: number of resamples of images.
        groups: group of each image, by id; whole groups are resampled.

    Returns:
        `class metric value ci_low ci_high reason images`: an empty class stands for all foreground classes; `reason`
        explains a missing interval; `images` is the number of images with the class, true or predicted.
    """
    rows = []
    for masks in measured:
        names = list(_metrics(metrics))
        present = masks.pixels.targets + masks.pixels.predicted > 0
        for index, label in [(None, ""), *enumerate(classes)]:
            arguments, weights = masks.arguments(index), masks.weights
            resampled = resample(KIND, names, arguments, masks.ids, resamples, groups, weights=weights)
            estimates = network_estimates(resampled)
            images = int((foreground(present).any(axis=1) if index is None else present[:, index]).sum())
            for name, value in resampled.by_metric().items():
                estimate = estimates[name]
                ends = (estimate.low, estimate.high, estimate.reason)
                rows.append((label, name + masks.suffix, value, *ends, images))
    return pd.DataFrame(rows, columns=["class", "metric", "value", "ci_low", "ci_high", "reason", "images"])


def image_metrics(
    measured: Sequence[MeasuredMasks], classes: Sequence[str], metrics: Sequence[str], groups: Groups | None = None
) -> pd.DataFrame:
    """Return the metrics of each image and class.

    Returns:
        `id group class target_pixels predicted_pixels` and a column for each metric, NaN if the image does not define
        it. An empty class stands for the mean over foreground classes. The metrics of a split are the means of these
        rows over all images. Pixels are those of packed images.
    """
    number, tables = len(measured[0].ids), []
    for index, label in [(None, ""), *enumerate(classes)]:
        pixels = measured[0].pixels
        chosen = slice(min(1, len(classes) - 1), None) if index is None else slice(index, index + 1)
        table = {
            "id": measured[0].ids,
            "group": [(groups or {}).get(id_) or "" for id_ in measured[0].ids.tolist()],
            "class": label,
            "target_pixels": pixels.targets[:, chosen].sum(axis=1),
            "predicted_pixels": pixels.predicted[:, chosen].sum(axis=1),
        }
        for masks in measured:
            names = [name for name, metric in _metrics(metrics).items() if not metric.pooled]
            values = _image_values(names, masks.arguments(index))
            table |= {name + masks.suffix: values[name] for name in names}
        tables.append(pd.DataFrame(table))
    order = np.arange(number * len(tables)).reshape(len(tables), number).T.ravel()
    return pd.concat(tables, ignore_index=True).iloc[order].reset_index(drop=True)


def _image_values(names: Sequence[str], arguments: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return each metric of each single image, N by name."""
    values: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for start in range(0, len(arguments[0]), CHUNK):
        chunk = [side[start : start + CHUNK] for side in arguments]
        chunk_values = weighted(KIND, names, chunk)(np.eye(len(chunk[0]), dtype=np.uint8))
        for name in names:
            values[name].append(chunk_values[name])
    return {name: np.concatenate(parts) for name, parts in values.items()}
