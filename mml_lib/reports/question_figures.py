"""Figures of questions that a study asks: curves over training samples, ranks across tasks, gains of sources."""

import logging
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from mml_lib.errors import MMLError
from mml_lib.evaluation.comparisons.across_tasks import cliques, too_few_for_pairs
from mml_lib.evaluation.comparisons.power_law import FACTORS, PowerLaw
from mml_lib.evaluation.comparisons.transfer_gains import gain_matrix
from mml_lib.reports.canvas import (
    Style,
    legend_below,
    metric_label,
    name_rows,
    panels,
    run_styles,
    save,
    shorten,
    single_panel,
)

logger = logging.getLogger(__name__)

JOINED = "joined by a bar: no significant difference (Friedman; Wilcoxon, Holm; p > 0.05)"
LINE = 100
"""Characters of a line above a figure."""
NAME = 40
"""Characters of a procedure's name at most."""
PROCEDURES = 8
"""Procedures of a curve that are drawn: the best at the right end."""
RANKED = 30
"""Procedures of a diagram of ranks that are drawn: the best ones."""
SIZES_SHOWN = 60
"""Points of a drawn power law."""


# --- curves -------------------------------------------------------------------------------------------------------


def draw_curves(table: pd.DataFrame, laws: Mapping[tuple[str, str], PowerLaw | str], label: str, folder: Path) -> None:
    """Draw each metric of a curve into a folder, `accuracy.svg`; the log says which one is undefined.

    Args:
        table: table of `mml_lib.evaluation.comparisons.curve_table.curve_table`.
        laws: power laws by procedure and metric; empty if the axis is not the number of samples.
        label: label of the axis.
        folder: folder of the figures.
    """
    tested = f"{table['curve'].iloc[0]}: all tested on the same {int(table['tested'].max()):,} samples; 95 % intervals"
    for metric in dict.fromkeys(table["metric"]):
        own = {procedure: law for (procedure, of), law in laws.items() if of == metric}
        reasons = list(dict.fromkeys(law for law in own.values() if isinstance(law, str)))
        note = "\n".join([tested, *reasons])
        try:
            draw_curve(table, metric, label, own if laws else None, note, folder / f"{metric}.svg")
        except MMLError as error:
            logger.warning("no curve: %s", error)


def draw_curve(
    table: pd.DataFrame,
    metric: str,
    label: str,
    laws: Mapping[str, PowerLaw | str] | None,
    note: str,
    path: str | Path,
) -> None:
    """Draw a metric along a curve, with 95 % intervals, and power laws with theirs where there are some.

    Args:
        table: table of `mml_lib.evaluation.comparisons.curve_table.curve_table`.
        metric: metric that is drawn.
        label: label of the axis.
        laws: power laws by procedure; None if the axis is not the number of samples.
        note: text above the curve.
        path: path of the figure.

    Raises:
        MMLError: the metric is defined nowhere.
    """
    rows = table[(table["metric"] == metric) & table["mean"].notna()]
    if rows.empty:
        raise MMLError(f"the metric {metric} is undefined along the curve; name another in metrics")
    styles, procedures = run_styles(table["procedure"]), list(dict.fromkeys(rows["procedure"]))[:PROCEDURES]
    figure, axis = single_panel(6.4, 4.4)
    step = 0.006 * np.ptp(rows["x"]) if laws is None else 0.0
    for place, procedure in enumerate(procedures):
        own = rows[rows["procedure"] == procedure].sort_values("x")
        law = (laws or {}).get(procedure)
        shift = (place - (len(procedures) - 1) / 2) * step
        _draw_points(axis, own, styles[procedure], shift, isinstance(law, PowerLaw))
        if isinstance(law, PowerLaw):
            _draw_law(axis, law, own["x"].min(), styles[procedure])
    if laws is not None:
        fitted = [law for law in laws.values() if isinstance(law, PowerLaw)]
        _logarithmic(axis, [*rows["x"], *(factor * law.largest for law in fitted for factor in FACTORS)])
    axis.set(xlabel=label, ylabel=metric_label(metric))
    axis.yaxis.set_major_locator(MaxNLocator(6))
    figure.suptitle(note, fontsize=8)
    if len(procedures) > 1 or any(procedures):
        labels = {name: shorten(name or "all", NAME) for name in procedures}
        handles = [Line2D([], [], label=labels[name], markersize=5, **styles[name].line) for name in procedures]
        legend_below(figure, handles, 1 if max(map(len, labels.values())) > 24 else 2, room=0.2)
    save(figure, path)


def _draw_points(axis: Axes, rows: pd.DataFrame, style: Style, shift: float, has_law: bool) -> None:
    low, high = (rows["mean"] - rows["ci_low"]).clip(lower=0), (rows["ci_high"] - rows["mean"]).clip(lower=0)
    axis.errorbar(
        rows["x"] + shift,
        rows["mean"],
        yerr=np.stack([low.fillna(0), high.fillna(0)]),
        markersize=5,
        linewidth=1.4,
        elinewidth=1.0,
        capsize=2.5,
        **style.line | ({"linestyle": "none"} if has_law else {}),
    )


