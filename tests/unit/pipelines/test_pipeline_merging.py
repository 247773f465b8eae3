"""Merging of pipelines: means on the scale of each key, votes, and draws."""

import random
from typing import Any

import pytest

from mml_lib.pipelines.pipeline_merging import NOT_SET, Voter, chooser, merge


def merged(key: str, *values: Any, weights: tuple[float, ...] | None = None, temperature: float = 0) -> Any:
    voters = [Voter(value, weight) for value, weight in zip(values, weights or len(values) * (1.0,), strict=True)]
    return merge(key, voters, chooser(temperature, random.Random(0)))


def test_learning_rates_are_averaged_by_their_logarithms():
    assert merged("optimizer.lr", 1e-4, 1e-2) == pytest.approx(1e-3)
    assert merged("optimizer.lr", 1e-4, 1e-1, weights=(2, 1)) == pytest.approx(1e-3)


def test_other_numbers_are_averaged_as_they_are():
    assert merged("optimizer.momentum", 0.8, 0.95, weights=(1, 2)) == pytest.approx(0.9)


def test_whole_numbers_stay_whole():
    assert merged("sampling.batch_size", 16, 64) == 32
    assert (merged("trainer.max_epochs", 10, 30), type(merged("trainer.max_epochs", 10, 30))) == (17, int)


def test_equal_numbers_stay_as_they_are():
    assert merged("optimizer.lr", 3.14159e-4, 3.14159e-4, weights=(0.3, 0.7)) == 3.14159e-4


def test_zero_of_a_logarithmic_key_is_a_choice_of_its_own():
    assert merged("optimizer.weight_decay", 0, 1e-4, 1e-2, weights=(3, 1, 1)) == 0
    assert merged("optimizer.weight_decay", 0, 1e-4, 1e-2, weights=(1, 1, 1)) == pytest.approx(1e-3)


def test_share_and_number_of_batches_are_not_averaged():
    assert merged("trainer.limit_train_batches", 0.5, 100, weights=(1, 2)) == 100


@pytest.mark.parametrize("values", [("a", "b", "b"), (None, 1.0, 3.0), (True, False, False), ([1, 2], [3], [3])])
def test_choices_are_voted_on(values: tuple[Any, ...]):
    assert merged("sampling.x", *values) == (2.0 if values[0] is None else values[1])
    assert merged("sampling.x", *values, weights=(3, 1, 1)) == values[0]


def test_preferred_one_of_equal_weights_wins():
    assert merged("sampling.x", "b", "a") == "b"


def test_arguments_are_merged_within_the_chosen_class_only():
    sgd = [{"_target_": "SGD", "lr": rate, "momentum": 0.9} for rate in (0.01, 1.0)]
    adam = {"_target_": "Adam", "lr": 1e-5, "eps": 1e-8}
    assert merged("optimizer", adam, *sgd) == {"_target_": "SGD", "lr": pytest.approx(0.1), "momentum": 0.9}
    assert merged("optimizer", adam, *sgd, weights=(3, 1, 1)) == adam


def test_key_that_most_pipelines_lack_is_left_out():
    assert merged("optimizer", {"lr": 1.0}, {"lr": 1.0}, {"lr": 1.0, "nesterov": True}) == {"lr": 1.0}
    assert merged("mixing", NOT_SET, {"alpha": 0.2}) is NOT_SET


def test_parts_that_depend_on_each_other_are_chosen_as_a_whole():
    small, large = {"name": "resnet18", "drop_rate": 0.1}, {"name": "resnet50", "drop_rate": 0.3}
    assert merged("arch", small, large, weights=(1, 2)) == large


def test_draws_follow_weights_to_the_power_of_one_over_temperature():
    def share(temperature: float) -> float:
        choose = chooser(temperature, random.Random(1))
        return sum(choose({"a": 3.0, "b": 1.0}) == "a" for _ in range(4000)) / 4000

    assert share(0) == 1
    assert share(1) == pytest.approx(0.75, abs=0.03)
    assert share(0.5) == pytest.approx(0.9, abs=0.03)
    assert share(1e6) == pytest.approx(0.5, abs=0.03)
