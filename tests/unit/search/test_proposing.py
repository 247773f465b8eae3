"""Proposals: what they depend on, and how well they search."""

import math
from typing import Any

import optuna
import pytest

from mml_lib.config.analysis.search_options import Search
from mml_lib.errors import MMLError
from mml_lib.search.proposing import propose
from mml_lib.search.space import Space
from mml_lib.search.trials import Objective, TrialRecord

OPTIONS = {
    "optimizer.lr": {"low": 1e-5, "high": 1, "log": True},
    "sampling.batch_size": [16, 32, 64],
    "arch.depth": {"low": 1, "high": 5},
}
CONDITIONAL = OPTIONS | {
    "optimizer": ["adamw", "sgd"],
    "optimizer.momentum": {"low": 0, "high": 0.9, "when": {"optimizer": "sgd"}},
}
LOSS = [Objective("loss", lower_is_better=True)]
NSGA = "optuna.samplers.NSGAIISampler"


def value_of(values: dict[str, Any]) -> float:
    """Return a loss that is lowest at lr 1e-3, batch size 32 and depth 2."""
    distance = (math.log10(values["optimizer.lr"]) + 3) ** 2 + abs(values["arch.depth"] - 2)
    return distance + abs(values["sampling.batch_size"] - 32) / 32


def search(sampler: str, number: int, options: dict[str, Any] = OPTIONS, **further: Any) -> list[TrialRecord]:
    """Return the trials of a search, each with its loss; those of batch size 64 fail where `fails` is set."""
    fails = further.pop("fails", False)
    space, section = Space.of(options, {}), Search(**{"sampler": sampler, "space": options, **further})
    records: list[TrialRecord] = []
    for place in range(number):
        done = max(0, place - section.parallel + 1)
        before = [
            record if record.number <= done else TrialRecord(record.number, record.values, None) for record in records
        ]
        values = propose(space, section, LOSS, before)
        failed = fails and values["sampling.batch_size"] == 64
        outcome = {"failure": "nan"} if failed else {"objectives": [value_of(values)]}
        records.append(TrialRecord(place + 1, values, None, **outcome))
    return records


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "cmaes", NSGA])
def test_the_same_search_has_the_same_trials_and_another_seed_others(sampler: str):
    trials = [record.values for record in search(sampler, 14, parallel=3, trials=20)]
    assert trials == [record.values for record in search(sampler, 14, parallel=3, trials=50)]
    assert trials != [record.values for record in search(sampler, 14, parallel=3, trials=20, seed=1)]


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_a_search_finds_better_values_than_random_trials(sampler: str):
    best = [min(record.objectives[0] for record in search(sampler, 30, seed=seed, trials=30)) for seed in range(3)]
    rivals = [min(record.objectives[0] for record in search("random", 30, seed=seed, trials=30)) for seed in range(3)]
    assert sum(best) < sum(rivals)


def test_a_search_by_gaussian_processes_runs():
    records = search("gp", 12, {key: OPTIONS[key] for key in ("optimizer.lr", "arch.depth", "sampling.batch_size")})
    assert min(record.objectives[0] for record in records[10:]) < min(record.objectives[0] for record in records[:10])


def test_a_sampler_with_a_state_proposes_what_optuna_proposes_in_one_process():
    records = search(NSGA, 30, parallel=4, trials=30)
    seed = optuna.samplers.NSGAIISampler(seed=_first_seed(0))
    study, waiting = optuna.create_study(sampler=seed), []
    for record in records:
        if len(waiting) == 4:
            study.tell(*waiting.pop(0))
        trial = study.ask()
        assert trial.suggest_float("optimizer.lr", 1e-5, 1, log=True) == record.values["optimizer.lr"]
        trial.suggest_categorical("sampling.batch_size", ("16", "32", "64"))
        assert trial.suggest_int("arch.depth", 1, 5) == record.values["arch.depth"]
        waiting.append((trial, record.objectives[0]))


def _first_seed(seed: int) -> int:
    import numpy as np

    return int(np.random.SeedSequence([seed, 0]).generate_state(1)[0])


def test_conditional_parameters_are_proposed_where_their_condition_holds():
    records = search("tpe", 30, CONDITIONAL)
    assert {"optimizer.momentum" in record.values for record in records} == {True, False}
    for record in records:
        assert ("optimizer.momentum" in record.values) == (record.values["optimizer"] == "sgd")


def test_failed_trials_count_as_bad_ones():
    def share(fails: bool) -> float:
        batches = [
            record.values["sampling.batch_size"]
            for seed in range(3)
            for record in search("tpe", 30, seed=seed, fails=fails)[15:]
        ]
        return batches.count(64) / len(batches)

    assert share(fails=True) < 0.2


def test_a_grid_visits_each_point_once():
    options = {"sampling.batch_size": [16, 32, 64], "arch.depth": {"low": 1, "high": 5}, "optimizer.lr": [0.1, 0.01]}
    points = [tuple(record.values.values()) for record in search("grid", 30, options, trials=30)]
    assert len(set(points)) == 30


def test_quasi_random_points_fill_the_space_evenly():
    records = search("qmc", 64, trials=64)
    halves = [math.log10(record.values["optimizer.lr"]) > -2.5 for record in records]
    assert halves.count(True) == 32
    depths = [record.values["arch.depth"] for record in records]
    assert {depth: depths.count(depth) for depth in set(depths)}.keys() == {1, 2, 3, 4, 5}
    assert all(12 <= depths.count(depth) <= 14 for depth in set(depths))
    assert all(1e-5 <= record.values["optimizer.lr"] <= 1 for record in records)


def test_the_first_trials_are_those_of_the_study_completed_by_the_sampler():
    start = [{"optimizer.lr": 0.01}, {"arch.depth": 4, "sampling.batch_size": 64, "optimizer.lr": 1.0}]
    for sampler in ("tpe", "qmc", "cmaes", "random", NSGA):
        first, second, *_ = search(sampler, 4, start=start)
        assert first.values["optimizer.lr"] == 0.01
        assert set(first.values) == set(OPTIONS)
        assert second.values == start[1]


def test_a_sampler_that_cannot_search_the_space_is_refused_in_one_line():
    class_name = "optuna.samplers.GridSampler"  # which takes no seed alone
    with pytest.raises(MMLError, match=r"search\.sampler"):
        search(class_name, 1)


def test_trials_of_an_earlier_search_of_the_same_seed_are_not_proposed_again():
    options = Search(space={"optimizer.lr": {"low": 1e-4, "high": 0.1, "log": True}}, trials=4, objective="loss")
    space, goals = Space.of(options.space, {}), [Objective("loss", lower_is_better=True)]
    first = propose(space, options, goals, [])
    former = [TrialRecord(0, first, "0a", [0.5])]
    again = propose(space, options, goals, [], former)
    assert again != first
    assert again == propose(space, options, goals, [], former)
