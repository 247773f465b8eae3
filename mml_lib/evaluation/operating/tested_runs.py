"""Tested runs: predictions of the networks of each run, for operating points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.evaluation.operating.reported_scores import Folds, ReportedScores
from mml_lib.predictions.predictions import Predictions, read_predictions
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.description import TaskDescription


@dataclass(frozen=True)
class TestedRuns:
    """Predictions of runs of one task.

    Args:
        task: the task.
        validation: predictions of validation samples by run and fold.
        test: predictions of the test split by run and fold; empty if folds are pooled.
    """

    __test__ = False

    task: TaskDescription
    validation: Mapping[str, Folds]
    test: Mapping[str, Folds]

    @classmethod
    def read(
        cls, networks: Sequence[Mapping[str, Any]], validation: Sequence[str], test: Sequence[str], task: str
    ) -> "TestedRuns":
        """Read the predictions of networks.

        Args:
            networks: `run` and `fold` of each network, N.
            validation: path of the validation predictions of each network, N.
            test: path of the test predictions of each network, N; empty if folds are pooled.
            task: path of the task description.

        Raises:
            MMLError: a file is missing or damaged, or has no labelled samples.
        """
        return cls(TaskDescription.read(task), _by_run(networks, validation), _by_run(networks, test) if test else {})

    def scores(self) -> dict[str, dict[str, ReportedScores]]:
        """Return the scores by run and class. Of two classes, only the second one is included."""
        classes, groups = list(self.task.header["classes"]), self.task.by_id("group")
        is_binary = TASK_TYPES[self.task.header["task_type"]].is_single_label and len(classes) == 2
        numbers = [1] if is_binary else range(len(classes))
        return {
            run: {
                classes[number]: ReportedScores.on_test(folds, self.test[run], number, groups)
                if self.test
                else ReportedScores.out_of_fold(folds, number, groups)
                for number in numbers
            }
            for run, folds in self.validation.items()
        }


def _by_run(networks: Sequence[Mapping[str, Any]], paths: Sequence[str]) -> dict[str, dict[int, Predictions]]:
    """Return finite predictions of labelled samples by run and fold."""
    runs: dict[str, dict[int, Predictions]] = {}
    for network, path in zip(networks, paths, strict=True):
        predictions = read_predictions(path)
        assert isinstance(predictions, Predictions), "masks have no operating points"
        labelled = predictions.take(predictions.labelled)
        if not len(labelled.ids):
            raise MMLError(f"operating_points: {path} has no labelled samples; leave the key out")
        runs.setdefault(network["run"], {})[int(network["fold"])] = labelled
    return runs
