"""Ensemble storage: who belongs to an ensemble, with which weight, how it was selected, and how good it is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from mml_lib.errors import MMLError
from mml_lib.evaluation.calibration.calibration_methods import Calibration
from mml_lib.files.stored import Stored


@dataclass(frozen=True)
class Member:
    """A member of an ensemble: a network, or a run with the networks of all its folds.

    Args:
        task: task that it was trained on.
        run: id of the run.
        fold: fold that the network was validated on; None: all networks of the run.
        eval_task: another task that it predicts; None: its own task.
        project: another project that has its files; None: the project of the study.
    """

    task: str
    run: str
    fold: int | None = None
    eval_task: str | None = None
    project: str | None = None

    @property
    def tokens(self) -> dict[str, Any]:
        """The member as files and messages have it."""
        tokens = {"project": self.project, "task": self.task, "run": self.run, "fold": self.fold}
        return {key: value for key, value in (tokens | {"eval_task": self.eval_task}).items() if value is not None}

    @property
    def whole_run(self) -> "Member":
        """The run of a network."""
        return replace(self, fold=None)

    def __str__(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.tokens.items())


@dataclass(frozen=True)
class EnsembleStorage(Stored):
    """The JSON of an ensemble.

    Args:
        task: task that is predicted.
        task_type: of this task.
        strategy: how its members were selected.
        members: networks or runs, K.
        weights: of the members, positive, summing to 1.
        votes: True if members vote for classes; otherwise probabilities (values, of masks votes) are averaged.
        member_temperature: number that the members' logits are divided by.
        metric: metric that was optimised.
        selection_value: the metric on the samples that it was selected by; None where undefined.
        selection_ids: these samples.
        assessed_value: the metric on the other samples; None where undefined.
        assessed_samples: how many these are.
        candidates: ensembles that were evaluated.
        proof: of a program the `value` it found, the proved `bound` that no choice exceeds, the `gap` between them, and
            whether it is `optimal`; shares of the samples (or labels) that a vote gets right.
        seed: seed of all choices.
        options: all options.
        calibration: map of the ensemble's own probabilities; None: they stay as they are.
        calibration_losses: log loss `before` and `after` it, on `samples` that it was not fitted on.
    """

    task: str
    task_type: str
    strategy: str
    members: Sequence[Member]
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
    calibration: Calibration | None = None
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
                raise MMLError(f"ensemble: {member} has the weight {weight:g}; it must be positive, or leave it out")

    def content(self) -> dict[str, Any]:
        """Return the content of the file, with the tokens of members."""
        return asdict(self) | {"members": [member.tokens for member in self.members]}

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> Self:
        """Return the ensemble of a file's content."""
        members = [Member(**tokens) for tokens in content["members"]]
        calibration = content.get("calibration")
        parsed = {"members": members, "calibration": calibration and Calibration(**calibration)}
        return super().of_content({**content, **parsed})
