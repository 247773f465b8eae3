"""Trials of a search and their results."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from mml_lib.errors import MMLError
from mml_lib.files.stored import Stored


@dataclass(frozen=True)
class Objective:
    """Objective of a search.

    Args:
        name: a validation metric, `loss`, `training_time` or `num_parameters`.
        lower_is_better: True if small values are good.
    """

    name: str
    lower_is_better: bool

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """The direction in Optuna's terms."""
        return "minimize" if self.lower_is_better else "maximize"

    @property
    def sign(self) -> int:
        """1 if large values are good, -1 if small ones are."""
        return -1 if self.lower_is_better else 1


@dataclass(frozen=True)
class TrialRecord:
    """Values and result of a trial, as later proposals use them.

    Args:
        number: number of the trial, from 1 on.
        values: parameters by key.
        run: run id of its pipeline; None if its values are invalid.
        objectives: a value for each objective; None if it failed or has no result yet.
        failure: the reason if it failed.
        epochs: number of epochs of its result.
    """

    number: int
    values: Mapping[str, Any]
    run: str | None
    objectives: Sequence[float] | None = None
    failure: str | None = None
    epochs: int | None = None


@dataclass(frozen=True)
class Trial(Stored):
    """A training that a search plans: a proposed trial, or one that halving continues.

    It is the content of `SEARCH/<task>/<search>/trial-<number>.json` and `…/rung<rung>-<number>.json`.

    Args:
        record: the trial without a result. A trial with a failure is not trained.
        pipeline: content of its pipeline; None if it is not trained.
        earlier: the trials and results that the proposal used; for a slot, the trainings of the rung below that it
            chose from.
        continued: indices of the trainings of the rung below that this and earlier slots continue.
    """

    record: TrialRecord
    pipeline: Mapping[str, Any] | None
    earlier: Sequence[TrialRecord]
    continued: Sequence[int] = ()

    KIND = "trial"

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> "Trial":
        earlier = [TrialRecord(**record) for record in content["earlier"]]
        return cls(TrialRecord(**content["record"]), content["pipeline"], earlier, content["continued"])

    @property
    def records(self) -> list[TrialRecord]:
        """The trials before this one, and this one."""
        return [*self.earlier, self.record]


@dataclass(frozen=True)
class TrialResult(Stored):
    """Result of a trial on one fold: the content of `SEARCH/<task>/<search>/rung<rung>-<number>-fold<fold>.json`.

    Args:
        run: run id of its pipeline; None without one.
        epochs: number of trained epochs.
        objectives: value of each objective by name; None if it failed.
        failure: the reason if it failed.
    """

    run: str | None
    epochs: int
    objectives: Mapping[str, float] | None
    failure: str | None = None

    KIND = "trial_result"


def combine(results: Sequence[TrialResult], objectives: Sequence[Objective]) -> tuple[list[float] | None, str | None]:
    """Return the mean of each objective over folds, or the reason of a failure; the other one is None."""
    if failures := [result.failure for result in results if result.failure is not None]:
        return None, failures[0]
    means = []
    for objective in objectives:
        values = [result.objectives[objective.name] for result in results if result.objectives is not None]
        means.append(math.fsum(values) / len(values))
    return means, None


def with_result(record: TrialRecord, results: Sequence[TrialResult], objectives: Sequence[Objective]) -> TrialRecord:
    """Return a trial with its results, one for each fold.

    Raises:
        MMLError: a result belongs to another pipeline: the trial was proposed again after results had been removed.
    """
    for result in results:
        if result.run not in (None, record.run):
            raise MMLError(
                f"search: the result of trial {record.number} is of run {result.run}, but the trial is run "
                f"{record.run}; remove the task's folder in SEARCH: networks that are stored are not trained again"
            )
    values, failure = combine(results, objectives)
    return replace(record, objectives=values, failure=failure, epochs=max(result.epochs for result in results))
