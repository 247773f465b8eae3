"""Options of the selection of an ensemble."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mml_lib.config.metric_options import NAMED, is_metric
from mml_lib.errors import MMLError, nearest
from mml_lib.task_types import TASK_TYPES

STRATEGIES = ("budget", "greedy", "program", "mean", "best")
LOG_LOSS = "log_loss"
PROGRAM_NEEDS_ALL = (
    "ensemble.strategy: program counts whole samples, and some labels are unknown; choose greedy or mean"
)
"""Reason why a vote cannot be chosen for partially labelled samples."""

PROGRAM_WEIGHS_NONE = "ensemble.strategy: program cannot weigh samples, as weighted_metrics asks; choose greedy or mean"
"""Reason why a vote cannot be chosen by weighted samples."""

VOTED = {"classification": ("accuracy", "balanced_accuracy"), "multilabel_classification": ("accuracy",)}


@dataclass(frozen=True)
class EnsembleOptions:
    """Options by which an ensemble is selected.

    Args:
        strategy: `budget`, a search over `budget` candidates; `greedy`, forward selection with replacement; `program`,
            the best vote of exactly `max_ensemble_size` members; `mean`, all members with equal weights; `best`, the
            best member only.
        metric: name of the metric that is optimised; None: the log loss for probabilities, the accuracy for votes, the
            first named metric for other task types.
        max_ensemble_size: largest number of members; the exact number for `program`.
        budget: number of candidates (members and weights) that `budget` evaluates.
        temperature: share of the candidates of `budget` with random members instead of the best ones, in [0, 1).
        weights_budget: number of random weight vectors that `budget` draws for each set of members, besides equal
            weights.
        weights_temperature: in [0, 1); at 0, weights prefer good members; near 1, single members have most of the
            weight.
        member_temperatures: candidates for the divisor of the members' logits.
        eval_frac: share of the samples that candidates are evaluated on, in (0, 1). The ensemble is assessed on the
            others.
        time_limit: time limit of `program`, in seconds.
        seed: seed of all random choices.
        calibrate: True to calibrate the ensemble's own probabilities, if that lowers the log loss of held-out samples.
    """

    strategy: str = "budget"
    metric: str | None = None
    max_ensemble_size: int = 5
    budget: int = 1000
    temperature: float = 0.5
    weights_budget: int = 4
    weights_temperature: float = 0.0
    member_temperatures: Sequence[float] = (1.0,)
    eval_frac: float = 0.5
    time_limit: float = 60.0
    seed: int = 0
    calibrate: bool = True

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            MMLError: a value is out of its range, or the strategy does not exist.
        """
        if self.strategy not in STRATEGIES:
            raise MMLError(f"there is no ensemble strategy '{self.strategy}'{nearest(self.strategy, STRATEGIES)}")
        for name, least in (("max_ensemble_size", 1), ("budget", 1), ("weights_budget", 0)):
            if getattr(self, name) < least:
                raise MMLError(f"ensemble: {name} is {getattr(self, name)}; take {least} or more")
        for name in ("temperature", "weights_temperature"):
            if not 0 <= getattr(self, name) < 1:
                raise MMLError(f"ensemble: {name} is {getattr(self, name)}; it must be at least 0 and below 1")
        if not 0 < self.eval_frac < 1:
            raise MMLError(
                f"ensemble: eval_frac is {self.eval_frac}; it must be above 0 and below 1, so that some samples select "
                "the ensemble and others assess it"
            )
        if not self.time_limit > 0:
            raise MMLError(f"ensemble: time_limit is {self.time_limit}; write a number of seconds above 0")
        temperatures = self.member_temperatures
        if not temperatures or not all(0 < temperature < math.inf for temperature in temperatures):
            raise MMLError(
                f"ensemble: member_temperatures are {list(self.member_temperatures)}; name some above 0 (1: none)"
            )

    def check_members(self, number: int) -> None:
        """Check that there are enough members to choose from.

        Raises:
            MMLError: there are fewer than `max_ensemble_size`.
        """
        if self.strategy in ("budget", "greedy", "program") and number < self.max_ensemble_size:
            raise MMLError(
                f"ensemble: there are predictions of {number} networks, fewer than max_ensemble_size "
                f"({self.max_ensemble_size}); lower it, or predict with more runs"
            )

    def metric_of(self, task_type: str) -> str:
        """Return the name of the metric that is optimised for a task type.

        Raises:
            MMLError: the strategy, the metric or the temperatures do not apply to this type.
        """
        if self.strategy == "program" and task_type not in VOTED:
            raise MMLError(f"ensemble: the strategy program counts votes for classes, of which a {task_type} has none")
        if TASK_TYPES[task_type].has_masks and self.strategy not in ("mean", "best"):
            raise MMLError(
                f"ensemble: the strategy {self.strategy} is not for masks; take mean (a majority vote) or best"
            )
        tempered = [temperature for temperature in self.member_temperatures if temperature != 1]
        if tempered and (self.strategy == "program" or not TASK_TYPES[task_type].has_probabilities):
            what = "votes" if self.strategy == "program" else f"a {task_type}"
            raise MMLError(f"ensemble: member_temperatures change probabilities, not {what}; leave them out")
        return self._named(task_type)

    def _named(self, task_type: str) -> str:
        names = dict.fromkeys(NAMED[task_type])
        if self.strategy == "program":
            names = dict.fromkeys(VOTED[task_type])
        elif TASK_TYPES[task_type].has_probabilities:
            names = {LOG_LOSS: None} | names
        if self.metric is None:
            return next(iter(names))
        if self.metric not in names and (self.strategy == "program" or not is_metric(self.metric, task_type)):
            of = f"votes of a {task_type}" if self.strategy == "program" else f"a {task_type}"
            raise MMLError(f"ensemble: {of} cannot be selected by '{self.metric}'{nearest(self.metric, names)}")
        return self.metric
