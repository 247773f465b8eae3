"""Figures of predictions: confusion matrix, ROC and precision-recall curves, reliability, the largest losses."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mml_lib.errors import MMLError
from mml_lib.predictions.scores import score
from mml_lib.reports.canvas import COLORS, LINES, MARKERS, legend_below, picture_grid, save, shorten, thinned, tidy
from mml_lib.reports.confusion_figures import confusion_figure

CURVES = 8
"""Most classes with coloured curves: those with the smallest area. Others are grey."""
COLUMNS = 6
"""Samples in a line."""
THUMBNAIL = 120
"""Pixels of the longer side of a sample at most."""

# --- confusion ----------------------------------------------------------------------------------------------------


def draw_confusion(
    counts: np.ndarray, classes: Sequence[str], path: str | Path, unit: str = "images", networks: float = 1
) -> None:
    """Draw a confusion matrix: shades are shares of a row, the samples of a class; numbers are counts and shares.

    Args:
        counts: counts of true and predicted class, C×C.
        classes: names of the classes.
        path: path of the figure.
        unit: unit of the counts: images or pixels.
        networks: number of networks that predict each image; their predictions are counted.
    """
    save(confusion_figure(counts, classes, unit, networks), path)


# --- curves -------------------------------------------------------------------------------------------------------


def draw_curves(
    probabilities: np.ndarray,
    positive: np.ndarray,
    classes: Sequence[str],
    path: str | Path,
    is_known: np.ndarray | None = None,
) -> None:
    """Draw ROC and precision-recall curves, each class against the rest, with the areas under them.

    Of many classes, those with the smallest area under the ROC curve have coloured lines.

    Args:
        probabilities: N×C.
        positive: True for samples of a class or with a label, N×C (bool).
        classes: names of the classes.
        path: path of the figure.
        is_known: True for known labels, N×C (bool); None: all.

    Raises:
        MMLError: no class has both positive and negative samples.
    """
    rows = [slice(None)] * len(classes) if is_known is None else list(is_known.T)
    columns = [
        (probabilities[rows[index]][:, [index]], positive[rows[index]][:, [index]]) for index in range(len(rows))
    ]
    areas = np.array([score("multilabel_classification", "auroc", *column) for column in columns])
    precisions = np.array([score("multilabel_classification", "average_precision", *column) for column in columns])
    order = [index for index in np.argsort(areas, kind="stable") if not np.isnan(areas[index])]
    if not order:
        raise MMLError(
            "no class has samples and others beside them, so there is no curve to draw; evaluate more samples"
        )
    drawn_alone = order if len(order) <= CURVES else order[:CURVES]
    figure = Figure(figsize=(8.6, 4.9), layout="constrained")
    roc, precision_recall = figure.subplots(1, 2)
    points = 150 if len(order) <= CURVES else 40
    handles = []
    in_grey = [index for index in order if index not in drawn_alone]
    for index in in_grey + drawn_alone:
        fpr, recall, precision = curves(*(column[:, 0] for column in columns[index]))
        if index in drawn_alone:
            place = drawn_alone.index(index)
            style = {"color": COLORS[place % len(COLORS)], "linestyle": LINES[place % len(LINES)], "linewidth": 1.5}
            style |= {"marker": MARKERS[place % len(MARKERS)], "markersize": 4}
        else:
            style = {"color": "0.8", "linewidth": 0.6}
        for axis, x, y in ((roc, fpr, recall), (precision_recall, recall[1:], precision)):
            x, y = thinned(x, y, points)
            (line,) = axis.plot(x, y, markevery=(len(x) // 16, max(1, len(x) // 6)), **style)
        if index in drawn_alone:
            line.set_label(f"{shorten(classes[index], 30)} ({areas[index]:.3f}; {precisions[index]:.3f})")
            handles.append(line)
    roc.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=":")
    _square(roc, "false positive rate", "true positive rate (recall)", f"ROC: mean area {np.nanmean(areas):.3f}")
    _square(precision_recall, "recall", "precision", f"precision-recall: mean area {np.nanmean(precisions):.3f}")
    grey = f"; {len(order) - len(drawn_alone)} better ones in grey" if len(order) > len(drawn_alone) else ""
    without = len(classes) - len(order)
    grey += f"; {without} without samples or without others" if without else ""
    title = f"class against the rest (area under ROC; under precision-recall){grey}"
    legend_below(figure, handles, 2, room=0.19, title=title, title_fontsize=8, alignment="left")
    save(figure, path)


def curves(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return false positive rate and recall at each threshold, T+1 from (0, 0) to (1, 1), and precision, T.

    Args:
        scores: N.
        positive: N (bool), some of either kind.
    """
    from sklearn.metrics import precision_recall_curve, roc_curve  # slow import

    fpr, recall, _ = roc_curve(positive, scores, drop_intermediate=False)
    precision, _, _ = precision_recall_curve(positive, scores)
    return fpr, recall, precision[-2::-1]  # from the highest threshold on, without the point that has none


