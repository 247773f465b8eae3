"""Figures of runs: learning and tuning curves, the leaderboard, calibration errors, the members of an ensemble.

The ending of a path says the format; `.svg` keeps texts as texts. Everything is readable in black and white: runs
differ in line style, marker and hatch besides their colour.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mml_lib.config.metric_options import lower_is_better, name_per_sample
from mml_lib.errors import MMLError
from mml_lib.evaluation.comparisons.leaderboard import sentences
from mml_lib.files.atomic import write_whole
from mml_lib.reports.task_figures import shorten

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
"""Those of Okabe and Ito (2008) for all kinds of colour vision, without yellow, which white paper swallows."""
LINES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
HATCHES = ("", "////", "||||", "\\\\\\\\", "xxxx", "----")
POINTS = 150
"""Points of a curve that are drawn at most."""
ALL_POINTS = 3200
"""Points of all curves of a figure: more make it too heavy for a report."""
BARS = 40
"""Rows of a bar chart that are drawn at most."""
FOLDS_SHOWN = 4
"""Runs up to which the curves of single folds are drawn beside the mean."""
NAME = 44
"""Characters of a run's name at most."""


@dataclass(frozen=True)
class Style:
    """How a run is drawn: in black and white line styles, markers and hatches tell runs apart."""

    color: str
    linestyle: str
    marker: str
    hatch: str


def run_styles(runs: Iterable[str]) -> dict[str, Style]:
    """Return the style of each run, the same in all figures of a study.

    It follows from the place of a run among all sorted ones, not from a hash of its name: a hash would often give two
    of twelve runs the same colour and line, while of the sorted ones 28 differ in colour or line, and 36 in line or
    marker. So give the styles of all runs of the study, ensembles too, to each figure. Another run in the study may
    move others on.
    """
    return {
        run: Style(*(values[place % len(values)] for values in (COLORS, LINES, MARKERS, HATCHES)))
        for place, run in enumerate(sorted(set(runs)))
    }


def told(runs: Sequence[str], names: Mapping[str, str] | None = None) -> list[str]:
    """Return short display names of runs, with their ids if names would be equal."""
    short = [shorten((names or {}).get(run, run), NAME) for run in runs]
    return [
        name if short.count(name) == 1 else f"{shorten(name, NAME - 14)} ({run[:12]})"
        for run, name in zip(runs, short, strict=True)
    ]


# --- curves -------------------------------------------------------------------------------------------------------

LABELS = {"lr": "learning rate", "train/loss": "training loss", "val/loss": "validation loss"}


def draw_learning_curves(
    histories: Mapping[str, Sequence[pd.DataFrame]],
    styles: Mapping[str, Style],
    path: str | Path,
    columns: Sequence[str] = ("train/loss", "val/loss"),
    names: Mapping[str, str] | None = None,
) -> None:
    """Draw columns of histories over epochs, a panel each: means over folds, of few runs also each fold (thin).

    Args:
        histories: by run, the history of each fold: `epoch` and the columns.
        styles: of all runs of the study.
        path: where to.
        columns: of the histories; those that no history has are left out.
        names: what a run is called, where not by its id.

    Raises:
        MMLError: no history has any of the columns.
    """
    every = [history for folds in histories.values() for history in folds]
    columns = [column for column in columns if any(column in history for history in every)]
    if not columns:
        raise MMLError("the histories have none of the columns to draw; name some of their columns")
    figure, axes = _panels(len(columns))
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
            axis.yaxis.set_major_formatter(_powers)
    _legend(figure, dict(zip(told(list(histories), names), (styles[run] for run in histories), strict=True)))
    save(figure, path)


def metric_label(metric: str, before: str = "") -> str:
    """Return the axis label of a metric."""
    end = " (lower is better)" if lower_is_better(name_per_sample(metric)) else ""
    return before + metric.replace("_", " ") + end


