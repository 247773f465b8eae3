"""Looking ahead and back: what a plan is going to take, and what its steps took next to what they asked for."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from mml_lib.files.manager import MMLFileManager
from mml_lib.files.removing import size_of
from mml_lib.postprocessing.measured import Measured, benchmark_files

if TYPE_CHECKING:
    from mml_lib.schedulers.study import Study

LIGHT = 1.0
"""Seconds of a step that nothing is known of, and that has no time limit of its own."""

GUESSED_MB = {"packed": 500.0, "parameters": 50.0, "predictions": 1.0, "other_predictions": 1.0, "calibrated": 1.0}
"""Size of artefacts in 10⁶ bytes where none of their kind lies on the disk; of all others a tenth of one."""

LOOKED_AT = 100
"""Of each rule and each kind of artefact the latest ones tell."""

MARGIN_MB, MARGIN_TIME = 1.3, 2.0
"""What to ask for next time, as multiples of the most that was used."""

REPORTED = ("train_fold", "tune_fold", "predict_fold", "predict_other", "preprocess_shard")
"""Rules whose use of memory and time is told after a run."""


@dataclass(frozen=True)
class Step:
    """A step of a plan.

    Args:
        rule: name of its rule.
        benchmark: its benchmark file, where it has one.
        gpus: how many it computes on.
        minutes: its time limit.
        mem_mb: the memory that it asks for, in 10⁶ bytes.
        outputs: assignment key and path of each output that is kept.
    """

    rule: str
    benchmark: Path | None = None
    gpus: int = 0
    minutes: int | None = None
    mem_mb: int | None = None
    outputs: tuple[tuple[str, str], ...] = field(default=())


class Forecast:
    """What steps will take, by what earlier ones of the same rule took.

    Args:
        fm: the file manager.
    """

    def __init__(self, fm: MMLFileManager):
        self.fm = fm
        self._earlier: dict[str, list[Measured]] = {}
        self._sizes: dict[str, float | None] = {}

    def missing(self, steps: Iterable[Step]) -> list[Step]:
        """Return those steps of a plan of which some output is not on the disk."""
        return [step for step in steps if not all(Path(path).exists() for _, path in step.outputs)]

    def line(self, steps: Iterable[Step]) -> str:
        """Return what steps will take, in one line, and what of it is guessed."""
        steps = list(steps)
        if not steps:
            return "ahead: nothing"
        counts = Counter(step.rule for step in steps)
        guessed, gpu_hours, other_hours, mb = dict[str, None](), 0.0, 0.0, 0.0
        for step in steps:
            seconds, how = self._seconds(step)
            gpu_hours += seconds * step.gpus / 3600
            other_hours += 0 if step.gpus else seconds / 3600
            if how:
                guessed[how] = None
            for key, path in step.outputs:
                size, how = self._size(key, path)
                mb += size
                if how:
                    guessed[how] = None
        told = ", ".join(f"{number} {rule}" for rule, number in counts.most_common())
        guesses = f" (guessed: {', '.join(guessed)})" if guessed else ""
        times = [f"{_hours(gpu_hours)} of GPUs"] * (gpu_hours > 0) + [f"{_hours(other_hours)} without a GPU"]
        return f"ahead: {_count(len(steps))} ({told}); about {', '.join(times)}, {_bytes(mb)} on the disk{guesses}"

    def _seconds(self, step: Step) -> tuple[float, str]:
        """Return the seconds of a step, and what is guessed of them."""
        if step.benchmark is None:
            return LIGHT, ""
        if step.rule not in self._earlier:
            files = sorted(benchmark_files(self.fm.benchmark_folders, step.rule), key=lambda file: file.stat().st_mtime)
            measured = [Measured.of(file) for file in files[-LOOKED_AT:]]
            self._earlier[step.rule] = [each for each in measured if not math.isnan(each.seconds)]
        earlier = self._earlier[step.rule]
        if not earlier:
            minutes = step.minutes
            return (minutes * 60.0, f"{step.rule} by its time limit") if minutes else (60.0, f"a minute of {step.rule}")
        parts = step.benchmark.stem.split("-")
        most = max(_alike(each.name.split("-"), parts) for each in earlier)
        nearest = [each.seconds for each in earlier if _alike(each.name.split("-"), parts) == most]
        return sum(nearest) / len(nearest), ""

    def _size(self, key: str, path: str) -> tuple[float, str]:
        """Return the size of an artefact that is to be, in 10⁶ bytes, and what is guessed of it."""
        if key not in self._sizes:
            there = [Path(self.fm.path(key, **told)) for told in self.fm.existing(key)[-LOOKED_AT:]]
            sizes = [size_of([each]) / 1e6 for each in there]
            self._sizes[key] = sum(sizes) / len(sizes) if sizes else None
        known = self._sizes[key]
        if known is not None:
            return known, ""
        return GUESSED_MB.get(key, 0.1), f"size of {key}" if key in GUESSED_MB else ""


class Consumption:
    """What the steps of a run took next to what they asked for.

    Args:
        steps: those that were done.
    """

    def __init__(self, steps: Iterable[Step]):
        self.steps = [step for step in steps if step.rule in REPORTED]

    @classmethod
    def of_plan(cls, steps: Iterable[Step]) -> "Consumption":
        """Return what the measured steps of a plan took."""
        return cls(step for step in steps if step.benchmark and step.benchmark.exists())

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """One for each rule: `rule steps minutes runtime mb mem_mb advice`, the most that a step took and asked for."""
        rows = []
        for rule in dict.fromkeys(step.rule for step in self.steps):
            of_rule = [step for step in self.steps if step.rule == rule]
            files = [step.benchmark for step in of_rule if step.benchmark and step.benchmark.exists()]
            measured = [Measured.of(file) for file in files]
            seconds = max((each.seconds for each in measured if not math.isnan(each.seconds)), default=None)
            mb = max((each.mb for each in measured if not math.isnan(each.mb)), default=None)
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
        row | {f"next_{key}": told["advice"].get(key) for key in ("runtime", "mem_mb")}
        for row, told in zip(flat, rows, strict=True)
    ]


def advice(seconds: float | None, mb: float | None) -> dict[str, int]:
    """Return what to ask for next time: `mem_mb` in steps of 500, `runtime` in steps of 10 min, with room to spare."""
    asked = {}
    if mb is not None:
        asked["mem_mb"] = 500 * math.ceil(mb * MARGIN_MB / 500)
    if seconds is not None:
        asked["runtime"] = 10 * math.ceil(seconds / 60 * MARGIN_TIME / 10)
    return asked


def steps_of(fm: MMLFileManager, jobs: Iterable[Any]) -> list[Step]:
    """Return the steps of Snakemake's jobs, without those that only ask for others."""
    return [
        Step(
            rule=job.rule.name,
            benchmark=Path(str(job.benchmark)) if job.benchmark else None,
            gpus=_whole(job.resources.get("gpu")) or 0,
            minutes=_whole(job.resources.get("runtime")),
            mem_mb=_whole(job.resources.get("mem_mb")),
            outputs=_kept(fm, job.rule.output, map(str, job.output)),
        )
        for job in jobs
        if not job.is_norun
    ]