def _square(axis: Axes, x: str, y: str, title: str) -> None:
    tidy(axis)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel=x, ylabel=y)
    axis.set_title(title, fontsize=9)


# --- calibration --------------------------------------------------------------------------------------------------


def draw_reliability(tables: Mapping[str, pd.DataFrame], path: str | Path) -> None:
    """Draw how often predictions of a confidence are right (DeGroot and Fienberg 1983), and how many there are.

    Args:
        tables: results of `reliability` by name, `before` and `after` calibration;
            labels are drawn together.
        path: path of the figure.
    """
    figure = Figure(figsize=(4.6, 6.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=":")
    for place, (name, table) in enumerate(tables.items()):
        looks = {"color": COLORS[1 - place % 2], "linestyle": LINES[1 - place % 2]}
        bins = _together(table)
        shares = bins["samples"] / bins["samples"].sum()
        error = (shares * (bins["accuracy"] - bins["confidence"]).abs()).sum()
        label = f"{name} (calibration error {error:.3f})"
        marked = {"marker": MARKERS[place], "markersize": 5, "linewidth": 1.5}
        upper.plot(bins["confidence"], bins["accuracy"], label=label, **marked, **looks)
        # Steps start at the lower edge of each bin; empty bins are at 0.
        edges = np.unique(np.concatenate([[0, 1], bins["low"], bins["high"]]))
        heights = pd.Series(100 * shares.to_numpy(), bins["low"]).reindex(edges[:-1], fill_value=0)
        lower.stairs(heights, edges, linewidth=1.3, **looks)
    for axis in (upper, lower):
        tidy(axis)
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="share that is right")
    lower.set(xlabel="confidence (predicted probability)", ylabel="predictions (%)")
    figure.legend(fontsize=8, loc="outside lower left", frameon=False)
    save(figure, path)


def _together(table: pd.DataFrame) -> pd.DataFrame:
    """Return bins by their lower end, those of all labels as one."""
    sums = table[["confidence", "accuracy"]].mul(table["samples"], axis=0).groupby(table["low"]).sum()
    bins = table.groupby("low").agg({"high": "first", "samples": "sum"})
    return bins.join(sums.div(bins["samples"], axis=0)).reset_index()


# --- single samples -----------------------------------------------------------------------------------------------


def draw_largest_losses(worst: pd.DataFrame, images: Sequence[np.ndarray], path: str | Path) -> None:
    """Draw samples with true and predicted label and loss. Use `.jpg` for photographs.

    Args:
        worst: table of `mml_lib.evaluation.subgroups.largest_losses`, N rows.
        images: uint8, N of H×W×3.
        path: path of the figure.

    Raises:
        MMLError: there are no samples.
    """
    if worst.empty:
        raise MMLError("there are no samples with a loss to draw; evaluate a labelled split")
    across = min(COLUMNS, len(worst))
    lines = -(-len(worst) // across)
    figure, axes = picture_grid(lines, across, max(1.75 * across, 3.5), 2.3 * lines + 0.1)
    for axis, row, image in zip(axes.flat, worst.to_dict("records"), images, strict=False):
        step = max(1, -(-max(image.shape[:2]) // (3 * THUMBNAIL)))
        axis.imshow(image[::step, ::step], interpolation="nearest" if max(image.shape[:2]) < THUMBNAIL else "auto")
        height, width = image[::step, ::step].shape[:2]
        side = max(height, width)
        axis.set(xlim=((width - side) / 2 - 0.5, (width + side) / 2 - 0.5))
        axis.set(ylim=((height + side) / 2 - 0.5, (height - side) / 2 - 0.5))
        sure = "" if np.isnan(row["probability"]) else f" {row['probability']:.2f}"
        text = f"{shorten(str(row['id']), 26)}\ntrue {shorten(row['true'], 22)}\n"
        text += f"predicted {shorten(row['predicted'], 14 if sure else 18)}{sure}\nloss {row['loss']:.3g}"
        axis.set_title(text, fontsize=6.5, loc="left", pad=3)
    save(figure, path)
