"""Figures of a regression: predicted over true values, and residuals."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from mml_lib.errors import MMLError
from mml_lib.predictions.scores import values_of
from mml_lib.reports.canvas import legend_below, save, tidy

POINTS = 800
"""Samples up to which each is a point; more are counted in hexagons."""
LINE = {"color": "black", "linewidth": 1.2, "path_effects": [withStroke(linewidth=2.6, foreground="white")]}
"""Lines with a white edge, which is visible on dark areas."""
NORMAL = 1.96
"""Standard deviations around the mean that hold 95 % of a normal distribution."""


def draw_values(values: np.ndarray, targets: np.ndarray, path: str | Path) -> None:
    """Draw predicted over true values with the line where they are equal, and residuals (Bland and Altman 1986).

    Args:
        values: predicted, in the unit of the data, N.
        targets: true, N.
        path: path of the figure.

    Raises:
        MMLError: there are no samples.
    """
    if not len(values):
        raise MMLError("there are no values to draw; evaluate a labelled split")
    values, targets = values.astype(np.float64), targets.astype(np.float64)
    figure = Figure(figsize=(8.8 if len(values) <= POINTS else 10.4, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _points(left, targets, values, figure)
    # Both axes span the same, so that the line of equal values is a diagonal.
    low, high = (end([targets, values]) for end in (np.min, np.max))
    margin = 0.04 * (high - low or 1)
    ends = [low - margin, high + margin]
    left.plot(ends, ends, linestyle="--", label="predicted = true", **LINE)
    left.set(xlim=ends, ylim=ends, box_aspect=1, xlabel="true value", ylabel="predicted value")
    metrics = values_of("regression", ["mae", "rmse", "r2"], (values, targets))
    explained = "" if np.isnan(metrics["r2"]) else f", R² {metrics['r2']:.3f}"
    figure.suptitle(
        f"{len(values):,} predictions: MAE {metrics['mae']:.4g}, RMSE {metrics['rmse']:.4g}{explained}",
        fontsize=9,
    )
    residuals = values - targets
    _points(right, targets, residuals, figure)
    mean, spread = residuals.mean(), NORMAL * residuals.std()
    right.axhline(0, linestyle="--", label="predicted = true", **LINE)
    right.axhline(mean, label=f"mean {mean:+.3g}", **LINE)
    for sign, label in ((1, f"mean ± {NORMAL} standard deviations ({spread:.3g})"), (-1, None)):
        right.axhline(mean + sign * spread, linestyle=":", label=label, **LINE)
    right.set(xlim=ends, xlabel="true value", ylabel="residual (predicted − true)")
    handles, _ = right.get_legend_handles_labels()
    legend_below(figure, handles, len(handles), loc="outside lower center")
    save(figure, path)


def _points(axis: Axes, x: np.ndarray, y: np.ndarray, figure: Figure) -> None:
    """Draw samples as points, or as counts in hexagons if points would overlap."""
    tidy(axis)
    if len(x) <= POINTS:
        axis.plot(x, y, marker="o", markersize=3.5, markerfacecolor="none", color="0.35", linestyle="", linewidth=0.6)
        return
    hexagons = axis.hexbin(x, y, gridsize=36, cmap="Greys", bins="log", mincnt=1, linewidths=0.2, edgecolors="0.6")
    bar = figure.colorbar(hexagons, ax=axis, shrink=0.7, aspect=30, format="{x:.0f}")
    bar.set_label("predictions", fontsize=8)
    bar.ax.tick_params(labelsize=7)
