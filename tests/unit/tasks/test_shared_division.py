"""One division of the images of a data set, for all of its tasks."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.errors import MMLError
from mml_lib.studies.checks.study_checks import holds_out_alike
from tests.support.messages import mentions
from tests.support.shared_data import assignment_of, make_dataset, shared_tasks

CHEST = {"creator": "csv", "path": "t.csv", "image": "file", "folds": 3}
TASKS: dict[str, dict[str, Any]] = {
    "sex": {"label": "sex"},
    "age": {"value": "age", "unknown": [""]},
    "marks": {"labels": ["edema", "mass"], "unknown": [-1]},
    "old": {"label": "sex", "filter": "number >= 30"},
}


def row(number: int) -> str:
    age = "" if number % 7 == 0 else 20 + number
    mass, rare = -1 if number % 5 == 0 else number % 2, "yes" if number % 12 == 0 else "no"
    place = "test" if number >= 50 else "train"
    return f"{number}.png,{number},{'fm'[number % 2]},{age},{number // 2 % 2},{mass},p{number // 2},{rare},{place}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_table()
    for number in range(60):
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(f"{number}.png")
    return tmp_path


def write_table(change: tuple[str, str] = ("", "")) -> None:
    text = "file,number,sex,age,edema,mass,patient,rare,place\n" + "\n".join(row(number) for number in range(60))
    Path("t.csv").write_text(text.replace(*change) if change[0] else text)


def divided(dataset: dict[str, Any], tasks: dict[str, dict[str, Any]] = TASKS) -> dict[str, dict[str, tuple[str, int]]]:
    """Return split and fold of each image by task."""
    shared = shared_tasks(dataset, tasks)
    made = make_dataset(shared, next(iter(tasks)))
    return {name: assignment_of(shared, name, made) for name in tasks}


def leaked(first: dict[str, tuple[str, int]], second: dict[str, tuple[str, int]], folds: int) -> set[str]:
    """Return images that a network of one task learns, and the same fold of the other holds out."""
    images = set()
    for fold in range(folds):
        learned = {name for name, (split, its) in first.items() if split == "train" and its != fold}
        images |= {name for name in learned if second.get(name, ("", -1)) in (("test", -1), ("train", fold))}
    return images


def test_tasks_of_one_data_set_hold_out_the_same_images():
    tasks = divided(CHEST)
    for first in tasks.values():
        for second in tasks.values():
            assert leaked(first, second, 3) == set()
    assert tasks["age"]["7.png"] == ("unlabelled", -1)
    assert Counter(split for split, _ in tasks["sex"].values()) == {"train": 48, "test": 12}
    assert set(tasks["old"]) == {f"{number}.png" for number in range(30, 60)}
    own = divided({key: value for key, value in CHEST.items() if key != "folds"})
    assert leaked(own["sex"], own["age"], 5), "without a division in the data set, each task has its own"


def test_images_of_one_group_stay_together_and_the_division_has_the_groups_of_the_data_set():
    tasks = divided(CHEST | {"group": "patient", "test_fraction": 0.25, "seed": 3})
    places = {place: {int(name[:-4]) // 2 for name, its in tasks["sex"].items() if its == place} for place in PLACES}
    assert sum(map(len, places.values())) == 30
    assert len(places["test", -1]) in (7, 8)


PLACES = (("test", -1), ("train", 0), ("train", 1), ("train", 2))


def test_splits_that_the_data_define_are_kept_and_only_the_others_are_divided():
    tasks = divided(CHEST | {"split": "place"})
    for samples in tasks.values():
        assert {name for name, (split, _) in samples.items() if split == "test"} <= {f"{n}.png" for n in range(50, 60)}
    assert leaked(tasks["sex"], tasks["marks"], 3) == set()
    assert Counter(fold for split, fold in tasks["sex"].values() if split == "train") == {0: 17, 1: 17, 2: 16}


@pytest.mark.parametrize(
    "target", [{"label": "rare"}, {"value": "age", "unknown": [""]}, {"labels": ["mass", "edema"]}]
)
def test_division_is_stratified_over_the_target_of_the_data_set(target: dict[str, Any]):
    data = CHEST | target | ({"uncertain": {"value": -1, "as": "ignore"}} if "labels" in target else {})
    tasks = divided(data, {"own": {}, "sex": {"label": "sex", "unknown": [""], "uncertain": None}})
    assert leaked(tasks["own"], tasks["sex"], 3) == set()
    if "label" in target:
        rare = {f"{number}.png" for number in range(0, 60, 12)}
        assert len({tasks["own"][name] for name in rare}) == 4, "each part has one of five rare images"


def test_copies_of_an_image_stay_together(folder: Path):
    for number in range(1, 10):
        (folder / f"{number}.png").write_bytes((folder / "0.png").read_bytes())
    tasks = divided(CHEST)
    assert len({tasks["sex"][f"{number}.png"] for number in range(10)}) == 1


def test_validation_split_of_the_data_is_the_only_fold_of_all_tasks():
    write_table(("train", "val"))
    Path("t.csv").write_text(Path("t.csv").read_text().replace("val", "train", 40))
    tasks = divided(CHEST | {"split": "place"})
    for samples in tasks.values():
        assert {its for its in samples.values() if its[0] != "unlabelled"} == {
            ("train", -1),
            ("train", 0),
            ("test", -1),
        }
    assert leaked(tasks["age"], tasks["sex"], 1) == set()


def test_folders_are_divided_as_their_manifest_says(folder: Path):
    for number in range(24):
        file = folder / "f" / "ab"[number % 2] / f"p{number // 4}_{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(file)
    folders = {
        "creator": "image_folder",
        "path": "f",
        "layout": "{label}/{group}_*.png",
        "folds": 2,
        "test_fraction": 0,
    }
    tasks = divided(folders, {"both": {}, "named": {"idx_to_class": {0: "x", 1: "y"}}})
    assert tasks["both"] == tasks["named"]
    homes = {fold: {name.split("_")[0] for name, its in tasks["both"].items() if its[1] == fold} for fold in (0, 1)}
    assert [len(homes[fold]) for fold in (0, 1)] == [3, 3]


def test_task_that_states_other_folds_or_groups_has_its_own_division():
    own: dict[str, dict[str, Any]] = {
        "folds": {"label": "sex", "folds": 2},
        "seed": {"label": "sex", "seed": 1},
        "group": {"label": "sex", "group": "patient"},
        "same": {"label": "sex", "folds": 3},
    }
    tasks = shared_tasks(CHEST, TASKS | own)
    assert {name for name, task in tasks.items() if task.division is None} == {"folds", "seed", "group"}
    assert tasks["same"].id == tasks["sex"].id


def test_identities_change_with_the_division_only():
    plain = {key: value for key, value in CHEST.items() if key != "folds"}
    ids = {name: task.id for name, task in shared_tasks(CHEST, TASKS).items()}
    data = {task.dataset for task in shared_tasks(CHEST, TASKS).values()}
    without = {name: {"folds": 3, **task} for name, task in TASKS.items()}
    assert all(ids[name] != task.id for name, task in shared_tasks(plain, without).items())
    assert all(ids[name] != task.id for name, task in shared_tasks(CHEST | {"seed": 1}, TASKS).items())
    assert {task.dataset for task in shared_tasks(plain | {"folds": 4}, TASKS).values()} == data
    write_table((",f,", ",x,"))
    changed = {name for name, task in shared_tasks(CHEST, TASKS).items() if task.id != ids[name]}
    assert changed == {"sex", "old"}, "a corrected label makes the tasks anew that learn it"


def test_tasks_with_a_common_division_hold_out_alike():
    tasks = shared_tasks(CHEST, TASKS | {"apart": {"label": "sex", "seed": 1}})
    assert holds_out_alike(tasks["sex"], tasks["age"].definition())
    assert not holds_out_alike(tasks["sex"], tasks["apart"].definition())


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"label": "sex", "filter": "number < 3"}, ["folds"]),
        ({"label": "rare", "filter": "number in [0, 12, 1, 2, 3, 4]"}, []),
    ],
)
def test_task_that_does_not_fit_the_division_is_refused(task: dict[str, Any], words: list[str]):
    with pytest.raises(MMLError) as error:
        divided(CHEST, {"few": task})
    assert mentions(str(error.value), "few", "division", *words)
