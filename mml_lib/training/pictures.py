"""Pictures of a training: samples, predictions and confusion matrices, all uint8, H×W×3."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mml_lib.reports.canvas import shorten
from mml_lib.reports.confusion_figures import COUNTED, confusion_figure, draw_matrix
from mml_lib.task_types import IGNORE, TASK_TYPES

Panel = tuple[np.ndarray, str, bool]
"""A picture, H×W×3; the text above it; True for a bold frame."""

PER_LINE = {1: 4, 2: 3, 3: 2}
"""Number of samples in a line, by the number of panels per sample."""
DPI = 100
SIDE = 1.5
"""Side of a panel in inches."""


def draw_samples(
    images: np.ndarray | Sequence[np.ndarray], targets: Sequence[Any], classes: Sequence[str], masks: bool = False
) -> np.ndarray:
    """Draw images with their targets.

    Args:
        images: N images, H×W×3 (uint8).
        targets: N targets: class indices, probabilities, values, or masks H×W.
        classes: names of the classes; empty for a regression.
        masks: True if targets are masks.

    Returns:
        The picture, H×W×3 (uint8).
    """
    pairs = list(zip(images, targets, strict=True))
    if masks:
        rows = [[(image, "", False), (_colored(mask, len(classes)), "mask", False)] for image, mask in pairs]
        return _grid(rows, _legend(targets, classes))
    return _grid([[(image, _target_text(target, classes, 30), False)] for image, target in pairs])


def draw_predictions(
    images: Sequence[np.ndarray], targets: Sequence[Any], outputs: Sequence[Any], classes: Sequence[str], task_type: str
) -> np.ndarray:
    """Draw images with true and predicted values; wrong predictions have a bold frame.

    Args:
        images: N images, H×W×3 (uint8).
        targets: N targets: class indices, labels, values, or masks H×W.
        outputs: N outputs: class probabilities, label probabilities, values, or predicted masks H×W.
        classes: names of the classes; empty for a regression.
        task_type: task type of the targets.

    Returns:
        The picture, H×W×3 (uint8).
    """
    kind, trios = TASK_TYPES[task_type], list(zip(images, targets, outputs, strict=True))
    if kind.has_masks:
        count = len(classes)
        rows = [
            [
                (image, "", False),
                (_colored(true, count), "true", False),
                (_colored(predicted, count), "predicted", False),
            ]
            for image, true, predicted in trios
        ]
        return _grid(rows, _legend(targets, classes))
    rows = []
    for image, target, output in trios:
        wrong = False
        if kind.is_single_label:
            predicted = int(np.argmax(output))
            wrong, text = predicted != target, f"{shorten(classes[predicted], 20)} {output[predicted]:.2f}"
        elif kind.is_multilabel:
            wrong = bool(((output >= 0.5) != (target >= 0.5))[~np.isnan(target)].any())
            text = _target_text(output >= 0.5, classes, 20)
        else:
            text = _target_text(output, classes, 20)
        rows.append([(image, f"true {_target_text(target, classes, 24)}\npredicted {text}", wrong)])
    return _grid(rows)


def draw_confusion(counts: np.ndarray, classes: Sequence[str], unit: str) -> np.ndarray:
    """Draw a confusion matrix, as in reports.

    Args:
        counts: counts by true and predicted class, C×C.
        classes: names of the classes, C.
        unit: unit of the counts, `images` or `pixels`.

    Returns:
        The picture, H×W×3 (uint8).
    """
    return _rendered(confusion_figure(counts, classes, unit), tight=False)


def draw_label_confusions(counts: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Draw true positives, false negatives, false positives and true negatives of each label, at the threshold 0.5.

    Args:
        counts: counts by label, true and predicted state (absent, present), C×2×2.
        labels: names of the labels, C.

    Returns:
        The picture, H×W×3 (uint8).
    """
    shares = counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)
    order = [(1, 1), (1, 0), (0, 1), (0, 0)]
    columns = ["true positive", "false negative", "false positive", "true negative"]
    table, values = (
        np.stack([array[:, true, predicted] for true, predicted in order], axis=1) for array in (counts, shares)
    )
    figure = Figure(figsize=(4.2, min(12.0, 1.9 + 0.32 * len(labels))), dpi=DPI)
    axis = figure.add_subplot()
    names = [shorten(label, 24) for label in labels]
    draw_matrix(axis, values, table.astype(str).tolist(), columns, names, aspect="auto")
    axis.set_title(f"{counts[0].sum():,} images; shades are shares of\nthose with, or without, the label", fontsize=8)
    return _rendered(figure)


