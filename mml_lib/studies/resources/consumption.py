"""Consumption: used and requested resources of steps."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from mml_lib.machine.measured import Measured
from mml_lib.studies.checks.study_checks import GPU_RULES
from mml_lib.studies.resources.planned_steps import Step

MARGIN_MB, MARGIN_TIME = 1.3, 2.0
"""Recommended requests, as multiples of the maximum usage."""

REPORTED = (*GPU_RULES, "predict_other", "preprocess_shard")
"""Rules whose use of memory and time is reported."""


def consumption(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Return a row for each reported rule of some steps, which is also a param of a rule.

    Returns:
        `rule`, `steps` (number), the maxima `minutes` and `mb` that they used, `runtime` (min) and `mem_mb` that they
        requested, and the `advice` for the next time.
    """
    by_rule: dict[str, list[Step]] = {}
    for step in steps:
        if step.rule in REPORTED:
            by_rule.setdefault(step.rule, []).append(step)
    rows = []
    for rule, of_rule in by_rule.items():
        files = [step.benchmark for step in of_rule if step.benchmark and step.benchmark.exists()]
        measured = [Measured.of(file) for file in files]
        seconds, mb = _most(step.seconds for step in measured), _most(step.mb for step in measured)
        rows.append(
            {
                "rule": rule,
                "steps": len(of_rule),
                "minutes": None if seconds is None else seconds / 60,
                "runtime": max(step.minutes or 0 for step in of_rule) or None,
                "mb": mb,
                "mem_mb": max(step.mem_mb or 0 for step in of_rule) or None,
                "advice": advice(seconds, mb),
            }
        )
    return rows


def _most(values: Iterable[float]) -> float | None:
    """Return the largest value that was measured."""
    return max((value for value in values if not math.isnan(value)), default=None)


def as_lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line for each measured rule."""
    return [
        f"{row['rule']}: {row['steps']} step{'s' * (row['steps'] != 1)}, "
        f"at most {_of(row['minutes'], row['runtime'])} min, {_of(row['mb'], row['mem_mb'])} MB; "
        f"next time resources.{row['rule']}: {{{', '.join(f'{key}: {value}' for key, value in row['advice'].items())}}}"
        for row in rows
        if row["advice"]
    ]


def as_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows for a table, the advice as the columns `next_runtime` and `next_mem_mb`."""
    return [
        {
            **{key: value for key, value in row.items() if key != "advice"},
            **{f"next_{key}": row["advice"].get(key) for key in ("runtime", "mem_mb")},
        }
        for row in rows
    ]


def advice(seconds: float | None, mb: float | None) -> dict[str, int]:
    """Return the recommended request: `mem_mb` in steps of 500, `runtime` in steps of 10 min, with a margin."""
    resources = {}
    if mb is not None:
        resources["mem_mb"] = 500 * math.ceil(mb * MARGIN_MB / 500)
    if seconds is not None:
        resources["runtime"] = 10 * math.ceil(seconds / 60 * MARGIN_TIME / 10)
    return resources


def _of(used: float | None, requested: int | None) -> str:
    used_text = "?" if used is None else f"{used:,.1f}" if used < 10 else f"{used:,.0f}"
    return f"{used_text} of {requested:,}" if requested else used_text
