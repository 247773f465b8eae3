"""The canvas of figures: styles of runs, panels, legends, and files.

The suffix of a path sets the format; `.svg` keeps texts as texts. Everything is readable in black and white: runs
differ in line style, marker and hatch besides their colour.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
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

from mml_lib.config.metric_options import lower_is_better, name_per_sample
from mml_lib.files.atomic import write_whole

matplotlib.rcParams["text.parse_math"] = False  # names may have dollars

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
"""Those of Okabe and Ito (2008) for all kinds of colour vision, without yellow, which white paper swallows."""
LINES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
HATCHES = ("", "////", "||||", "\\\\\\\\", "xxxx", "----")
POINTS = 150
"""Points of a curve that are drawn at most."""
NAME = 44
"""Characters of a run's name at most."""
FILLED: Mapping[str, Any] = {"color": COLORS[0]}
HATCHED: Mapping[str, Any] = {"color": "white", "hatch": "////"}
"""Styles of two bars next to each other."""


def shorten(text: str, length: int) -> str:
    """Return a text in one line of at most `length` characters."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


# --- runs ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Style:
    """Style of a run: colour, line style, marker and hatch, which also distinguish runs in black and white."""

    color: str
    linestyle: str
    marker: str
    hatch: str

    @property
    def line(self) -> dict[str, Any]:
        """Options of a line."""
        return {"color": self.color, "linestyle": self.linestyle, "marker": self.marker}


def run_styles(runs: Iterable[str]) -> dict[str, Style]:
    """Return the style of each run, the same in all figures of a study.

    It follows from the place of a run among all sorted ones, not from a hash of its name: a hash would often give two
    of twelve runs the same colour and line, while of the sorted ones 28 differ in colour or line, and 36 in line or
    marker. Therefore all figures get the styles of all runs of the study, including ensembles. Adding a run may change
    the styles of others.
    """
    return {
        run: Style(*(values[place % len(values)] for values in (COLORS, LINES, MARKERS, HATCHES)))
        for place, run in enumerate(sorted(set(runs)))
    }


def display_names(runs: Sequence[str], names: Mapping[str, str] | None = None) -> list[str]:
    """Return short display names of runs, with their ids if names would be equal."""
    short = [shorten((names or {}).get(run, run), NAME) for run in runs]
    return [
        name if short.count(name) == 1 else f"{shorten(name, NAME - 14)} ({run[:12]})"
        for run, name in zip(runs, short, strict=True)
    ]


def row_names(runs: Sequence[str], names: Mapping[str, str] | None = None) -> list[str]:
    """Return display names of runs, wrapped to several lines."""
    lines = ["\n".join(wrap((names or {}).get(run, run), NAME)) for run in runs]
    return [name if lines.count(name) == 1 else f"{name} ({run[:12]})" for run, name in zip(runs, lines, strict=True)]


def metric_label(metric: str, before: str = "") -> str:
    """Return the axis label of a metric."""
    end = " (lower is better)" if lower_is_better(name_per_sample(metric)) else ""
    return before + metric.replace("_", " ") + end


def thinned(x: Any, y: Any, points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Return evenly spaced points of a curve, at most `count`, with both ends."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(x) <= points:
        return x, y
    steps = [np.abs(np.diff(values)) / (np.nanmax(values) - np.nanmin(values) or 1) for values in (x, y)]
    along = np.append(0, np.cumsum(np.nan_to_num(sum(steps))))
    chosen = np.unique(np.searchsorted(along, np.linspace(0, along[-1], points)))
    chosen[-1] = len(x) - 1
    return x[chosen], y[chosen]


# --- panels -------------------------------------------------------------------------------------------------------


def panels(
    count: int, width: float = 4.2, height: float = 3.4, label_width: float = 0.0, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels side by side, two or three in a line, or all where they share their rows.

    Args:
        count: number of panels.
        width: width of a panel in inches.
        height: height of a panel in inches.
        label_width: width for the names of rows, in inches.
        sharey: True if they share their rows.
    """
    across = count if sharey else (2 if count in (2, 4) else min(count, 3))
    lines = -(-count // across)
    figure = Figure(figsize=(width * across + label_width, height * lines), layout="constrained")
    axes = [*figure.subplots(lines, across, sharey=sharey, squeeze=False).flat]
    for number, axis in enumerate(axes):
        axis.set_visible(number < count)
        tidy(axis)
    return figure, axes[:count]


def single_panel(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure with one panel, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axis = figure.add_subplot()
    tidy(axis)
    return figure, axis


def picture_grid(lines: int, across: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    """Return a figure of pictures, with its axes, lines×across, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(lines, across, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
        axis.set(xticks=[], yticks=[])  # titles and layout are spared the hidden ticks
    return figure, axes


def tidy(axis: Axes) -> None:
    """Remove the frame of a panel, and use small fonts."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    axis.xaxis.label.set_fontsize(9)
    axis.yaxis.label.set_fontsize(9)


def draw_bar_pairs(axis: Axes, pairs: Mapping[str, pd.Series], looks: Sequence[Mapping[str, Any]], size: int) -> None:
    """Draw two bars in each row, with their values.

    Args:
        axis: panel.
        pairs: values of the upper and the lower bars by their names; NaN: no bar.
        looks: styles of the upper and the lower bars.
        size: font size of the values.
    """
    for (name, values), shift, look in zip(pairs.items(), (-0.2, 0.2), looks, strict=True):
        places = np.arange(len(values)) + shift
        bars = axis.barh(places, values.fillna(0), 0.38, edgecolor="black", linewidth=0.6, label=name, **look)
        axis.bar_label(bars, values.map("{:.3f}".format).where(values.notna(), ""), fontsize=size, padding=2)


def name_rows(axis: Axes, names: Sequence[str]) -> None:
    """Write the names of rows beside a panel, the first row on top."""
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.4, -0.6)


def legend_below(figure: Figure, handles: Sequence[Any], columns: int, room: float = 0.0, **options: Any) -> None:
    """Add a legend below a figure, filled row by row.

    Args:
        figure: figure.
        handles: labelled handles.
        columns: number of columns.
        room: height of a row of the legend, in inches, by which the figure grows.
        options: options of matplotlib's legend.
    """
    figure.set_figheight(figure.get_figheight() + room * -(-len(handles) // columns))
    looks = {"loc": "outside lower left", "ncols": columns, "fontsize": 8, "frameon": False}
    figure.legend(handles=in_rows(handles, columns), **looks | options)


def in_rows(items: Sequence[Any], columns: int) -> list[Any]:
    """Return items in the order in which a legend, which fills its columns one by one, shows them row by row."""
    rows = [items[start : start + columns] for start in range(0, len(items), columns)]
    return [item for column in zip_longest(*rows) for item in column if item is not None]


def power_label(value: float, _: float) -> str:
    """Return the tick label of a logarithmic axis, without mathematics, because names may contain dollar signs."""
    return f"1e{round(np.log10(value))}" if value > 0 else ""


# --- files --------------------------------------------------------------------------------------------------------


PRINT_DPI = 300
"""Dots per inch of pictures for print."""

_prints: ContextVar[bool] = ContextVar("prints", default=False)


@contextlib.contextmanager
def at_print_resolution() -> Iterator[None]:
    """Make `save` also write a picture for print next to each drawing: `name-300dpi.png` for `name.svg`."""
    token = _prints.set(True)
    try:
        yield
    finally:
        _prints.reset(token)


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure reproducibly. It is laid out once, and drawn once for each file.

    Matplotlib draws a figure with a layout engine twice, as the first drawing may run the engine.
    """
    if engine := figure.get_layout_engine():
        engine.execute(figure)
        figure.set_layout_engine(None)
    _save(figure, path)
    if _prints.get() and Path(path).suffix == ".svg":
        _save(figure, Path(path).with_name(f"{Path(path).stem}-{PRINT_DPI}dpi.png"), dpi=PRINT_DPI)


def _save(figure: Figure, path: str | Path, dpi: int = 110) -> None:
    options: dict[str, Any] = {"dpi": dpi, "metadata": {"Software": None}}
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