def draw_scatter(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Draw predicted over true values, N each, on axes with the same scale. Return the picture, H×W×3 (uint8)."""
    finite = np.isfinite(outputs)
    figure = Figure(figsize=(4.5, 4.5), dpi=DPI)
    axis = figure.add_subplot()
    values = np.concatenate([targets, outputs[finite]])
    low, high = values.min(), values.max()
    margin = 0.05 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    axis.plot(limits, limits, color="0.6", linewidth=1)
    axis.scatter(targets[finite], outputs[finite], s=10, color="black", alpha=0.4, linewidths=0)
    axis.set(xlim=limits, ylim=limits, aspect="equal")
    axis.tick_params(labelsize=7)
    axis.set_xlabel("true", fontsize=9)
    axis.set_ylabel("predicted", fontsize=9)
    axis.set_title(f"{len(targets):,} images", fontsize=9)
    return _rendered(figure)


def _target_text(target: Any, classes: Sequence[str], length: int) -> str:
    """Return a target as text of at most `length` characters."""
    if not classes:
        return f"{float(target):.4g}"
    if np.ndim(target) == 0:
        return shorten(classes[int(target)], length)
    present = np.flatnonzero(np.asarray(target) >= 0.005).tolist()
    soft = any(0 < target[index] < 0.995 for index in present)
    texts = [f"{classes[index]} {target[index]:.2f}" if soft else classes[index] for index in present]
    return shorten(", ".join(texts), length) or "none"


def _legend(masks: Sequence[np.ndarray], classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the colour of each class, 3 values in 0..1, and of ignored pixels if there are any.

    It is empty for many classes.
    """
    if len(classes) > COUNTED:
        return {}
    colors = dict(zip(classes, _colors(len(classes)) / 255, strict=True))
    return colors | ({"ignored": np.ones(3)} if any((mask == IGNORE).any() for mask in masks) else {})


def _colored(mask: np.ndarray, classes: int) -> np.ndarray:
    """Return the colours of a mask, H×W×3; ignored pixels are white."""
    table = np.full((256, 3), 255, np.uint8)
    table[:classes] = _colors(classes)
    table[IGNORE] = 255
    return table[mask]


def _colors(classes: int) -> np.ndarray:
    """Return a colour for each class, C×3 (uint8), of increasing lightness, to differ in black and white."""
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 1, classes))[:, :3]
    return (shades * 255).round().astype(np.uint8)


def _grid(samples: Sequence[Sequence[Panel]], legend: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
    """Draw samples, each with the same number of panels, in lines. `legend` contains the colours of masks."""
    panels_per_sample = len(samples[0])
    columns = min(len(samples), PER_LINE[panels_per_sample]) * panels_per_sample
    lines = -(-len(samples) * panels_per_sample // columns)
    legend = legend or {}
    foot = 0.25 * -(-len(legend) // 4)
    width, height = SIDE * columns, (SIDE + 0.4) * lines + foot
    figure = Figure(figsize=(max(width, 2 * SIDE), height), dpi=DPI)
    axes = figure.subplots(lines, columns, squeeze=False)
    figure.subplots_adjust(0.01, foot / height + 0.01, 0.99, 1 - 0.35 / height, wspace=0.06, hspace=0.4 / SIDE)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (picture, text, framed) in zip(
        axes.flat, (panel for panels in samples for panel in panels), strict=False
    ):
        axis.axis("on")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_linewidth(3 if framed else 0.5)
        axis.imshow(picture, interpolation="nearest" if max(picture.shape[:2]) < SIDE * DPI else "auto")
        axis.set_title(text, fontsize=6, pad=2)
    if legend:
        edge: dict[str, Any] = {"edgecolor": "black", "linewidth": 0.5}
        patches = [Patch(facecolor=color, label=shorten(name, 24), **edge) for name, color in legend.items()]
        figure.legend(handles=patches, loc="lower center", ncols=4, fontsize=6, frameon=False)
    return _rendered(figure, tight=False)


def _rendered(figure: Figure, tight: bool = True) -> np.ndarray:
    """Return a figure as pixels, H×W×3 (uint8)."""
    canvas = FigureCanvasAgg(figure)
    if tight:
        figure.tight_layout()
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
