"""Results of trials, of a training and of its stored network."""

from types import SimpleNamespace
from typing import cast

from mml_lib.search.trials import Objective
from mml_lib.steps.trial_training import TrialTraining


def test_the_time_of_a_training_is_that_which_is_stored_with_its_network():
    training = cast(TrialTraining, object.__new__(TrialTraining))
    training.objectives, training.run, training.epochs = [Objective("training_time", lower_is_better=True)], "0a", 1
    training.step = cast("object", SimpleNamespace(cfg=SimpleNamespace(store_best=None)))  # type: ignore[assignment]
    result = training._result([{"epoch": 0, "val/loss": 1.0}], 1.1518560710001111, 5)
    assert result.objectives == {"training_time": 1.152}
