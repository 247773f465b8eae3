"""Rows of a task's answer: procedures and ensembles, the best first, from a summary or a leaderboard."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mml_lib.evaluation.comparisons.leaderboard import ENSEMBLE, RUN
from mml_lib.reports.run_results import long_form

ONLY_RUN = "the only run"
"""Label of a run without differences to others."""


@dataclass(frozen=True)
class StandingRow:
    """A procedure or an ensemble by the main metric.

    Args:
        name: id of the run, or of the procedure if it has several runs; `ensemble` for an ensemble.
        label: settings that differ from the other runs.
        runs: ids of its runs.
        networks: number of networks of all its runs.
        mean: mean of the metric over the networks; NaN if it is undefined.
        low: lower end of the 95 % interval; NaN without one.
        high: upper end of the interval.
        reason: reason for a missing interval.
        is_best: True for the best procedure, and for those that do not differ significantly from it.
        difference: difference to the best; NaN for the best.
        p: p of the difference, corrected by Holm; NaN without a test.
    """

    name: str
    label: str
    runs: tuple[str, ...]
    networks: int
    mean: float
    low: float
    high: float
    reason: str
    is_best: bool
    difference: float
    p: float

    @property
    def title(self) -> str:
        """Display name."""
        if self.name == ENSEMBLE:
            return f"ensemble {self.label}".strip()
        return self.label or ONLY_RUN


def summary_standing(summary: pd.DataFrame, task: str, split: str) -> pd.DataFrame:
    """Return the rows of a summary on one split of a task, in long form, the best first."""
    own = summary[(summary["task"] == task) & summary["on"].isna() & (summary["split"] == split)]
    return own.drop(columns=["task", "on", "split"])


def board_standing(board: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a leaderboard in long form, the best first."""
    return long_form(board)


def standing_rows(standing: pd.DataFrame, metric: str) -> list[StandingRow]:
    """Return the procedures and ensembles of a standing by one metric, the best first.

    Args:
        standing: `metric kind procedure run label folds mean ci_low ci_high reason difference p_holm among_best`.
        metric: the metric.
    """
    of_metric = standing[standing["metric"] == metric]
    runs = of_metric[of_metric["kind"] == RUN].groupby("procedure")["run"].agg(list).to_dict()
    return [
        StandingRow(
            name=_text(row.run) or _text(row.procedure),
            label=_text(row.label),
            runs=tuple(runs.get(row.procedure, [_text(row.run)])),
            networks=int(row.folds) * len(runs.get(row.procedure, [row.run])),
            mean=row.mean,
            low=row.ci_low,
            high=row.ci_high,
            reason=_text(row.reason),
            is_best=str(row.among_best) == "True",
            difference=_number(row.difference),
            p=_number(row.p_holm),
        )
        for row in of_metric[of_metric["kind"] != RUN].itertuples(index=False)
    ]


def winner(rows: Sequence[StandingRow]) -> StandingRow | None:
    """Return the best procedure; None if no metric is defined."""
    return next((row for row in rows if row.is_best and row.name != ENSEMBLE and not np.isnan(row.mean)), None)


def _text(value: object) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def _number(value: object) -> float:
    return float("nan") if value is None or pd.isna(value) else float(str(value))
