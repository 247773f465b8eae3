"""Names of runs in tables and figures."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

MARK = "="
"""Mark of a procedure that is the best or does not differ significantly from it."""


@dataclass(frozen=True)
class RunLabel:
    """Names of a run in tables and figures.

    Args:
        task: task that the results are on; nested tasks share one name.
        run: id in the column `run`; the folds of nested validation share it.
        label: label of the run.
        procedure: id of its procedure.
        procedure_label: label of its procedure.
        fold: fold of nested validation; None: the fold of each network.
    """

    task: str
    run: str
    label: str
    procedure: str
    procedure_label: str
    fold: int | None = None

    def as_params(self) -> dict[str, Any]:
        """Return the label as params of a rule, without `fold` if it is None."""
        params = asdict(self)
        return params if self.fold is not None else {key: value for key, value in params.items() if key != "fold"}

    @classmethod
    def of_run(cls, task: str, run: str, labels: Mapping[str, "RunLabel"]) -> "RunLabel":
        """Return the label of a run. The default has ids as names, and empty labels."""
        return labels.get(run) or cls(task, run, "", run, "")


def labels_from_params(params: Mapping[str, Mapping[str, Any]]) -> dict[str, RunLabel]:
    """Return run labels by run id from params of a rule, made by `RunLabel.as_params`."""
    return {run: RunLabel(**names) for run, names in params.items()}
