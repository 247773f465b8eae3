"""Stored ensembles: members, weights, selection and assessment."""

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
        task: task that the network was trained on.
        run: id of the run.
        fold: fold that the network was validated on; None: all networks of the run.
        eval_task: task that it predicts, if it is another one; None: `task`.
        project: project with its files, if it is another one; None: the project of the study.
    """

    task: str
    run: str
    fold: int | None = None
    eval_task: str | None = None
    project: str | None = None

    @property
    def tokens(self) -> dict[str, Any]:
        """The fields that are set, as in files and messages."""
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
        task_type: task type of `task`.
        strategy: strategy of the selection.
        members: networks or runs, K.
        weights: weights of the members, K, positive, with sum 1.
        votes: True if members vote for classes or masks; False if their probabilities or values are averaged.
        member_temperature: divisor of the members' logits.
        metric: metric that was optimised.
        selection_value: metric on the samples of the selection; None if undefined.
        selection_ids: ids of these samples.
        assessed_value: metric on the other samples; None if undefined.
        assessed_samples: number of the other samples.
        candidates: number of ensembles that were evaluated.
        proof: result of an integer program: `method`, the reached `value`, the proved upper `bound`, the `gap` between
            them, and whether the value is `optimal`. Values are shares of samples (or labels) with a correct vote.
        seed: seed of all random choices.
        options: all options.
        calibration: calibration of the ensemble's own probabilities; None without one.
        calibration_losses: log loss `before` and `after` the calibration, on a number of held-out `samples`.
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
        """Check members and weights.

        Raises:
            MMLError: there are no members; the number of weights differs; a weight is not a positive number.
        """
        if not self.members:
            raise MMLError(f"the ensemble of '{self.task}' has no members; select one or more")
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
