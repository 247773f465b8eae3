"""Tables of a segmentation: its metrics for each class, with intervals, and for each image and class."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mml_lib.metrics import find_metric, weighted
from mml_lib.metrics.segmentation import foreground
from mml_lib.metrics.shares import Counts, against_rest
from mml_lib.metrics.surfaces import MaskPair, single_masks
from mml_lib.postprocessing.evaluation import network_intervals, pixel_confusion
from mml_lib.postprocessing.resampled import Groups, resample
from mml_lib.postprocessing.scores import counts

KIND = "semantic_segmentation"
ALWAYS = ("dice", "iou", "pooled_dice", "pooled_iou")
CHUNK = 256
"""Images that are measured at once."""
ORIGINAL = "_original"
"""End of the name of a metric at the original sizes of images."""


@dataclass(frozen=True)
class MeasuredMasks:
    """Counts of pixels of images, and their masks where these are kept.

    Args:
        pixels: images×classes.
        masks: a tuple of masks for each image, images; None: surfaces are not measured.
        ids: of the images.
        suffix: end of the names of metrics.
    """

    pixels: Counts
    masks: np.ndarray | None
    ids: np.ndarray
    suffix: str = ""

    @classmethod
    def of(
        cls, pairs: Iterable[MaskPair], ids: np.ndarray, classes: int, keep: bool = True, suffix: str = ""
    ) -> "MeasuredMasks":
        """Count the pixels of masks, one image at a time."""
        of_images, kept = [], []
        for pair in pairs:
            of_images.append(counts(pixel_confusion(pair.predicted, pair.target, classes)))
            kept += [pair] if keep else []
        pixels = Counts(*(np.stack(side) for side in zip(*of_images, strict=True)))
        return cls(pixels, single_masks(kept) if keep else None, ids, suffix)

    def named(self, metrics: Sequence[str]) -> list[str]:
        """Return the metrics that can be measured: those that the tables always have, and those of a study."""
        known = {name: find_metric(KIND, name) for name in dict.fromkeys([*ALWAYS, *metrics])}
        measured = ("pixels",) if self.masks is None else ("pixels", "masks")
        return [name for name, metric in known.items() if metric and metric.takes in measured]

    def arguments(self, index: int | None = None) -> tuple[np.ndarray, ...]:
        """Return what metrics take of all classes, or of one class against the rest."""
        pixels = self.pixels if index is None else against_rest(self.pixels, index)
        if self.masks is None:
            return pixels
        if index is None:
            return *pixels, self.masks
        return *pixels, single_masks([pair.only(index) for (pair,) in self.masks])


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
        groups: of the images, by id; whole groups are resampled.

    Returns:
        `class metric value ci_low ci_high images`: an empty class stands for all foreground classes; `images` show the
        class, true or predicted.
    """
    rows = []
    for masks in measured:
        names = masks.named(metrics)
        shown = masks.pixels.targets + masks.pixels.predicted > 0
        for index, label in [(None, ""), *enumerate(classes)]:
            resampled = resample(KIND, names, masks.arguments(index), masks.ids, resamples, groups)
            intervals = network_intervals(resampled)
            images = int((foreground(shown).any(axis=1) if index is None else shown[:, index]).sum())
            for name, value in resampled.by_metric().items():
                interval = intervals.get(name, (np.nan, np.nan))
                rows.append((label, name + masks.suffix, value, *interval, images))
    return pd.DataFrame(rows, columns=["class", "metric", "value", "ci_low", "ci_high", "images"])


def image_metrics(
    measured: Sequence[MeasuredMasks], classes: Sequence[str], metrics: Sequence[str], groups: Groups | None = None
) -> pd.DataFrame:
    """Return the metrics of each image and class.

    Returns:
        `id group class target_pixels predicted_pixels` and a column for each metric, NaN where the image leaves it
        undefined. An empty class stands for the mean over foreground classes, the value that metrics of all images are
        means of. Pixels are those of packed images.
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
            names = [name for name in masks.named(metrics) if not find_metric(KIND, name).pooled]
            values = _of_single_images(names, masks.arguments(index))
            table |= {name + masks.suffix: values[name] for name in names}
        tables.append(pd.DataFrame(table))
    order = np.arange(number * len(tables)).reshape(len(tables), number).T.ravel()
    return pd.concat(tables, ignore_index=True).iloc[order].reset_index(drop=True)


def _of_single_images(names: Sequence[str], arguments: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return each metric of each image alone, N by name."""
    values: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for start in range(0, len(arguments[0]), CHUNK):
        chunk = [side[start : start + CHUNK] for side in arguments]
        alone = weighted(KIND, names, chunk)(np.eye(len(chunk[0]), dtype=np.uint8))
        for name in names:
            values[name].append(alone[name])
    return {name: np.concatenate(parts) for name, parts in values.items()}
