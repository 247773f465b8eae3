"""Figures of operating points: decision curves."""

from pathlib import Path

import pandas as pd

from mml_lib.errors import MMLError
from mml_lib.reports.canvas import COLORS, legend_below, panels, save, shorten

CLASSES = 6
"""Classes that have a curve: the most frequent ones."""


def draw_decision_curves(curves: pd.DataFrame, points: pd.DataFrame, path: str | Path) -> None:
    """Draw the net benefit of a run over the threshold of probability, a panel for each class.

    Args:
        curves: rows of `mml_lib.evaluation.operating.decision_curves.decision_rows`.
        points: operating points of the run, whose thresholds are marked.
        path: path of the figure.

    Raises:
        MMLError: there are no samples.
    """
    if curves.empty:
        raise MMLError("there are no samples to draw decision curves of; predict a labelled split")
    prevalence = curves.groupby("class", sort=False)["treat_all"].first()
    names = prevalence.sort_values(ascending=False, kind="stable").index[:CLASSES]
    figure, axes = panels(len(names))
    for axis, name in zip(axes, names, strict=True):
        curve = curves[curves["class"] == name]
        x, benefit = curve["threshold"], curve["net_benefit"]
        if curve["net_benefit_low"].notna().any():
            axis.fill_between(x, curve["net_benefit_low"], curve["net_benefit_high"], color="0.85", linewidth=0)
        axis.plot(x, benefit, color=COLORS[0], label="network, with 95 % interval")
        axis.plot(x, curve["treat_all"], color=COLORS[1], linestyle="--", label="all positive")
        axis.plot(x, curve["treat_none"], color=COLORS[4], linestyle=":", label="none positive")
        for threshold in points.loc[points["class"] == name, "threshold"].dropna():
            axis.axvline(threshold, color="0.4", linestyle="-.", linewidth=0.8, label="_operating point")
        top = max(float(curve["treat_all"].iloc[0]), float(benefit.max()), 0.01)
        axis.set(xlim=(0, 1), ylim=(-0.25 * top, 1.1 * top), xlabel="threshold of probability", ylabel="net benefit")
        axis.set_title(shorten(str(name), 40), fontsize=9, loc="left")
    handles, _ = axes[0].get_legend_handles_labels()
    legend_below(figure, handles, 3, loc="outside lower center")
    save(figure, path)
