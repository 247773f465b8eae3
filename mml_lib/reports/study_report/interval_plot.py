"""Plot of an interval in a row of a table: a line with a point, as SVG."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from mml_lib.reports.study_report.standing_rows import StandingRow

WIDTH, HEIGHT = 160, 18


def interval_plots(rows: Sequence[StandingRow]) -> list[Markup]:
    """Return the plot of each row on a common axis. Filled points mark rows that do not differ from the best."""
    ends = np.array([(row.low, row.mean, row.high) for row in rows], dtype=float)
    finite = ends[np.isfinite(ends)]
    if not len(finite):
        return [Markup("")] * len(rows)
    low, high = finite.min(), finite.max()
    span = (high - low) or 1.0
    places = 6 + (ends - low) / span * (WIDTH - 12)
    return [_plot(*place, row.is_best) for place, row in zip(places.tolist(), rows, strict=True)]


def _plot(low: float, mean: float, high: float, is_filled: bool) -> Markup:
    if np.isnan(mean):
        return Markup("")
    middle = HEIGHT / 2
    line = "" if np.isnan(low) else f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} 5V13M{high:.1f} 5V13"/>'
    point = f'<circle cx="{mean:.1f}" cy="{middle}" r="4" class="{"filled" if is_filled else "hollow"}"/>'
    return Markup(f'<svg class="interval" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{line}{point}</svg>')
