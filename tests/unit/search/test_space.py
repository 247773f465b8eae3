"""Search spaces: ranges, choices, conditions, grids."""

from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.search.proposing import distribution
from mml_lib.search.space import Space

SPACE = {
    "optimizer.weight_decay": {"low": 0, "high": 0.1, "when": {"optimizer": "adamw"}},
    "optimizer": ["adamw", "sgd"],
    "optimizer.lr": {"low": 1e-5, "high": 0.1, "log": True},
    "sampling.batch_size": [16, 32],
}


def test_a_parameter_stands_after_those_that_its_condition_names():
    space = Space.of(SPACE, {})
    keys = [parameter.key for parameter in space.parameters]
    assert keys.index("optimizer") < keys.index("optimizer.weight_decay")
    assert {parameter.key for parameter in space.active({"optimizer": "sgd"})} == set(SPACE) - {
        "optimizer.weight_decay"
    }
    assert {parameter.key for parameter in space.active({"optimizer": "adamw"})} == set(SPACE)


@pytest.mark.parametrize(
    ("ends", "present", "integer"),
    [((1, 5), None, True), ((1, 5), 3, True), ((0, 1), 0.5, False), ((0, 0.1), None, False), ((0.0, 1.0), 3, False)],
)
def test_a_range_is_of_integers_where_its_ends_are_and_the_study_has_no_other_number(ends, present, integer):
    (parameter,) = Space.of({"arch.depth": {"low": ends[0], "high": ends[1]}}, {"arch.depth": present}).parameters
    assert parameter.integer is integer


def test_a_grid_has_every_combination_of_choices_integers_and_steps():
    space = Space.of(
        {"a.b": ["x", "y", "z"], "c.d": {"low": 1, "high": 3}, "e.f": {"low": 0, "high": 0.3, "step": 0.1}}, {}
    )
    points = space.points()
    assert len(points) == 3 * 3 * 4
    assert len({str(point) for point in points}) == len(points)
    assert {point["c.d"] for point in points} == {1, 2, 3}
    assert {round(point["e.f"], 9) for point in points} == {0, 0.1, 0.2, 0.3}


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"optimizer.lr": {"low": 0.1, "high": 0.1}}, "less than high"),
        ({"optimizer.lr": {"low": 1, "high": 0.1}}, "less than high"),
        ({"optimizer.lr": {"low": 0, "high": 0.1, "log": True}}, "raise low"),
        ({"optimizer.lr": {"low": 0.1, "high": 1, "log": True, "step": 0.1}}, "leave one of them out"),
        ({"optimizer.lr": {"low": 0.1}}, "high"),
        ({"optimizer.lr": {"low": 0.1, "high": 1, "steps": 3}}, "steps"),
        ({"optimizer.lr": [0.1]}, "at least two"),
        ({"optimizer.lr": [0.1, 0.2, 0.1]}, "twice"),
        ({"optimizer.lr": {"choices": [1, 2], "low": 1}}, "low"),
        ({"optimizer.lr": {"low": 0.1, "high": 1, "when": {"arch": "x"}}}, "'arch' is not in the space"),
        ({**SPACE, "a.b": {"low": 0, "high": 1, "when": {"optimizer": "adamx"}}}, "adamw, sgd"),
        ({**SPACE, "a.b": {"low": 0, "high": 1, "when": {"optimizer.lr": 0.1}}}, "needs choices"),
        (
            {
                "a.b": {"choices": [1, 2], "when": {"c.d": 1}},
                "c.d": {"choices": [1, 2], "when": {"a.b": 1}},
            },
            "need each other",
        ),
    ],
)
def test_a_space_without_values_or_with_impossible_conditions_is_refused(options: dict[str, Any], remedy: str):
    with pytest.raises(MMLError, match=remedy) as refusal:
        Space.of(options, {})
    assert "search.space" in str(refusal.value)


@pytest.mark.parametrize(
    ("start", "remedy"),
    [
        ({"optimiser": "sgd"}, "did you mean 'optimizer'"),
        ({"optimizer": "lamb"}, "adamw, sgd"),
        ({"optimizer.lr": 1}, "range of optimizer.lr"),
        ({"optimizer.lr": True}, "range of optimizer.lr"),
        ({"optimizer": "sgd", "optimizer.weight_decay": 0.1}, "condition"),
    ],
)
def test_a_trial_outside_the_space_is_refused(start: dict[str, Any], remedy: str):
    with pytest.raises(MMLError, match=remedy):
        Space.of(SPACE, {}).check_start(start)


def test_a_grid_needs_steps_and_a_limited_number_of_points():
    with pytest.raises(MMLError, match=r"step for optimizer\.lr"):
        Space.of({"optimizer.lr": {"low": 0.1, "high": 1}}, {}).points()
    with pytest.raises(MMLError, match="random"):
        Space.of({f"a.b{number}": list(range(10)) for number in range(6)}, {}).points()


def test_choices_have_readable_names():
    choices = ["none", {"preset": "randaugment", "magnitude": 7}, [1, 2], 3, True]
    (parameter,) = Space.of({"augmentations": choices}, {}).parameters
    assert parameter.names == ("none", 'randaugment {"magnitude":7}', "[1,2]", "3", "true")


@pytest.mark.parametrize(("low", "high", "step"), [(0.001, 0.009, 0.002), (0.1, 0.95, 0.1), (0, 1, 0.1), (16, 70, 16)])
def test_the_points_of_a_range_lie_in_it_and_are_those_of_optuna(low: float, high: float, step: float):
    (parameter,) = Space.of({"a": {"low": low, "high": high, "step": step}}, {}).parameters
    points = [parameter.point(number) for number in range(parameter.num_points)]
    by_optuna = distribution(parameter)
    for point in points:
        parameter.check(point)
        assert by_optuna._contains(by_optuna.to_internal_repr(point))
    assert (points[0], points[-1]) == (low, by_optuna.high)
    assert points == [round(point, 10) for point in points]


def test_the_size_of_a_grid_is_refused_before_its_points_are_listed():
    space = Space.of({"a": {"low": 0, "high": 1e6, "step": 1e-6}, "b": {"low": 1, "high": 10**12}}, {})
    with pytest.raises(MMLError, match="too large"):
        space.points()
