"""Figures of runs: learning and tuning curves, the leaderboard, calibration errors, the members of an ensemble."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mml_lib.errors import MMLError
from mml_lib.evaluation.comparisons.leaderboard import sentences
from mml_lib.reports.canvas import (
    COLORS,
    FILLED,
    HATCHED,
    POINTS,
    Style,
    display_names,
    draw_bar_pairs,
    legend_below,
    metric_label,
    name_rows,
    panels,
    power_label,
    row_names,
    save,
    shorten,
    thinned,
)

ALL_POINTS = 3200
"""Most points of all curves of a figure: more make the file too large for a report."""
BARS = 40
"""Rows of a bar chart that are drawn at most."""
FOLDS_SHOWN = 4
"""Largest number of runs for which curves of single folds are drawn."""

# --- curves -------------------------------------------------------------------------------------------------------

LABELS = {"lr": "learning rate", "train/loss": "training loss", "val/loss": "validation loss"}


def draw_learning_curves(
    histories: Mapping[str, Sequence[pd.DataFrame]],
    styles: Mapping[str, Style],
    path: str | Path,
    columns: Sequence[str] = ("train/loss", "val/loss"),
    names: Mapping[str, str] | None = None,
) -> None:
    """Draw columns of histories over epochs, one panel each: means over folds and, for few runs, single folds (thin).

    Args:
        histories: by run, the history of each fold: `epoch` and the columns.
        styles: styles of all runs of the study.
        path: path of the figure.
        columns: columns of the histories. Columns that no history has are left out.
        names: display names of runs, by id.

    Raises:
        MMLError: no history has any of the columns.
    """
    every = [history for folds in histories.values() for history in folds]
    columns = [column for column in columns if any(column in history for history in every)]
    if not columns:
        raise MMLError("the histories have none of the columns to draw; name some of their columns")
    figure, axes = panels(len(columns))
    alone = len(histories) > FOLDS_SHOWN
    lines = len(columns) * sum(1 if alone else 1 + len(folds) for folds in histories.values())
    points = max(20, min(POINTS, ALL_POINTS // lines))
    for axis, column in zip(axes, columns, strict=True):
        for run, folds in histories.items():
            series = [
                fold.set_index("epoch")[column].astype(float).replace([np.inf, -np.inf], np.nan)
                for fold in folds
                if column in fold
            ]
            if series:
                _draw_folds(axis, series, styles[run], points, alone)
        axis.set_xlabel("epoch")
        metric = column.removeprefix("val/")
        axis.set_ylabel(shorten(LABELS.get(column) or metric_label(metric, "validation "), 40))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if column == "lr":
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter(power_label)
    labels = display_names(list(histories), names)
    handles = [
        Line2D([], [], label=label, markersize=4, linewidth=1.6, **styles[run].line)
        for run, label in zip(histories, labels, strict=True)
    ]
    columns = int(figure.get_figwidth() / (0.6 + 0.075 * max(map(len, labels))))
    legend_below(figure, handles, max(1, min(len(labels), columns)), room=0.19)
    save(figure, path)


def _draw_folds(axis: Axes, series: Sequence[pd.Series], style: Style, points: int, alone: bool) -> None:
    """Draw the mean of series by epoch and, if requested, the series themselves."""
    if len(series) > 1 and not alone:
        for history in series:
            axis.plot(
                *thinned(history.index, history, points),
                color=style.color,
                linestyle=style.linestyle,
                linewidth=0.6,
                alpha=0.45,
            )
    mean = pd.concat(series, axis=1).mean(axis=1)
    epochs, values = thinned(mean.index, mean, points)
    axis.plot(epochs, values, markevery=max(1, len(epochs) // 5), markersize=4, linewidth=1.6, **style.line)


def draw_tuning_curve(curve: Mapping[str, Sequence[float | None]], lr: float | None, path: str | Path) -> None:
    """Draw the range test of learning rates, and the rate that was chosen.

    Args:
        curve: `lr` and the smoothed `loss` there (None where it was infinite).
        lr: chosen learning rate.
        path: path of the figure.

    Raises:
        MMLError: the curve has no finite loss.
    """
    rates, losses = (np.array(curve.get(key, []), dtype=float) for key in ("lr", "loss"))
    finite = np.isfinite(losses)
    if not finite.any():
        raise MMLError("the range test of learning rates has no finite loss to draw; set tune.lr and tune again")
    figure, (axis,) = panels(1, width=6)
    rates, losses = rates[finite], losses[finite]
    axis.plot(*thinned(rates, losses), color="black", linewidth=1.4)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(power_label)
    # A loss that explodes at the largest rates would hide its decrease.
    low, first = losses.min(), losses[: max(1, len(losses) // 10)].max()
    top = min(losses.max(), low + 2.5 * max(first - low, 0.1 * abs(low), 1e-12))
    axis.set_ylim(low - 0.08 * (top - low or 1), top + 0.08 * (top - low or 1))
    if lr is not None:
        axis.axvline(lr, color=COLORS[1], linestyle="--", linewidth=1.2)
        beside = np.interp(np.log(lr), np.log(rates), losses)
        axis.plot([lr], [beside], marker="o", color=COLORS[1], markersize=7, linestyle="", label=f"chosen: {lr:.2e}")
        axis.legend(fontsize=8)
    axis.set(xlabel="learning rate", ylabel="smoothed training loss")
    save(figure, path)


# --- bars ---------------------------------------------------------------------------------------------------------


def draw_leaderboard(
    standings: pd.DataFrame,
    metrics: Sequence[str],
    styles: Mapping[str, Style],
    path: str | Path,
    names: Mapping[str, str] | None = None,
) -> None:
    """Draw metrics of procedures with 95 % intervals, one panel each, the best procedure by the first metric on top.

    Markers are filled for procedures that do not differ significantly from the best, and hollow for others.

    Args:
        standings: `metric run mean ci_low ci_high rank among_best`; `run` is the id of a run or procedure.
        metrics: metrics that are drawn.
        styles: styles of all runs and procedures of the study.
        path: path of the figure.
        names: display names of runs, by id.
    """
    order = (
        standings[standings["metric"] == metrics[0]].sort_values(["rank", "run"], na_position="last")["run"].tolist()
    )
    drawn = order[:BARS]
    title = _leaderboard_title(standings, len(order) - len(drawn), 35 + 55 * len(metrics))
    rows = row_names(drawn, names)
    height = 0.9 + 0.27 * len(drawn) * (1 + max(name.count("\n") for name in rows)) ** 0.7 + 0.15 * len(title)
    figure, axes = panels(len(metrics), width=3.4, height=height, label_width=2.2, sharey=True)
    figure.suptitle("\n".join(title), fontsize=8)
    for axis, metric in zip(axes, metrics, strict=True):
        of_metric = standings[standings["metric"] == metric].set_index("run")
        for place, run in enumerate(drawn):
            row, style = of_metric.loc[run], styles[run]
            axis.plot([row["ci_low"], row["ci_high"]], [place] * 2, color=style.color, linewidth=1.4)
            face = style.color if row["among_best"] else "white"
            axis.plot(row["mean"], place, marker=style.marker, color=style.color, markerfacecolor=face, markersize=6)
        for place in range(len(drawn)):
            axis.axhline(place, color="0.9", linewidth=0.5, zorder=0)
        axis.set_xlabel(metric_label(metric))
        axis.xaxis.set_major_locator(MaxNLocator(5))
    name_rows(axes[0], rows)
    save(figure, path)


def _leaderboard_title(standings: pd.DataFrame, left_out: int, width: int) -> list[str]:
    """Return the lines above a leaderboard: subject of the intervals, and meaning of the markers."""
    rest = f"; {left_out} further runs are left out" if left_out else ""
    about = standings["about"] if "about" in standings else pd.Series(dtype=str)
    lines = [line for sentence in sentences(about) for line in wrap(sentence, width)]
    filled = f"Filled: not significantly different from the best procedure (p > 0.05, Holm){rest}."
    return ["Mean over seeds and folds.", *lines, filled]


def draw_calibration_errors(table: pd.DataFrame, path: str | Path, names: Mapping[str, str] | None = None) -> None:
    """Draw errors before and after calibration as bars, a panel a metric and two bars a run.

    Args:
        table: `run metric before after`.
        path: path of the figure.
        names: display names of runs, by id.
    """
    runs, metrics = list(dict.fromkeys(table["run"])), list(dict.fromkeys(table["metric"]))
    drawn = runs[:BARS]
    height = 1.1 + 0.42 * len(drawn)
    figure, axes = panels(len(metrics), width=3.2, height=height, label_width=2.2, sharey=True)
    for axis, metric in zip(axes, metrics, strict=True):
        rows = table[table["metric"] == metric].set_index("run").reindex(drawn)
        draw_bar_pairs(axis, {key: rows[key] for key in ("before", "after")}, [HATCHED, FILLED], size=6)
        axis.margins(x=0.18)
        axis.set_xlabel(metric_label(metric))
    name_rows(axes[0], display_names(drawn, names))
    rest = f" ({len(runs) - len(drawn)} further runs are left out)" if len(runs) > len(drawn) else ""
    handles, _ = axes[0].get_legend_handles_labels()
    legend_below(figure, handles, 2, loc="outside lower center", title=f"calibration{rest}")
    save(figure, path)


def draw_ensemble(
    members: pd.DataFrame, styles: Mapping[str, Style], path: str | Path, names: Mapping[str, str] | None = None
) -> None:
    """Draw the members of an ensemble with their weights, the heaviest on top.

    Args:
        members: `run fold weight`, and `task` for members of several tasks.
        styles: styles of all runs of the study.
        path: path of the figure.
        names: display names of runs, by id.
    """
    members = members.sort_values("weight", ascending=False, kind="stable", ignore_index=True)
    drawn = members.head(BARS)
    figure, (axis,) = panels(1, width=5, height=0.9 + 0.26 * len(drawn), label_width=2.2)
    several = "task" in members and members["task"].nunique() > 1
    runs = members["run"].unique().tolist()
    name_of, ticks = dict(zip(runs, display_names(runs, names), strict=True)), []
    for place, row in drawn.iterrows():
        style = styles[row["run"]]
        bar = axis.barh(
            place, row["weight"], 0.7, color="white", edgecolor=style.color, hatch=style.hatch, linewidth=1.2
        )
        if not style.hatch:
            bar[0].set_facecolor(style.color)
        axis.bar_label(bar, [f"{row['weight']:.3f}"], fontsize=7, padding=3)
        of_task = shorten(row["task"], 30) + ": " if several else ""
        ticks.append(f"{of_task}{name_of[row['run']]}, fold {row['fold']}")
    name_rows(axis, ticks)
    axis.margins(x=0.14)
    rest = members["weight"][len(drawn) :]
    left_out = f" ({len(rest)} further members weigh {rest.sum():.3f} together)" if len(rest) else ""
    axis.set_xlabel(f"weight{left_out}")
    save(figure, path)
