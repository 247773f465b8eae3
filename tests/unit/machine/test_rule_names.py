"""Names of MML's rules in an outer pipeline."""

from types import SimpleNamespace

import pytest

from mml_lib.machine.rule_names import VARIABLE, RuleNames, name_in_step, publish_names, withdraw_names


def jobs(*rules: str) -> list[SimpleNamespace]:
    return [SimpleNamespace(rule=SimpleNamespace(name=rule)) for rule in rules]


def test_rules_keep_their_names_without_an_outer_pipeline():
    assert RuleNames().own("train_fold") == "train_fold"
    assert len(RuleNames().jobs(jobs("train_fold", "mine"))) == 2


def test_jobs_of_an_outer_pipeline_are_left_out():
    names = RuleNames({"mml_train_fold": "train_fold", "mml_test_fold": "test_fold"})
    planned = jobs("mml_train_fold", "mml_test_fold", "train_fold", "prepare")
    assert names.jobs(planned) == planned[:2]
    assert names.jobs(planned, "train_fold") == planned[:1], "a rule of the outer pipeline may have MML's name"


def test_steps_learn_the_names_of_all_modules(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert name_in_step("train_fold") == "train_fold"
    publish_names("a", RuleNames({"a_train_fold": "train_fold"}))
    publish_names("b", RuleNames({"b_tune_fold": "tune_fold"}))
    assert [name_in_step(rule) for rule in ("a_train_fold", "b_tune_fold", "other")] == [
        *("train_fold", "tune_fold"),
        "other",
    ]
    withdraw_names()
    assert name_in_step("a_train_fold") == "a_train_fold"
