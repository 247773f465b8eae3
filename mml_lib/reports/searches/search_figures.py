"""Figures of a search: values over trials, parameters, importance, rungs, and the front of two objectives."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter

from mml_lib.config.analysis.search_options import COSTS
from mml_lib.reports.canvas import COLORS, legend_below, metric_label, panels, power_label, save, shorten
from mml_lib.search.space import Parameter
from mml_lib.search.trial_tables import FAILED, FINISHED, SearchTrials, importance_table, trial_table
from mml_lib.search.trials import Objective

MARKS = {FINISHED: ("o", COLORS[0]), "stopped": ("x", "0.5")}
"""Marker and colour of trials by their state."""


def draw_search(search: SearchTrials, folder: Path, suffix: str = "") -> None:
    """Draw the trials of one search.

    Args:
        search: the search.
        folder: folder of the figures: `trials.svg`, `parameters.svg`, `parallel.svg`, and where they have something to
            show `importance.svg`, `rungs.svg`, `pareto.svg`.
        suffix: suffix of the names of figures if there are several searches.
    """
    table = trial_table([search])
    done = table[table["state"] != FAILED]
    if done.empty:
        return
    draw_values(search, table, folder / f"trials{suffix}.svg")
    draw_parameters(search, done, folder / f"parameters{suffix}.svg")
    if len(search.space.parameters) > 1:
        draw_parallel(search, done, folder / f"parallel{suffix}.svg")
    importances = importance_table([search])
    if len(importances):
        draw_importance(importances, folder / f"importance{suffix}.svg")
    if len(search.rungs) > 1:
        draw_rungs(search, folder / f"rungs{suffix}.svg")
    if len(search.objectives) > 1:
        draw_front(search, done, folder / f"pareto{suffix}.svg")


def draw_values(search: SearchTrials, table: pd.DataFrame, path: Path) -> None:
    """Draw the value of each trial, and the best one so far, a panel an objective."""
    figure, axes = panels(len(search.objectives), width=5.5)
    for axis, goal in zip(axes, search.objectives, strict=True):
        values = table[goal.name].astype(float)
        for state, (marker, color) in MARKS.items():
            rows = table["state"] == state
            axis.plot(table["trial"][rows], values[rows], marker, color=color, markersize=4, linestyle="")
        finished = values.where(table["state"] == FINISHED)
        best = finished.cummin() if goal.lower_is_better else finished.cummax()
        axis.step(table["trial"], best.ffill(), where="post", color=COLORS[1], linewidth=1.2)
        focus(axis, values, goal)
        for number in table["trial"][table["state"] == FAILED]:
            axis.axvline(number, color="0.7", linewidth=0.6, linestyle=":")
        axis.set(xlabel="trial", ylabel=metric_label(goal.name, "" if goal.name in COSTS else "validation "))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles = [Line2D([], [], color=COLORS[1], label="best so far")]
    for state in table["state"].unique():
        marker, color = MARKS.get(state, ("", "0.7"))
        line = ":" if state == FAILED else ""
        handles.append(Line2D([], [], marker=marker, color=color, linestyle=line, markersize=4, label=state))
    legend_below(figure, handles, 4)
    save(figure, path)


def draw_parameters(search: SearchTrials, table: pd.DataFrame, path: Path) -> None:
    """Draw the first objective over each parameter, later trials darker."""
    goal, parameters = search.objectives[0], search.space.parameters
    figure, axes = panels(len(parameters), width=3, height=2.8)
    for axis, parameter in zip(axes, parameters, strict=True):
        rows = table[table[parameter.key].notna()]
        shades = Normalize(-len(table) / 3, len(table))(rows["trial"].to_numpy(float))
        axis.scatter(
            _places(parameter, rows[parameter.key]),
            rows[goal.name].astype(float),
            c=shades,
            cmap="Blues",
            vmin=0,
            vmax=1,
            s=18,
            edgecolors="0.3",
            linewidths=0.4,
        )
        _scale(axis, parameter)
        focus(axis, table[goal.name].astype(float), goal)
        axis.set_xlabel(shorten(parameter.key, 34))
        axis.set_ylabel(metric_label(goal.name))
    save(figure, path)


def limits(values: pd.Series, goal: Objective) -> tuple[float, float]:
    """Return the range of the value axis, without trials that are far worse than the median."""
    signed = (-goal.sign * values).dropna()
    best = signed.min()
    worst = min(signed.max(), best + 4 * (signed.median() - best))
    low, high = sorted((-goal.sign * best, -goal.sign * worst))
    return float(low), float(high)


def focus(axis: Axes, values: pd.Series, goal: Objective) -> None:
    """Limit a panel to these values; those outside are drawn at its edge."""
    low, high = limits(values, goal)
    room = 0.05 * (high - low) or 0.05 * abs(low) or 0.05
    for line in axis.lines:
        line.set_ydata(np.clip(np.asarray(line.get_ydata(), float), low, high))
    for points in axis.collections:
        places = np.asarray(points.get_offsets())
        points.set_offsets(np.column_stack([places[:, 0], np.clip(places[:, 1], low, high)]))
    axis.set_ylim(low - room, high + room)


def _places(parameter: Parameter, values: pd.Series) -> np.ndarray:
    """Return positions of values on the axis of a parameter; choices by their number."""
    if parameter.choices:
        return np.array([_number(parameter, value) for value in values], float)
    return values.to_numpy(float)


def _number(parameter: Parameter, value: object) -> int:
    """Return the number of a choice from its form in tables: numbers unchanged, other values by name."""
    named = zip(parameter.choices, parameter.names, strict=True)
    return next(number for number, (choice, name) in enumerate(named) if value in (choice, name))


def _scale(axis: Axes, parameter: Parameter) -> None:
    if parameter.choices:
        names = [shorten(name, 16) for name in parameter.names]
        axis.set_xticks(range(len(names)), names, rotation=30 if len(names) > 3 else 0)
        axis.set_xlim(-0.5, len(names) - 0.5)
    elif parameter.log:
        axis.set_xscale("log")
        low, high = parameter.low, parameter.high
        room = (high / low) ** 0.05
        axis.set_xlim(low / room, high * room)
        powers = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
        if len(powers) > 1:
            axis.xaxis.set_major_formatter(power_label)
        else:  # narrow range: only labels at both ends and in the middle fit
            ticks = (low, math.sqrt(low * high), high)
            axis.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        axis.xaxis.set_minor_formatter(NullFormatter())
    else:
        room = 0.05 * (parameter.high - parameter.low)
        axis.set_xlim(parameter.low - room, parameter.high + room)


def draw_parallel(search: SearchTrials, table: pd.DataFrame, path: Path) -> None:
    """Draw each trial as a line through its parameters and its first objective, the best tenth in colour."""
    goal, parameters = search.objectives[0], search.space.parameters
    ordered = table.assign(signed=-goal.sign * table[goal.name].astype(float))
    ordered = ordered.sort_values(["signed", "trial"], ascending=False)  # of equal trials, the earlier one ranks first
    best = set(ordered.index[-max(1, len(ordered) // 10) :])
    figure, (axis,) = panels(1, width=1.6 * (len(parameters) + 1) + 1, height=3.6)
    columns = [_shares(parameter, ordered[parameter.key]) for parameter in parameters]
    values = ordered[goal.name].astype(float)
    low, high = limits(values, goal)
    columns.append(np.clip((values - low) / (high - low or 1), 0, 1).to_numpy())
    lines = np.stack(columns, axis=1)
    for index, line in zip(ordered.index, lines, strict=True):
        color, width = (COLORS[1], 1.4) if index in best else ("0.6", 0.6)
        axis.plot(range(len(columns)), line, color=color, linewidth=width, alpha=0.8)
    ends = [_ends(parameter) for parameter in parameters] + [(f"{low:.4g}", f"{high:.4g}")]
    for place, (bottom, top) in enumerate(ends):
        axis.axvline(place, color="0.3", linewidth=0.8)
        axis.annotate(bottom, (place, -0.03), ha="center", va="top", fontsize=7)
        axis.annotate(top, (place, 1.03), ha="center", va="bottom", fontsize=7)
    names = [*(shorten(parameter.key, 22) for parameter in parameters), metric_label(goal.name)]
    axis.set_xticks(range(len(names)), names, rotation=20, ha="right")
    axis.set_yticks([])
    axis.set_ylim(-0.12, 1.12)
    axis.spines["left"].set_visible(False)
    axis.set_title("the best tenth of the trials is coloured", fontsize=8)
    save(figure, path)


def _shares(parameter: Parameter, values: pd.Series) -> np.ndarray:
    """Return relative positions of values in the range of a parameter, in 0..1; NaN for inactive parameters."""
    shares = np.full(len(values), np.nan)
    used = values.notna().to_numpy()
    places = _places(parameter, values[used])
    if parameter.choices:
        shares[used] = places / (len(parameter.choices) - 1)
        return shares
    low, high = parameter.low, parameter.high
    if parameter.log:
        places, low, high = np.log(places), np.log(low), np.log(high)
    shares[used] = (places - low) / (high - low)
    return shares


def _ends(parameter: Parameter) -> tuple[str, str]:
    if parameter.choices:
        return shorten(parameter.names[0], 18), shorten(parameter.names[-1], 18)
    return f"{parameter.low:g}", f"{parameter.high:g}"


def draw_importance(importances: pd.DataFrame, path: Path) -> None:
    """Draw the importance of parameters as bars, a panel an objective."""
    goals = list(importances["objective"].unique())
    longest = int(importances.groupby("objective")["parameter"].size().max())
    figure, axes = panels(len(goals), width=3.4, height=1 + 0.32 * longest, label_width=1.6)
    for axis, goal in zip(axes, goals, strict=True):
        rows = importances[importances["objective"] == goal].sort_values("importance")
        bars = axis.barh([shorten(name, 30) for name in rows["parameter"]], rows["importance"], color=COLORS[0])
        axis.bar_label(bars, [f"{value:.2f}" for value in rows["importance"]], fontsize=7, padding=2)
        axis.margins(x=0.15)
        axis.set_xlabel(f"importance for {metric_label(goal)}")
    save(figure, path)


def draw_rungs(search: SearchTrials, path: Path) -> None:
    """Draw the value of each trial at each rung that it has reached; finished ones in colour."""
    goal = search.objectives[0]
    curves: dict[int, list[tuple[int, float]]] = {}
    for rung, records in zip(search.rungs, search.records, strict=True):
        for record in records:
            if record.objectives is not None:
                curves.setdefault(record.number, []).append((rung.epochs, record.objectives[0]))
    figure, (axis,) = panels(1, width=5.5)
    for points in sorted(curves.values(), key=len):
        finished = points[-1][0] == search.rungs[-1].epochs
        color, marker = (COLORS[1], "o") if finished else ("0.6", "x")
        axis.plot(*zip(*points, strict=True), color=color, marker=marker, markersize=4, linewidth=1, alpha=0.8)
    axis.set(xlabel="epochs", ylabel=metric_label(goal.name, "validation "))
    focus(axis, pd.Series([value for points in curves.values() for _, value in points], dtype=float), goal)
    axis.set_xscale("log")
    ticks = sorted({rung.epochs for rung in search.rungs})
    axis.set_xticks(ticks, list(map(str, ticks)))
    axis.minorticks_off()
    handles = [
        Line2D([], [], color=COLORS[1], marker="o", markersize=4, label="trained in full"),
        Line2D([], [], color="0.6", marker="x", markersize=4, label="stopped"),
    ]
    legend_below(figure, handles, 2)
    save(figure, path)


def draw_front(search: SearchTrials, table: pd.DataFrame, path: Path) -> None:
    """Draw the first two objectives of each trial, and mark the Pareto front of all objectives."""
    first, second = search.objectives[:2]
    figure, (axis,) = panels(1, width=5)
    front = table[table["pareto"].eq(True)].sort_values(first.name)
    axis.plot(table[first.name].astype(float), table[second.name].astype(float), "o", color="0.6", markersize=4)
    joined = "-" if len(search.objectives) == 2 else ""  # the front of more objectives is not a line in this plane
    line = {"color": COLORS[1], "marker": "o", "markersize": 5, "linewidth": 1, "linestyle": joined}
    axis.plot(front[first.name].astype(float), front[second.name].astype(float), **line)
    axis.set(xlabel=metric_label(first.name), ylabel=metric_label(second.name))
    legend_below(figure, [Line2D([], [], label="beaten by no other trial", **line)], 1)
    save(figure, path)


def search_suffixes(searches: Sequence[SearchTrials]) -> list[str]:
    """Return the ends of the names of figures: none of a single search, otherwise the id of each."""
    return [f"_{search.id}" for search in searches] if len(searches) > 1 else [""]
