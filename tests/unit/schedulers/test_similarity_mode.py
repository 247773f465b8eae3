"""Mode similarity: planned pairs, networks and measures, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from mml_lib.errors import MMLError
from mml_lib.schedulers.base import AbstractBaseScheduler
from tests.support.messages import mentions
from tests.support.planned_studies import FAKE, TASKS, describe, planned, wildcards

RANDOM = {"arch": "test_resnet", "pretrained": False}
CLASSES = {"mine": FAKE, "b": FAKE | {"seed": 1}, "e": FAKE | {"seed": 2}}


def similarity(folder: Path, similarity: dict[str, Any], **changes: Any) -> AbstractBaseScheduler:
    changes = {"pivot": {}, "tasks": CLASSES, "features": RANDOM} | changes
    return planned({"preset": "similarity"}, folder, similarity=similarity, **changes)


def pairs(plan: AbstractBaseScheduler, measure: str) -> list[tuple[str, str]]:
    assert {"measure": measure} in plan.steps_by_rule["compute_distances"]
    return plan.study.inputs.similarity.pairs(wildcards(measure=measure))


def test_each_pair_of_a_symmetric_measure_is_computed_once(tmp_path: Path):
    plan = similarity(tmp_path, {"distance": ["mmd", "kld"]})
    assert pairs(plan, "mmd") == [("b", "e"), ("b", "mine"), ("e", "mine")]
    assert len(pairs(plan, "kld")) == 6
    assert [step["measure"] for step in plan.steps_by_rule["collect_distances"]] == ["mmd", "kld"]


def test_with_a_pivot_all_tasks_are_compared_with_it_whatever_the_order_of_names(tmp_path: Path):
    plan = similarity(tmp_path, {"distance": ["mmd", "kld"]}, pivot={"name": "e"})
    assert pairs(plan, "mmd") == [("b", "e"), ("e", "mine")]
    assert pairs(plan, "kld") == [("b", "e"), ("mine", "e")]


def test_a_further_task_adds_its_pairs_alone(tmp_path: Path):
    before = pairs(similarity(tmp_path, {"distance": "mmd"}), "mmd")
    after = pairs(similarity(tmp_path, {"distance": "mmd"}, tasks={"c": FAKE | {"seed": 9}, **CLASSES}), "mmd")
    assert set(before) < set(after)
    assert all("c" in pair for pair in set(after) - set(before))


def test_an_ensemble_brings_the_measures_that_it_combines(tmp_path: Path):
    options = {"ensemble": {"weights": {"emd": 1, "semantic": 0.5}}, "emd": {"method": "binned"}}
    plan = similarity(tmp_path, {"distance": "ensemble", "options": options})
    assert [step["measure"] for step in plan.steps_by_rule["collect_distances"]] == ["emd", "semantic", "ensemble"]
    assert {step["measure"] for step in plan.steps_by_rule["compute_distances"]} == {"emd", "semantic"}


def test_networks_of_sources_and_heads_are_trained_once(tmp_path: Path):
    plan = similarity(tmp_path, {"distance": ["leep", "knn"]}, pivot={"name": "mine"})
    trained = {(step["task"], step["fold"]) for step in plan.steps_by_rule["train_fold"]}
    assert trained == {("b", 0), ("e", 0)}
    plan = similarity(tmp_path, {"distance": "fed"})
    heads = plan.steps_by_rule["compute_fisher"]
    assert [(step["task"], step["fold"]) for step in heads] == [("b", 0), ("e", 0), ("mine", 0)]
    assert plan.steps_by_rule["train_fold"] == heads


def test_a_target_with_too_few_samples_is_refused_once_it_is_described(tmp_path: Path):
    section = {"distance": "knn", "options": {"knn": {"k": 17}}}
    plan = similarity(tmp_path, section)
    describe(plan.study, "b", all=24, train=24)
    with pytest.raises(MMLError, match=r"b: there are 16 samples .* k \(17\); lower k"):
        similarity(tmp_path, section).steps  # noqa: B018
    assert similarity(tmp_path, {"distance": "knn", "options": {"knn": {"k": 16}}}).steps


def test_more_dimensions_than_samples_are_refused_once_the_target_is_described(tmp_path: Path):
    plan = similarity(tmp_path, {"distance": "hscore"})
    describe(plan.study, "b", all=120, train=96)
    with pytest.raises(MMLError, match=r"b: 96 samples for 96 dimensions .* shrinkage"):
        similarity(tmp_path, {"distance": "hscore"}).steps  # noqa: B018
    assert similarity(tmp_path, {"distance": "hscore", "options": {"hscore": {"shrinkage": True}}}).steps
    describe(plan.study, "b", all=121, train=97)
    assert similarity(tmp_path, {"distance": "hscore"}).steps


def test_a_mode_of_ones_own_that_compares_tasks_gives_its_steps_their_inputs(tmp_path: Path):
    own = {"preset": "similarity", "id": "compare"}
    plan = planned(own, tmp_path, pivot={}, tasks=CLASSES, features=RANDOM, similarity={"distance": "mmd"})
    assert plan.study.schedulers.providing("similarity") is plan
    assert plan.study.schedulers.providing("audit") is plan.study.scheduler("audit")


@pytest.mark.parametrize(
    ("section", "changes", "words"),
    [
        ({"distance": "mdm"}, {}, ["similarity.distance", "'mdm'", "did you mean 'mmd'"]),
        ({"options": {"mdm": {}}}, {}, ["similarity.options", "did you mean 'mmd'"]),
        ({"options": {"mmd": {"kernal": 1}}}, {}, ["similarity.options.mmd.kernal", "did you mean 'kernel'"]),
        ({"options": {"knn": {"metrics": ""}}}, {}, ["similarity.options.knn.metrics", "did you mean 'metric'"]),
        ({"distance": "ensemble"}, {}, ["similarity.options.ensemble.weights", "missing"]),
        (
            {"distance": "ensemble", "options": {"ensemble": {"weights": {"ensemble": 1}}}},
            {},
            ["similarity.options.ensemble.weights", "combines others itself"],
        ),
        ({}, {"tasks": {"mine": FAKE}}, ["one task only", "tasks"]),
        ({}, {"features": RANDOM | {"pooling": "tokens"}}, ["features.pooling", "pooled"]),
        ({"distance": "logme"}, {"tasks": TASKS, "pivot": {"name": "archive"}}, ["archive", "no labels", "logme"]),
        ({"distance": "logme"}, {"tasks": TASKS, "pivot": {"name": "mine"}}, ["archive", "no labels to train"]),
        ({"distance": "knn"}, {"tasks": TASKS, "pivot": {"name": "c"}}, ["c has no class of each image", "knn"]),
        ({"distance": "leep"}, {"tasks": TASKS, "pivot": {"name": "b"}}, ["archive", "leep"]),
        (
            {"distance": "leep"},
            {"tasks": {"mine": FAKE, "c": TASKS["c"]}, "pivot": {"name": "mine"}},
            ["c is not a classification", "leep"],
        ),
        ({"distance": "fed"}, {"tasks": TASKS}, ["fed", "archive", "no labels"]),
    ],
)
def test_what_cannot_be_compared_is_refused_while_planning(
    section: dict[str, Any], changes: dict[str, Any], words: list[str], tmp_path: Path
):
    with pytest.raises(MMLError) as error:
        similarity(tmp_path, section, **changes)
    assert mentions(str(error.value), *words)
    assert "\n" not in str(error.value)
