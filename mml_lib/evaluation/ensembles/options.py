"""Options by which an ensemble is selected."""

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
"""Why a vote cannot be chosen for partially labelled samples."""

PROGRAM_WEIGHS_NONE = "ensemble.strategy: program cannot weigh samples, as weighted_metrics asks; choose greedy or mean"
"""Why a vote cannot be chosen by weighted samples."""

VOTED = {"classification": ("accuracy", "balanced_accuracy"), "multilabel_classification": ("accuracy",)}


@dataclass(frozen=True)
class EnsembleOptions:
    """Options by which an ensemble is selected.

    Args:
        strategy: `budget`, a search of so many candidates; `greedy`, forward selection with replacement; `program`, the
            exact best vote of `max_ensemble_size` members; `mean`, all members alike; `best`, the best member alone.
        metric: what is optimised, a named metric; None: the log loss, of votes the accuracy, of other task types the
            first named metric.
        max_ensemble_size: members of an ensemble, at most; those of a vote, exactly.
        budget: candidates (members and their weights) that `budget` tries.
        temperature: share of candidates of `budget` whose members are drawn at random instead of best first, 0 to 1.
        weights_budget: weight vectors that `budget` draws for each set of members, beside equal weights.
        weights_temperature: 0: weights prefer good members; towards 1: single members get most of the weight.
        member_temperatures: numbers that logits may be divided by; the best one is taken.
        eval_frac: share of the samples that candidates are evaluated on; the ensemble is assessed on the others.
        time_limit: of the solver of `program`, in seconds.
        seed: seed of all choices.
        calibrate: calibrate the ensemble's own probabilities where that lowers the log loss of held-out samples.
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
        """Refuse values out of range.

        Raises:
            MMLError: one is.
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
                f"ensemble: eval_frac is {self.eval_frac}; it must lie between 0 and 1, so that there are samples to "
                "select by and others to assess by"
            )
        if not self.time_limit > 0:
            raise MMLError(f"ensemble: time_limit is {self.time_limit}; take some seconds")
        temperatures = self.member_temperatures
        if not temperatures or not all(0 < temperature < math.inf for temperature in temperatures):
            raise MMLError(
                f"ensemble: member_temperatures are {list(self.member_temperatures)}; name some above 0 (1: none)"
            )

    def check_members(self, number: int) -> None:
        """Refuse fewer members to choose from than are to be chosen.

        Raises:
            MMLError: there are.
        """
        if self.strategy in ("budget", "greedy", "program") and number < self.max_ensemble_size:
            raise MMLError(
                f"ensemble: there are predictions of {number} networks, fewer than max_ensemble_size "
                f"({self.max_ensemble_size}); lower it, or predict with more runs"
            )

    def metric_of(self, task_type: str) -> str:
        """Return the metric that is optimised for a task type.

        Raises:
            MMLError: the strategy, the metric or the temperatures are none for this type.
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
