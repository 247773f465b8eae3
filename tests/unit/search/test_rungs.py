"""Successive halving: rungs, slots, and the trainings that are continued."""

import random

import pytest

import mml_lib.search.rungs as rung_plans
from mml_lib.config.analysis.search_options import Halving, Hyperband
from mml_lib.errors import MMLError
from mml_lib.search.rungs import choose_slot, comparable_trials, count_epochs, plan_rungs
from mml_lib.search.trials import Objective, TrialRecord

LOSS = Objective("loss", lower_is_better=True)


def records(values: list[float | None]) -> list[TrialRecord]:
    return [
        TrialRecord(number, {}, f"{number:08x}", None if value is None else [value], "nan" if value is None else None)
        for number, value in enumerate(values, start=1)
    ]


def fill(values: list[float | None], factor: int) -> list[int | None]:
    """Return the places that the slots of a rung continue, in order."""
    below, continued, places = records(values), [], []
    for slot in range(1, len(values) // factor + 1):
        place = choose_slot(slot, factor, below, continued, LOSS)
        places.append(place)
        continued += [] if place is None else [place]
    return places


@pytest.mark.parametrize(
    ("trials", "epochs", "halving", "expected"),
    [
        (9, 9, Halving(min_epochs=1, factor=3), [(1, 9), (3, 3), (9, 1)]),
        (20, 10, Halving(min_epochs=3, factor=3), [(3, 20), (9, 6), (10, 2)]),
        (5, 4, None, [(4, 5)]),
    ],
)
def test_each_rung_has_a_share_of_the_trials_and_more_epochs(trials, epochs, halving, expected):
    assert [(rung.epochs, rung.slots) for rung in plan_rungs(trials, epochs, halving)] == expected


def test_rungs_without_trainings_are_refused():
    with pytest.raises(MMLError, match="at least 9 trials"):
        plan_rungs(8, 9, Halving(min_epochs=1, factor=3))
    with pytest.raises(MMLError, match="lower min_epochs"):
        plan_rungs(8, 3, Halving(min_epochs=3, factor=3))


def layout(trials: int) -> dict[int, list[tuple[int, int | None, tuple[int, ...]]]]:
    """Return epochs, rung below and numbers of the rungs of hyperband by bracket: 1, 3 and 9 epochs."""
    rungs = plan_rungs(trials, 9, Hyperband(min_epochs=1, factor=3))
    sliced = {0: rungs[:3], 1: rungs[3:5], 2: rungs[5:]}
    return {key: [(rung.epochs, rung.below, rung.numbers) for rung in of_bracket] for key, of_bracket in sliced.items()}


def test_hyperband_has_a_bracket_for_each_number_of_epochs_to_begin_with():
    brackets = layout(17)  # all of one round: 9, 5 and 3 trials, as in the paper
    assert [[epochs for epochs, _, _ in rungs] for rungs in brackets.values()] == [[1, 3, 9], [3, 9], [9]]
    assert [[len(numbers) for _, _, numbers in rungs] for rungs in brackets.values()] == [[9, 3, 1], [5, 1], [3]]
    assert [[below for _, below, _ in rungs] for rungs in brackets.values()] == [[None, 0, 1], [None, 3], [None]]
    members = [number for rungs in brackets.values() for number in rungs[0][2]]
    assert sorted(members) == list(range(1, 18)), "each trial begins once"
    assert count_epochs(plan_rungs(17, 9, Hyperband(min_epochs=1, factor=3))) == 9 + 6 + 6 + 15 + 6 + 27


def test_more_trials_leave_earlier_ones_in_their_brackets():
    larger = layout(60)
    for trials in range(9, 60):
        for bracket, rungs in layout(trials).items():
            for (_, _, numbers), (_, _, later) in zip(rungs, larger[bracket], strict=True):
                assert later[: len(numbers)] == numbers


def test_a_trial_is_proposed_from_those_of_its_bracket():
    hyperband = Hyperband(min_epochs=1, factor=3)
    (first,) = [rungs[0][2] for bracket, rungs in layout(17).items() if bracket == 1]
    earlier = records([0.5] * (first[-1] - 1))
    assert [record.number for record in comparable_trials(first[-1], 9, hyperband, earlier)] == list(first[:-1])
    assert comparable_trials(first[-1], 9, Halving(min_epochs=1), earlier) == earlier


def test_slots_continue_the_best_trainings_so_far():
    assert fill([0.5, 0.1, 0.9, 0.2, 0.3, 0.4, 0.05, 0.6, 0.7], 3) == [1, 3, 6]
    assert fill([0.1, 0.2, 0.3, 0.9, 0.8, 0.7], 3) == [0, 1]
    assert fill([0.2, 0.2, 0.2, 0.2], 2) == [0, 1], "of equal ones the earlier"
    assert fill([None, None, None, 0.2], 2) == [None, 3]


def test_more_trials_leave_earlier_slots_as_they_are():
    values = [random.Random(0).random() for _ in range(60)]
    for number in range(3, 60, 3):
        assert fill(values[:number], 3) == fill(values, 3)[: number // 3]


def test_most_of_the_best_trainings_are_continued():
    shares = []
    for seed in range(50):
        values = [random.Random(seed * 100 + number).random() for number in range(81)]
        best = set(sorted(range(81), key=values.__getitem__)[:27])
        shares.append(len(best & set(fill(values, 3))) / 27)
    assert sum(shares) / len(shares) > 0.8


def test_hyperband_names_the_fewest_trials_of_which_one_is_trained_in_full():
    hyperband = Hyperband(min_epochs=1, factor=3)
    with pytest.raises(MMLError, match="at least 11 trials"):
        plan_rungs(10, 10, hyperband)
    assert sum(rung.slots for rung in plan_rungs(11, 10, hyperband) if rung.is_last) == 1


@pytest.mark.parametrize(("early_stopping", "number"), [(None, 30), (Halving(), 128), (Hyperband(), 70)])
def test_a_budget_of_many_trials_is_divided_in_few_steps(early_stopping, number, monkeypatch: pytest.MonkeyPatch):
    plans = []
    monkeypatch.setattr(rung_plans, "plan_rungs", lambda *args: plans.append(args) or plan_rungs(*args))
    assert rung_plans.affordable_trials(20_000, 10, early_stopping, 300) == number
    assert count_epochs(plan_rungs(number, 10, early_stopping)) <= 300
    assert count_epochs(plan_rungs(number + 1, 10, early_stopping)) > 300
    assert len(plans) < 30