def _draw_folds(axis: Axes, series: Sequence[pd.Series], style: Style, points: int, alone: bool) -> None:
    """Draw the mean of series by epoch, and each of them unless it is to stand alone."""
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
    axis.plot(epochs, values, markevery=max(1, len(epochs) // 5), **_line(style))


def _line(style: Style) -> dict[str, Any]:
    return {
        "color": style.color,
        "linestyle": style.linestyle,
        "marker": style.marker,
        "markersize": 4,
        "linewidth": 1.6,
    }


def thinned(x: Any, y: Any, points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Return points of a curve, at most so many and evenly along it, its ends among them."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(x) <= points:
        return x, y
    steps = [np.abs(np.diff(values)) / (np.nanmax(values) - np.nanmin(values) or 1) for values in (x, y)]
    along = np.append(0, np.cumsum(np.nan_to_num(sum(steps))))
    chosen = np.unique(np.searchsorted(along, np.linspace(0, along[-1], points)))
    chosen[-1] = len(x) - 1
    return x[chosen], y[chosen]


def draw_tuning_curve(curve: Mapping[str, Sequence[float | None]], lr: float | None, path: str | Path) -> None:
    """Draw the range test of learning rates, and the rate that was chosen.

    Args:
        curve: `lr` and the smoothed `loss` there (None where it was infinite).
        lr: what was chosen.
        path: where to.

    Raises:
        MMLError: no loss is known.
    """
    rates, losses = (np.array(curve.get(key, []), dtype=float) for key in ("lr", "loss"))
    finite = np.isfinite(losses)
    if not finite.any():
        raise MMLError("the range test of learning rates has no finite loss to draw; set tune.lr and tune again")
    figure, (axis,) = _panels(1, width=6)
    rates, losses = rates[finite], losses[finite]
    axis.plot(*thinned(rates, losses), color="black", linewidth=1.4)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(_powers)
    # A loss that has exploded at the largest rates hides where it falls.
    low, first = losses.min(), losses[: max(1, len(losses) // 10)].max()
    top = min(losses.max(), low + 2.5 * max(first - low, 0.1 * abs(low), 1e-12))
    axis.set_ylim(low - 0.08 * (top - low or 1), top + 0.08 * (top - low or 1))
    if lr is not None:
        axis.axvline(lr, color=COLORS[1], linestyle="--", linewidth=1.2)
        beside = np.interp(np.log(lr), np.log(rates), losses)
        axis.plot([lr], [beside], marker="o", color=COLORS[1], markersize=7, linestyle="", label=f"chosen: {lr:.2e}")
        axis.legend(fontsize=8)
    axis.set_xlabel("learning rate")
    axis.set_ylabel("smoothed training loss")
    save(figure, path)


# --- bars ---------------------------------------------------------------------------------------------------------


def draw_leaderboard(
    standings: pd.DataFrame,
    metrics: Sequence[str],
    styles: Mapping[str, Style],
    path: str | Path,
    names: Mapping[str, str] | None = None,
) -> None:
    """Draw what procedures are worth with their 95 % intervals, a panel a metric, the best by the first metric on top.

    Markers of what cannot be told apart from the best are filled, those of all others are hollow.

    Args:
        standings: `metric run mean ci_low ci_high rank among_best`; `run` names what a row is about.
        metrics: to draw.
        styles: of all runs and procedures of the study.
        path: where to.
        names: what a run is called, where not by its id.
    """
    order = (
        standings[standings["metric"] == metrics[0]].sort_values(["rank", "run"], na_position="last")["run"].tolist()
    )
    drawn = order[:BARS]
    title = _leaderboard_title(standings, len(order) - len(drawn), 35 + 55 * len(metrics))
    height = 0.9 + 0.27 * len(drawn) + 0.15 * len(title)
    figure, axes = _panels(len(metrics), width=3.4, height=height, beside=2.2, sharey=True)
    figure.suptitle("\n".join(title), fontsize=8)
    for axis, metric in zip(axes, metrics, strict=True):
        rows = standings[standings["metric"] == metric].set_index("run")
        for place, run in enumerate(drawn):
            row, style = rows.loc[run], styles[run]
            axis.plot([row["ci_low"], row["ci_high"]], [place] * 2, color=style.color, linewidth=1.4)
            face = style.color if row["among_best"] else "white"
            axis.plot(row["mean"], place, marker=style.marker, color=style.color, markerfacecolor=face, markersize=6)
        for place in range(len(drawn)):
            axis.axhline(place, color="0.9", linewidth=0.5, zorder=0)
        axis.set_xlabel(metric_label(metric))
        axis.xaxis.set_major_locator(MaxNLocator(5))
    axes[0].set_yticks(range(len(drawn)), told(drawn, names))
    axes[0].set_ylim(len(drawn) - 0.4, -0.6)
    save(figure, path)


def _leaderboard_title(standings: pd.DataFrame, left_out: int, width: int) -> list[str]:
    """Return the lines above a leaderboard: of what its intervals are, and what is marked."""
    rest = f"; {left_out} further runs are left out" if left_out else ""
    about = standings["about"] if "about" in standings else pd.Series(dtype=str)
    lines = [line for sentence in sentences(about) for line in wrap(sentence, width)]
    filled = f"Filled: cannot be told apart from the best procedure (p > 0.05, Holm){rest}."
    return ["Mean over seeds and folds.", *lines, filled]


def draw_calibration_errors(table: pd.DataFrame, path: str | Path, names: Mapping[str, str] | None = None) -> None:
    """Draw errors before and after calibration as bars, a panel a metric and two bars a run.

    Args:
        table: `run metric before after`.
        path: where to.
        names: what a run is called, where not by its id.
    """
    runs, metrics = list(dict.fromkeys(table["run"])), list(dict.fromkeys(table["metric"]))
    drawn = runs[:BARS]
    height = 1.1 + 0.42 * len(drawn)
    figure, axes = _panels(len(metrics), width=3.2, height=height, beside=2.2, sharey=True)
    for axis, metric in zip(axes, metrics, strict=True):
        rows = table[table["metric"] == metric].set_index("run").reindex(drawn)
        places = np.arange(len(drawn))
        for column, shift, looks in (
            ("before", -0.2, {"color": "white", "hatch": "////"}),
            ("after", 0.2, {"color": COLORS[0]}),
        ):
            bars = axis.barh(
                places + shift, rows[column], 0.38, edgecolor="black", linewidth=0.6, label=column, **looks
            )
            axis.bar_label(bars, fmt="{:.3f}", fontsize=6, padding=2)
        axis.margins(x=0.18)
        axis.set_xlabel(metric_label(metric))
    axes[0].set_yticks(range(len(drawn)), told(drawn, names))
    axes[0].set_ylim(len(drawn) - 0.4, -0.6)
    rest = f" ({len(runs) - len(drawn)} further runs are left out)" if len(runs) > len(drawn) else ""
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, fontsize=8, frameon=False, title=f"calibration{rest}")
    save(figure, path)


def draw_ensemble(
    members: pd.DataFrame, styles: Mapping[str, Style], path: str | Path, names: Mapping[str, str] | None = None
) -> None:
    """Draw the members of an ensemble with their weights, the heaviest on top.

    Args:
        members: `run fold weight`, and `task` where it is of several.
        styles: of all runs of the study.
        path: where to.
        names: what a run is called, where not by its id.
    """
    members = members.sort_values("weight", ascending=False, kind="stable", ignore_index=True)
    drawn = members.head(BARS)
    figure, (axis,) = _panels(1, width=5, height=0.9 + 0.26 * len(drawn), beside=2.2)
    several = "task" in members and members["task"].nunique() > 1
    runs = members["run"].unique().tolist()
    name_of, ticks = dict(zip(runs, told(runs, names), strict=True)), []
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
    axis.set_yticks(range(len(drawn)), ticks)
    axis.set_ylim(len(drawn) - 0.4, -0.6)
    axis.margins(x=0.14)
    rest = members["weight"][len(drawn) :]
    left_out = f" ({len(rest)} further members weigh {rest.sum():.3f} together)" if len(rest) else ""
    axis.set_xlabel(f"weight{left_out}")
    save(figure, path)


# --- the canvas ---------------------------------------------------------------------------------------------------


def _panels(
    count: int, width: float = 4.2, height: float = 3.4, beside: float = 0.0, sharey: bool = False
) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with panels side by side, two or three in a line, or all where they share their rows.

    Args:
        count: of panels.
        width: of each, in inches.
        height: of each.
        beside: room for the names of rows.
        sharey: whether they share their rows.
    """
    across = count if sharey else (2 if count in (2, 4) else min(count, 3))
    lines = -(-count // across)
    figure = Figure(figsize=(width * across + beside, height * lines), layout="constrained")
    axes = figure.subplots(lines, across, sharey=sharey, squeeze=False).flat
    for number, axis in enumerate(axes):
        axis.set_visible(number < count)
        tidy(axis)
    return figure, axes[:count]


def _powers(value: float, _: int) -> str:
    """Return the tick label of a logarithmic axis, without mathematics, because names may contain dollar signs."""
    return f"1e{round(np.log10(value))}" if value > 0 else ""


def tidy(axis: Axes) -> None:
    """Take the frame off a panel, and write small."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    axis.xaxis.label.set_size(9)
    axis.yaxis.label.set_size(9)


def _legend(figure: Figure, styles: Mapping[str, Style]) -> None:
    """Lay the names of runs below a figure, in as many columns as fit."""
    names = list(styles)
    handles = [Line2D([], [], label=name, **_line(style)) for name, style in zip(names, styles.values(), strict=True)]
    columns = max(1, min(len(names), int(figure.get_figwidth() / (0.6 + 0.075 * max(map(len, names))))))
    lines = -(-len(names) // columns)
    figure.set_figheight(figure.get_figheight() + 0.19 * lines)
    figure.legend(handles=in_rows(handles, columns), loc="outside lower left", ncols=columns, fontsize=8, frameon=False)


def in_rows(items: Sequence[Any], columns: int) -> list[Any]:
    """Return items in the order in which a legend, which fills its columns one by one, shows them row by row."""
    rows = [items[start : start + columns] for start in range(0, len(items), columns)]
    return [item for column in zip_longest(*rows) for item in column if item is not None]


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure; the same one gives the same file."""
    options: dict[str, Any] = {"dpi": 110, "metadata": {"Software": None}}
    if Path(path).suffix == ".svg":
        options["metadata"] = {"Date": None}
    elif Path(path).suffix in (".jpg", ".jpeg"):
        options |= {"metadata": None, "pil_kwargs": {"quality": 80}}
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mml", "hatch.linewidth": 0.6}),
        write_whole(path) as beside,
    ):
        figure.savefig(beside, **options)
        if beside.suffix == ".svg":
            beside.write_text(_rounded(beside.read_text(encoding="utf-8")), encoding="utf-8")


def _rounded(svg: str) -> str:
    """Return a drawing with two decimals in its paths, a hundredth of a point: a third of the file less."""
    return re.sub(r'(?<= d=")[^"]*', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)
