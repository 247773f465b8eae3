"""Mistakes in the section `search` are refused while planning, each with its key and a remedy."""

import re
from pathlib import Path
from typing import Any

import pytest

from mml_lib.errors import MMLError
from tests.support.planned_studies import FAKE, planned

TASKS = {"mine": FAKE | {"num_samples": 60, "test_fraction": 0.2}}
RATE = {"optimizer.lr": {"low": 0.1, "high": 0.2, "step": 0.03}}
BATCH = "sampling.batch_size"

MISTAKES = [
    ({"space": {}}, "search.space is empty"),
    ({"objective": []}, "search.objective is empty"),
    ({"folds": []}, "search.folds is empty"),
    ({"space": {"optimizer.lr": None}}, "search.space.optimizer.lr: null is not a range"),
    ({"space": {"optimizer.lr": 0.1}}, "search.space.optimizer.lr: 0.1 is not a range"),
    ({"space": {"optimizer": {"lr": [0.1, 0.2]}}}, "write optimizer.lr"),
    ({"space": {"optimizer": {"lr": {"low": 0.1, "high": 0.2}}}}, "write optimizer.lr"),
    ({"space": {"optimizer. lr": [0.1, 0.2]}}, "write optimizer.lr"),
    ({"space": {"optimizer..lr": [0.1, 0.2]}}, "write optimizer.lr"),
    ({"space": {"optimizer.": ["adamw", "sgd"]}}, "write optimizer"),
    ({"space": {"optimizer.lr": {"low": 0, "high": float("inf")}}}, "must be finite"),
    ({"space": {BATCH: {"low": 16.0, "high": 64.0}}}, "write low, high and step as integers"),
    ({"space": {BATCH: {"low": 16, "high": 64, "step": 0.5}}}, "16.5 lies in the range"),
    ({"space": RATE, "start": [{"optimizer.lr": 0.15}]}, "write 0.16"),
    ({"space": RATE, "start": [{"optimizer.lr": 0.2}]}, "write 0.19"),
    ({"space": RATE, "start": [{"optimizer.lr": "0.16"}]}, '"0.16" is not a number'),
    ({"objective": "loss", "space": {"loss": ["cross_entropy", "focal"]}}, "search.objective"),
    ({"objective": ["accuracy", "loss"], "space": {"loss.label_smoothing": [0.0, 0.1]}}, "search.objective"),
    ({"objective": "loss", "space": {"class_weights": [None, "balanced"]}}, "search.objective"),
]


@pytest.mark.parametrize(("section", "remedy"), MISTAKES, ids=[str(section)[:70] for section, _ in MISTAKES])
def test_a_mistake_in_a_search_is_refused_with_a_remedy(tmp_path: Path, section: dict[str, Any], remedy: str):
    options = {"space": RATE, "trials": 6, "objective": "accuracy"} | section
    with pytest.raises(MMLError, match=re.escape(remedy)):
        planned({}, tmp_path, tasks=TASKS, search=options)


def test_a_search_is_refused_beside_a_tuning_that_its_trials_would_not_have(tmp_path: Path):
    with pytest.raises(MMLError, match="combined with tune"):
        planned({}, tmp_path, tasks=TASKS, search={"space": RATE, "trials": 6}, tune={"lr": True})


@pytest.mark.parametrize("section", [{"sweep": {"optimizer..lr": [1, 2]}}, {"variants": {"a": {" optimizer.lr": 1}}}])
def test_a_varied_key_with_a_part_that_is_no_name_is_refused(tmp_path: Path, section: dict[str, Any]):
    with pytest.raises(MMLError, match=r"write optimizer\.lr"):
        planned({}, tmp_path, tasks=TASKS, **section)