def planned_steps(study: "Study", mode: str, rules: Any) -> list[Step]:
    """Return the steps of a mode's plan, by what Snakemake's `rules` say of each."""
    scheduler, steps = study.scheduler(mode), []
    for command, wildcards in zip(scheduler.commands, scheduler.params, strict=True):
        rule = getattr(rules, command)
        asked = {name: _asked(rule.rule.resources.get(name), wildcards) for name in ("gpu", "runtime", "mem_mb")}
        steps.append(
            Step(
                rule=command,
                benchmark=Path(str(rule.benchmark).format(**wildcards)) if rule.rule.benchmark else None,
                gpus=asked["gpu"] or 0,
                minutes=asked["runtime"],
                mem_mb=asked["mem_mb"],
                outputs=_kept(study.fm, rule.rule.output, [str(each).format(**wildcards) for each in rule.output]),
            )
        )
    return steps


def _kept(fm: MMLFileManager, declared: Iterable[Any], paths: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return assignment key and path of those outputs of a rule that are kept."""
    from snakemake.io import is_flagged, strip_wildcard_constraints

    kept = [
        (fm.key_of(strip_wildcard_constraints(str(pattern))), path)
        for pattern, path in zip(declared, paths, strict=True)
        if not is_flagged(pattern, "temp")
    ]
    return tuple((key, path) for key, path in kept if key is not None)


def _asked(resource: Any, wildcards: Mapping[str, Any]) -> int | None:
    """Return what a rule asks for at its first attempt."""
    if resource is None:
        return None
    return _whole(resource.evaluate(SimpleNamespace(**wildcards), attempt=1).value)


def _alike(one: list[str], other: list[str]) -> int:
    """Return how many of the first parts two names share: the task, then the run."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _count(steps: int) -> str:
    return f"{steps} step{'s' * (steps != 1)}"


def _hours(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{max(1, round(hours * 60))} min"


def _bytes(mb: float) -> str:
    return f"{mb / 1000:.1f} GB" if mb >= 1000 else f"{max(1, round(mb))} MB"


def _of(used: float | None, asked: int | None) -> str:
    used_text = "?" if used is None else f"{used:,.1f}" if used < 10 else f"{used:,.0f}"
    return f"{used_text} of {asked:,}" if asked else used_text


def _flow(asked: Mapping[str, int]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in asked.items()) + "}"