def _draw_law(axis: Axes, law: PowerLaw, smallest: float, style: Style) -> None:
    """Draw a law, beyond the largest size thinner, with the interval there."""
    within = np.geomspace(smallest, law.largest, SIZES_SHOWN)
    beyond = np.geomspace(law.largest, FACTORS[-1] * law.largest, SIZES_SHOWN)
    axis.plot(within, law.at(within), color=style.color, linestyle=style.linestyle, linewidth=1.5)
    axis.plot(beyond, law.at(beyond), color=style.color, linestyle=style.linestyle, linewidth=0.8)
    low, high = law.interval(beyond)
    if not np.isnan(low).all():
        axis.fill_between(beyond, low, high, color=style.color, alpha=0.15, linewidth=0)
    for factor in FACTORS:
        size = factor * law.largest
        looks = {"marker": style.marker, "markerfacecolor": "white", "color": style.color, "markersize": 5}
        axis.plot([size], law.at(np.array([size])), **looks)


def _logarithmic(axis: Axes, sizes: Sequence[float]) -> None:
    """Set the numbers of samples as ticks of a logarithmic axis, as many as fit."""
    axis.set_xscale("log")
    low, high = np.log(min(sizes)), np.log(max(sizes))
    ticks: list[float] = []
    for size in sorted(set(sizes)):
        if not ticks or np.log(size) - np.log(ticks[-1]) > 0.07 * max(high - low, 1e-9):
            ticks.append(size)
    axis.set_xticks(ticks, [f"{round(size):,}" for size in ticks])
    axis.set_xticks([], minor=True)


# --- ranks --------------------------------------------------------------------------------------------------------


def draw_critical_differences(ranks: pd.DataFrame, tests: pd.DataFrame, folder: Path) -> None:
    """Draw the diagram of critical differences of each metric into a folder, `accuracy.svg`.

    Args:
        ranks: table of `mml_lib.evaluation.comparisons.across_tasks.rank_table`.
        tests: of the same tasks.
        folder: folder of the figures.
    """
    for metric in dict.fromkeys(ranks["metric"]):
        own, of_metric = ranks[ranks["metric"] == metric], tests[tests["metric"] == metric]
        reason = next(iter(of_metric["reason"].dropna()), "")
        column = "average_rank" if reason else "tested_rank"
        own = own.sort_values(column, kind="stable")
        by_procedure = dict(zip(own["procedure"], own[column], strict=True))
        groups = [] if reason else cliques(of_metric, list(by_procedure))
        note = reason or "; ".join(filter(None, [JOINED, too_few_for_pairs(of_metric)]))
        number = int(own["tasks" if reason else "tested"].max())
        title = f"{metric_label(metric)}: average rank over {number} tasks, 1 the best"
        draw_ranks(by_procedure, groups, title, textwrap.fill(note, LINE), folder / f"{metric}.svg")


