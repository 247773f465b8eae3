"""The best trials of a search, and why there may be none."""

import pytest

from mml_lib.errors import MMLError
from mml_lib.search.best_trials import rank_trials
from mml_lib.search.trials import Objective, TrialRecord

LOSS = Objective("loss", lower_is_better=True)


def trial(number: int, loss: float | None, run: str | None = None) -> TrialRecord:
    failure = None if loss is not None else f"too hot in {number}"
    return TrialRecord(number, {}, run or f"{number:08x}", None if loss is None else [loss], failure)


def test_trials_rank_by_the_objective_and_equal_ones_by_their_number():
    trials = [trial(1, 0.5), trial(2, None), trial(3, 0.2), trial(4, 0.2)]
    assert [rank_trials(trials, LOSS, rank).number for rank in (1, 2, 3)] == [3, 4, 1]


def test_a_pipeline_that_is_tried_twice_has_one_rank():
    trials = [trial(1, 0.5, "a"), trial(2, 0.5, "a"), trial(3, 0.7, "b")]
    assert [rank_trials(trials, LOSS, rank).number for rank in (1, 2)] == [1, 3]
    with pytest.raises(MMLError, match=r"lower search\.top"):
        rank_trials(trials, LOSS, 3)


def test_a_search_without_values_states_its_first_failure():
    with pytest.raises(MMLError, match=r"no trial ended with a value; .* trial 1: too hot in 1$"):
        rank_trials([trial(1, None), trial(2, None)], LOSS, 1)


def test_too_few_trials_with_a_value_state_the_failures():
    with pytest.raises(MMLError, match="none is number 2; 1 failed, first trial 2: too hot in 2"):
        rank_trials([trial(1, 0.1), trial(2, None)], LOSS, 2)
