"""Divisions: tasks of the same images that hold out others are neither started from nor tested on."""

from pathlib import Path

import pytest
from PIL import Image

from mml_lib.errors import MMLError
from tests.support.planned_studies import FAKE, planned, store, transfer

DIGITS = {"creator": "digits", "folds": 3}


@pytest.mark.parametrize(
    "other",
    [
        {"b": DIGITS | {"seed": 1}},
        {"b": DIGITS | {"idx_to_class": {number: "even" if number % 2 == 0 else "odd" for number in range(10)}}},
        {"b": DIGITS, "b+redistribute~0.6~0.2~0.2": None},
    ],
)
def test_same_images_in_another_division_are_neither_started_from_nor_tested_on(other: dict, tmp_path: Path):
    *_, name = other
    tasks = {"mine": DIGITS, **other}
    with pytest.raises(MMLError, match=r"mode.pretrain_task: b\S* divides .*mine"):
        transfer(tmp_path, {"pretrain_task": name}, tasks=tasks)
    refusal = "b has the classes even, odd" if "idx_to_class" in other["b"] else r"mine may learn images that b\S* is"
    with pytest.raises(MMLError, match=f"mode.eval_on: {refusal}"):
        planned({"eval_on": [name]}, tmp_path, tasks=tasks)


def test_same_images_in_the_same_division_may_be_tested_on_but_no_fold_that_is_learned(tmp_path: Path):
    tasks = {"mine": DIGITS, "b": DIGITS, "mine+nested~1": None}
    assert planned({"eval_on": ["b"]}, tmp_path, tasks=tasks).commands
    assert transfer(tmp_path, tasks=tasks).commands
    for nested in (False, True):
        with pytest.raises(MMLError, match=r"mine may learn .*mine\+nested~1 is tested on"):
            planned({"eval_on": ["mine+nested~1"], "nested": nested}, tmp_path, tasks=tasks)
    held_out = {"name": "mine", "tags": "+nested~1"}
    assert planned({"eval_on": ["b"]}, tmp_path, tasks=tasks, pivot=held_out).commands


def test_division_of_a_data_set_is_the_same_for_tasks_of_other_classes(tmp_path: Path):
    parity = {number: "odd" if number % 2 else "even" for number in range(10)}
    tasks = {"mine": {"dataset": "digits"}, "b": {"dataset": "digits", "idx_to_class": parity}}
    shared = {"digits": DIGITS}
    assert transfer(tmp_path, tasks=tasks, datasets=shared).commands
    nested = {"name": "mine", "tags": "+nested~0"}
    with pytest.raises(MMLError, match=r"b has images that mine\+nested~0 holds out"):
        transfer(tmp_path, tasks=tasks, datasets=shared, pivot=nested)
    apart = {**tasks, "b": {**tasks["b"], "seed": 1}}
    with pytest.raises(MMLError, match=r"b divides .*mine .*datasets"):
        transfer(tmp_path, tasks=apart, datasets=shared)


def test_division_that_the_data_bring_is_the_same_for_all_that_use_them(tmp_path: Path):
    table = tmp_path / "table.csv"
    splits = ["train"] * 8 + ["test"] * 4
    rows = [f"{number}.png,{'xy'[number % 2]},{split}" for number, split in enumerate(splits)]
    table.write_text("\n".join(["image,label,split", *rows]))
    for number in range(len(splits)):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
    mine = {"creator": "csv", "path": str(table), "folds": 2}
    tasks = {"mine": mine, "b": mine | {"seed": 1}}
    assert planned({"eval_on": ["b"]}, tmp_path, tasks=tasks).commands
    assert transfer(tmp_path, tasks=tasks).commands
    with pytest.raises(MMLError, match=r"b\+nested~0 .*mine\+nested~0 holds out"):
        transfer(tmp_path, {"pretrain_task": "b+nested~0"}, tasks=tasks, pivot={"name": "mine", "tags": "+nested~0"})


def test_co_tasks_of_a_model_count_as_what_it_has_seen(tmp_path: Path):
    tasks = {"mine": DIGITS, "b": FAKE}
    together = {"multitask": True, "co_tasks": ["mine"]}
    store(tmp_path, "old", planned(together, tmp_path, tasks=tasks, pivot={"name": "b"}), "b", one=0.5)
    for mode in ({"nested": True}, {"eval": ["val"]}):
        with pytest.raises(MMLError, match=r"mode.pretrain_task: mine has (the )?images that mine"):
            transfer(tmp_path, mode, tasks=tasks, reuse={"models": "old"})
    assert transfer(tmp_path, tasks=tasks, reuse={"models": "old"}).commands
