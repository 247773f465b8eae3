"""Metrics of a segmentation, from the pixels of each class in each image (images×classes) and from masks.

Class 0 is the background. Only `pixel_accuracy` counts it, unless it is the only class. The metric of an image is the
mean over the classes for which it is defined (Dice and IoU: classes that are true or predicted there). The metric is
the mean over the images for which it is defined. `pooled` metrics sum the pixels of all images first. Ignored pixels do
not count.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from mml_lib.metrics import shares
from mml_lib.metrics.metric_registry import Metric, Weighted, register
from mml_lib.metrics.shares import Counts, mean_of_known, share
from mml_lib.metrics.sums import LinearSums
from mml_lib.metrics.surfaces import Edges, hausdorff95, surface_dice

declare = partial(Metric, "semantic_segmentation")


def foreground(values: np.ndarray) -> np.ndarray:
    """Return values of classes, …×classes, without the background, unless it is the only class."""
    return values[..., 1:] if values.shape[-1] > 1 else values


def mean_over_images(values: np.ndarray) -> Weighted:
    """Return a function of the weighted mean over images of the mean over classes, for values of images×classes."""
    image_values = mean_of_known(foreground(values))
    defined = ~np.isnan(image_values)
    return LinearSums(np.column_stack([np.where(defined, image_values, 0), defined]), lambda sums: share(*sums.T))


def _image_specificities(counts: Counts) -> np.ndarray:
    return shares.specificities(counts, counts.targets.sum(axis=-1, keepdims=True))


def image_statistic(values: Callable[[Counts], np.ndarray]) -> Callable[..., Weighted]:
    """Return a statistic: the mean over images of values that are computed from pixel counts, images×classes."""

    def statistic(hits: np.ndarray, targets: np.ndarray, predicted: np.ndarray, *_: np.ndarray) -> Weighted:
        return mean_over_images(values(Counts(*(side.astype(np.float64) for side in (hits, targets, predicted)))))

    return statistic


def pooled_counts(
    hits: np.ndarray, targets: np.ndarray, predicted: np.ndarray, *_: np.ndarray
) -> Callable[[np.ndarray], Counts]:
    """Return a function from weights to the pixel counts of each class in all images together, R×classes."""
    return LinearSums(
        np.concatenate([hits, targets, predicted], axis=1), lambda sums: Counts(*np.split(sums, 3, axis=1))
    )


def surface_values(
    classes: int, masks: np.ndarray, measure: Callable[[Edges, int], float], background: int = 1
) -> np.ndarray:
    """Return a measure of surfaces for each image and class, images×classes; NaN for the first `background` classes.

    Args:
        classes: number of classes.
        masks: tuple of the masks, or surfaces, of each image or group of images. Values within a tuple are averaged.
        measure: function from a pair of masks and a class to a value.
        background: number of classes to leave out.
    """
    values = np.full((len(masks), classes), np.nan)
    for row, pairs in enumerate(masks):
        for index in range(background, classes):
            values[row, index] = mean_of_known(np.array([measure(pair, index) for pair in pairs]))
    return values


def _of_surfaces(measure: Callable[[Edges, int], float], hits: np.ndarray, masks: np.ndarray) -> Weighted:
    classes = hits.shape[1]
    return mean_over_images(surface_values(classes, masks, measure, min(1, classes - 1)))


def _hausdorff95(hits: np.ndarray, targets: np.ndarray, predicted: np.ndarray, masks: np.ndarray) -> Weighted:
    return _of_surfaces(hausdorff95, hits, masks)


def _surface_dice(
    tolerance: float, hits: np.ndarray, targets: np.ndarray, predicted: np.ndarray, masks: np.ndarray
) -> Weighted:
    return _of_surfaces(partial(surface_dice, tolerance=tolerance), hits, masks)


by_pixels = partial(declare, takes="pixels")
pooled = partial(by_pixels, statistic=pooled_counts, pooled=True)
by_masks = partial(declare, takes="masks")

for metric in (
    by_pixels(
        "dice",
        "Dice coefficient: mean over images of the mean over foreground classes",
        statistic=image_statistic(shares.dices),
    ),
    by_pixels(
        "iou",
        "intersection over union: mean over images of the mean over foreground classes",
        statistic=image_statistic(shares.ious),
    ),
    pooled(
        "pixel_accuracy",
        "share of pixels with the right class, over all images together and including the background",
        value=shares.accuracy,
    ),
    pooled(
        "pooled_dice",
        "Dice coefficient of the pixels of all images together, mean over foreground classes",
        value=lambda counts: mean_of_known(foreground(shares.dices(counts))),
    ),
    pooled(
        "pooled_iou",
        "intersection over union of the pixels of all images together, mean over foreground classes",
        value=lambda counts: mean_of_known(foreground(shares.ious(counts))),
    ),
    by_pixels(
        "precision",
        "share of predicted pixels of a class that are right: mean over images of the mean over foreground classes",
        statistic=image_statistic(shares.precisions),
    ),
    recall := by_pixels(
        "recall",
        "share of true pixels of a class that are predicted: mean over images of the mean over foreground classes",
        statistic=image_statistic(shares.recalls),
    ),
    replace(recall, name="sensitivity", description="the same as recall"),
    by_pixels(
        "specificity",
        "share of pixels of other classes that are not predicted as a class: mean over images and foreground classes",
        statistic=image_statistic(_image_specificities),
    ),
    by_masks(
        "hausdorff95",
        "95th percentile of distances between edges in pixels, the larger of both directions; the image's "
        "diagonal if one of the regions is empty: mean over images and foreground classes",
        statistic=_hausdorff95,
        lower_is_better=True,
        bounds=None,
        scale="error",
    ),
    by_masks(
        "surface_dice",
        "share of edge pixels within 1 pixel of the other edge; 0 if one of the regions is empty: mean over "
        "images and foreground classes",
        statistic=partial(_surface_dice, 1),
    ),
    by_masks(
        "surface_dice_{}px",
        "the same within {} pixels; you may write any other number",
        statistic=_surface_dice,
        example=2,
    ),
):
    register(metric)
