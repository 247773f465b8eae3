"""Ensemble storage: who belongs to an ensemble, with which weight, how it was selected, and how good it is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.files.stored import Stored


@dataclass(frozen=True)
class EnsembleStorage(Stored):
    """The JSON of an ensemble.

    Args:
        task: what it predicts.
        task_type: of this task.
        strategy: how its members were selected.
        members: which networks (project, task, run, fold …).
        weights: of the members, positive, summing to 1.
        votes: whether members vote for classes; otherwise probabilities (values, of masks votes) are averaged.
        member_temperature: what members' logits are divided by.
        metric: what was optimised.
        selection_value: the metric on the samples that it was selected by; None where undefined.
        selection_ids: these samples.
        assessed_value: the metric on the other samples; None where undefined.
        assessed_samples: how many these are.
        candidates: ensembles that were evaluated.
        proof: of a program the `value` it found, the proved `bound` that no choice exceeds, the `gap` between them, and
            whether it is `optimal`; shares of the samples (or labels) that a vote gets right.
        seed: of all choices.
        options: all options.
        calibration: what the ensemble's own probabilities are mapped by, as `Calibration` has it; None: nothing.
        calibration_losses: log loss `before` and `after` it, on `samples` that it was not fitted on.
    """

    task: str
    task_type: str
    strategy: str
    members: Sequence[Mapping[str, Any]]
    weights: Sequence[float]
    votes: bool
    member_temperature: float
    metric: str
    selection_value: float | None
    selection_ids: Sequence[str]
    assessed_value: float | None
    assessed_samples: int
    candidates: int
    seed: int
    proof: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None
    calibration_losses: Mapping[str, Any] | None = None

    KIND = "ensemble"
    LATER = ("calibration", "calibration_losses")

    def __post_init__(self) -> None:
        """Refuse what cannot be combined.

        Raises:
            MMLError: no members, another number of weights, or one that is not a positive number.
        """
        if not self.members:
            raise MMLError(f"the ensemble of '{self.task}' has no members; select one from some predictions")
        if len(self.weights) != len(self.members):
            raise MMLError(
                f"the ensemble of '{self.task}' has {len(self.members)} members and {len(self.weights)} weights; "
                "give each member one"
            )
        for member, weight in zip(self.members, self.weights, strict=True):
            if not 0 < weight < math.inf:
                raise MMLError(
                    f"ensemble: {label(member)} has the weight {weight:g}; it must be positive, or leave it out"
                )


def label(member: Mapping[str, Any]) -> str:
    """Return how messages call a member."""
    return ", ".join(f"{key} {value}" for key, value in member.items())
