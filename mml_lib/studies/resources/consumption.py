"""Consumption: what the steps of a run took next to what they asked for."""

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from mml_lib.machine.measured import Measured
from mml_lib.studies.resources.planned_steps import Step

MARGIN_MB, MARGIN_TIME = 1.3, 2.0
"""Recommended requests, as multiples of the maximum usage."""

REPORTED = ("train_fold", "tune_fold", "predict_fold", "predict_other", "preprocess_shard")
"""Rules whose use of memory and time is told after a run."""


class Consumption:
    """Measured and requested resources of the steps of a run.

    Args:
        steps: those that were done.
    """

    def __init__(self, steps: Iterable[Step]):
        self.steps = [step for step in steps if step.rule in REPORTED]

    @classmethod
    def of_plan(cls, steps: Iterable[Step]) -> "Consumption":
        """Return the resource usage of the measured steps of a plan."""
        return cls(step for step in steps if step.benchmark and step.benchmark.exists())

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """One for each rule: `rule steps minutes runtime mb mem_mb advice`, the most that a step took and asked for."""
        rows = []
        for rule in dict.fromkeys(step.rule for step in self.steps):
            of_rule = [step for step in self.steps if step.rule == rule]
            files = [step.benchmark for step in of_rule if step.benchmark and step.benchmark.exists()]
            measured = [Measured.of(file) for file in files]
            seconds = max(
                (measurement.seconds for measurement in measured if not math.isnan(measurement.seconds)), default=None
            )
            mb = max((measurement.mb for measurement in measured if not math.isnan(measurement.mb)), default=None)
            rows.append(
                {
                    "rule": rule,
                    "steps": len(of_rule),
                    "minutes": None if seconds is None else seconds / 60,
                    "runtime": max((step.minutes or 0 for step in of_rule), default=0) or None,
                    "mb": mb,
                    "mem_mb": max((step.mem_mb or 0 for step in of_rule), default=0) or None,
                    "advice": advice(seconds, mb),
                }
            )
        return rows

    def lines(self) -> list[str]:
        """Return a line for each rule of which something was measured."""
        return as_lines(self.rows)


def as_lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line for each rule of which something was measured, from the rows of `Consumption`."""
    return [
        f"{row['rule']}: {_count(row['steps'])}, at most {_of(row['minutes'], row['runtime'])} min, "
        f"{_of(row['mb'], row['mem_mb'])} MB; next time resources.{row['rule']}: {_flow(row['advice'])}"
        for row in rows
        if row["advice"]
    ]


def as_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of `Consumption` for a table, the advice as the columns `next_runtime` and `next_mem_mb`."""
    flat = [{key: value for key, value in row.items() if key != "advice"} for row in rows]
    return [
        row | {f"next_{key}": used["advice"].get(key) for key in ("runtime", "mem_mb")}
        for row, used in zip(flat, rows, strict=True)
    ]


def advice(seconds: float | None, mb: float | None) -> dict[str, int]:
    """Return the recommended request: `mem_mb` in steps of 500, `runtime` in steps of 10 min, with a margin."""
    resources = {}
    if mb is not None:
        resources["mem_mb"] = 500 * math.ceil(mb * MARGIN_MB / 500)
    if seconds is not None:
        resources["runtime"] = 10 * math.ceil(seconds / 60 * MARGIN_TIME / 10)
    return resources


def _count(steps: int) -> str:
    return f"{steps} step{'s' * (steps != 1)}"


def _of(used: float | None, requested: int | None) -> str:
    used_text = "?" if used is None else f"{used:,.1f}" if used < 10 else f"{used:,.0f}"
    return f"{used_text} of {requested:,}" if requested else used_text


def _flow(resources: Mapping[str, int]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in resources.items()) + "}"