def draw_ranks(
    ranks: Mapping[str, float], groups: Sequence[tuple[int, int]], title: str, note: str, path: str | Path
) -> None:
    """Draw average ranks on a line, and bars above procedures that do not differ significantly (Demšar 2006).

    Args:
        ranks: by procedure, the best first.
        groups: first and last rank position of these procedures.
        title: title of the figure.
        note: line of text below the title.
        path: path of the figure.
    """
    names = list(ranks)[:RANKED]
    groups = [(first, min(last, len(names) - 1)) for first, last in groups if first < len(names) - 1]
    half = -(-len(names) // 2)
    bars = 0.22 * len(groups)
    height = 1.5 + bars + 0.24 * half
    figure = Figure(figsize=(7.6, height), layout="constrained")
    axis = figure.add_subplot()
    axis.axis("off")
    left, right = 1.0, float(max(2, np.ceil(max(ranks.values()))))
    room = 0.62 * (right - left)
    axis.set_xlim(left - room, right + room)
    axis.set_ylim(-(bars + 0.24 * half + 0.35), 0.35)
    axis.plot([left, right], [0, 0], color="black", linewidth=1.2)
    for tick in np.arange(left, right + 0.01, 1 if right - left > 3 else 0.5):
        axis.plot([tick, tick], [0, 0.06], color="black", linewidth=1)
        axis.text(tick, 0.1, f"{tick:g}", ha="center", va="bottom", fontsize=8)
    for number, (first, last) in enumerate(groups):
        ends = [ranks[names[first]], ranks[names[last]]]
        margin, y = 0.012 * (right - left), -(0.12 + 0.22 * number)
        axis.plot([ends[0] - margin, ends[1] + margin], [y, y], color="black", linewidth=3.5, solid_capstyle="butt")
    for place, name in enumerate(names):
        best_half = place < half
        row = place if best_half else len(names) - 1 - place
        y, x = -(bars + 0.24 * (row + 1)), ranks[name]
        end = left - 0.03 * (right - left) if best_half else right + 0.03 * (right - left)
        axis.plot([x, x, end], [0, y, y], color="black", linewidth=0.8)
        text, side = f"{shorten(name, NAME)} ({x:.2f})", "right" if best_half else "left"
        axis.text(end + (-0.01 if best_half else 0.01) * (right - left), y, text, ha=side, va="center", fontsize=8)
    figure.suptitle(f"{title}\n{note}", fontsize=8)
    save(figure, path)


# --- sources and targets ------------------------------------------------------------------------------------------


def draw_transfer(
    gains: pd.DataFrame,
    metric: str,
    distances: Mapping[str, pd.DataFrame],
    correlations: pd.DataFrame,
    path: str | Path,
) -> None:
    """Draw the gain of each source on each target as a heat map, next to the distances between them.

    Args:
        gains: table of `mml_lib.evaluation.comparisons.transfer_gains.gain_table`.
        metric: metric that gains are in.
        distances: by measure; row = source, column = target.
        correlations: table of `mml_lib.evaluation.comparisons.rank_correlations.correlation_table`.
        path: path of the figure.
    """
    matrix = gain_matrix(gains)
    is_sure = (gain_matrix(gains, "gain_low") > 0) | (gain_matrix(gains, "gain_high") < 0)
    sources = list(dict.fromkeys(gains["source"]))
    tables = {measure: table.reindex(index=sources, columns=matrix.columns) for measure, table in distances.items()}
    tables = {measure: table for measure, table in tables.items() if table.notna().to_numpy().any()}
    width = 2.4 + 0.75 * matrix.shape[1]
    titles = {measure: [f"distance {measure}", *_taus(correlations, measure)] for measure in tables}
    letters = int(12 * width)
    lines = [line for title in titles.values() for line in _wrapped(title, letters)] or [""]
    height = 1.6 + 0.42 * matrix.shape[0] + 0.13 * max(0, len(lines) // len(titles or [""]) - 2)
    figure, (axis, *others) = panels(1 + len(tables), width, height)
    largest = np.nanmax(np.abs(matrix.to_numpy()), initial=0) or 1.0
    marks = np.where(is_sure, "•", "")
    draw_matrix(axis, matrix, "{:+.3f}", marks, cmap="PuOr_r", vmin=-largest, vmax=largest)
    gained = [f"gain in {metric.replace('_', ' ')} over scratch", "• 95 % interval excludes 0"]
    # Flush right, titles have room above the names of sources.
    axis.set_title("\n".join(_wrapped(gained, letters)), fontsize=8, loc="right")
    for panel, (measure, table) in zip(others, tables.items(), strict=True):
        draw_matrix(panel, table, "{:.3g}", np.full(table.shape, ""), cmap="Greys_r")
        panel.set_title("\n".join(_wrapped(titles[measure], letters)), fontsize=8, loc="right")
    save(figure, path)


def _wrapped(lines: Sequence[str], letters: int) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, letters)]


def _taus(correlations: pd.DataFrame, measure: str) -> list[str]:
    """Return a line for the rank correlation of a measure in each setting; one line if all are undefined."""
    of_measure = correlations[(correlations["measure"] == measure) & (correlations["target"] == "")]
    if len(of_measure) > 1 and not np.isfinite(of_measure["tau"]).any() and of_measure["reason"].nunique() == 1:
        correlations = of_measure.head(1).assign(setting="")
    lines = []
    for row in correlations[(correlations["measure"] == measure) & (correlations["target"] == "")].itertuples():
        setting = f" ({row.setting})" if row.setting else ""
        value = f"{row.tau:+.2f}" if np.isfinite(row.tau) else textwrap.shorten(f"undefined, {row.reason}", 90)
        ends = f" [{row.tau_low:+.2f}, {row.tau_high:+.2f}]" if np.isfinite(row.tau_low) else ""
        lines.append(f"weighted tau{setting}: {value}{ends}")
    return lines


def draw_matrix(axis: Axes, matrix: pd.DataFrame, style: str, marks: np.ndarray, **colours: Any) -> None:
    """Draw a matrix with its values; row = source, column = target. Undefined values are hatched."""
    values = matrix.to_numpy(dtype=float)
    image = axis.imshow(np.ma.masked_invalid(values), aspect="auto", **colours)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            red, green, blue, _ = image.cmap(image.norm(value))
            dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
            text = style.format(value) + marks[row, column]
            axis.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
        else:
            axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, hatch="////", ec="0.8", lw=0))
    name_rows(axis, [shorten(str(name), NAME) for name in matrix.index])
    names = [shorten(str(name), NAME // 2) for name in matrix.columns]
    axis.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axis.set(xlabel="target", ylabel="source")
