"""Nested tasks of a data set with one declared division: all of them hold out and validate the same images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.config.task_options import keeps_division, learned_as
from mml_lib.errors import MMLError
from mml_lib.studies.checks.study_checks import holds_out_alike
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.sharing.nested_division import NestedDivision
from mml_lib.tasks.sharing.redelivery import deliver_again
from mml_lib.tasks.sharing.shared_division import divide_images, take_division
from mml_lib.tasks.splits.copies import Copies
from mml_lib.tasks.splits.dividing import Splitting
from mml_lib.tasks.tags import apply_tag
from mml_lib.tasks.targets import Targets
from mml_lib.tasks.task_identity import has_shared_nesting
from tests.support.messages import mentions
from tests.support.shared_data import FOLDER, make_dataset, match, shared_tasks
from tests.support.train_studies import study

CHEST = {"creator": "csv", "path": "t.csv", "image": "file", "group": "patient", "folds": 3, "test_fraction": 0.2}
TASKS: dict[str, dict[str, Any]] = {
    "sex": {"label": "sex"},
    "age": {"value": "age", "unknown": [""]},
    "old": {"label": "sex", "filter": "number >= 30"},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{n}.png,{n},{'fm'[n % 2]},{'' if n % 7 == 0 else 20 + n},p{n // 2}" for n in range(80)]
    Path("t.csv").write_text("\n".join(["file,number,sex,age,patient", *rows]) + "\n")
    for number in range(80):
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(f"{number}.png")


def nested(tag: str = "nested~1", tasks: dict[str, dict[str, Any]] = TASKS) -> dict[str, dict[str, tuple[str, int]]]:
    """Return split and inner fold of each image by task."""
    shared = shared_tasks(CHEST, tasks)
    dataset, places = make_dataset(shared, next(iter(tasks))), {}
    for name in tasks:
        definition = shared[name].definition()
        learned, rows = match(shared, name, dataset)
        targets, splitting = Targets.of(learned, None, name), Splitting.of(definition)
        division = shared.division(definition)
        assert division is not None
        delivery = deliver_again(division, FOLDER, places=True)
        of_images = divide_images(dataset, delivery, "d", splitting)
        assignment = take_division(of_images, learned, rows, targets, name, Copies(learned, name))
        base = TaskDescription.of(definition, learned, targets, assignment, rows=rows)
        task = apply_tag(base, tag, NestedDivision(dataset, delivery, "datasets.shared", splitting).nested)
        columns = (task.samples[key] for key in ("split", "fold"))
        places[name] = dict(zip(task.samples["id"], zip(*columns, strict=True), strict=True))
    return places


def test_nested_tasks_have_each_image_in_the_same_place():
    tasks = nested()
    for other in ("age", "old"):
        labelled = {image: place for image, place in tasks[other].items() if place[0] != "unlabelled"}
        assert labelled
        assert {image: tasks["sex"][image] for image in labelled} == labelled
    assert set(tasks["sex"].values()) == {("test", -1), *(("train", fold) for fold in range(3))}


def test_groups_stay_together_in_inner_folds():
    places = nested(tasks={"sex": TASKS["sex"]})["sex"]
    ids = sorted(places, key=lambda image: int(Path(image).stem))
    homes: dict[int, set[tuple[str, int]]] = {}
    for image in ids:
        homes.setdefault(int(Path(image).stem) // 2, set()).add(places[image])
    assert all(len(home) == 1 for home in homes.values())


def test_inner_fold_without_samples_of_a_task_is_refused():
    few = {"label": "sex", "filter": "number >= 62"}
    with pytest.raises(MMLError) as error:
        nested("nested~1~8", {"sex": TASKS["sex"], "few": few})
    assert mentions(str(error.value), "few", "datasets.shared", "+nested~1~7")


def test_identity_says_which_nested_tasks_hold_out_the_same_images():
    shared = shared_tasks(CHEST, TASKS)
    first, second = (shared.derived(f"{name}+nested~1") for name in ("sex", "age"))
    assert all(has_shared_nesting(task.definition()) for task in (first, second))
    assert holds_out_alike(first, second.definition())
    assert not holds_out_alike(first, shared.derived("age+nested~0").definition())
    assert has_shared_nesting(shared.derived("sex+subset~0.5+nested~1").definition())
    assert not has_shared_nesting(shared.derived("sex+redistribute~0.5+nested~1").definition())
    own = shared_tasks({key: value for key, value in CHEST.items() if key not in ("folds", "test_fraction")}, TASKS)
    assert not has_shared_nesting(own.derived("sex+nested~1").definition())


@pytest.mark.parametrize(("name", "kept"), [("a+subset~0.5", True), ("a+redistribute~0.5+subset~0.5", False)])
def test_tags_that_mix_samples_keep_no_division(name: str, kept: bool):
    assert keeps_division(name) == kept


def test_co_tasks_of_nested_tasks_are_nested_alike():
    options = {"nested": True, "multitask": True, "co_tasks": ["age"]}
    shared = {"shared": CHEST}
    tasks = {name: {"dataset": "shared", **task} for name, task in TASKS.items()}
    planned = study(options, datasets=shared, tasks=tasks, pivot={"name": "sex"}, loss="default", metrics="default")
    scheduler = planned.scheduler("train")
    runs = [run for trained in scheduler.trained_for("sex") for run in scheduler.runs_of(trained)]
    assert [run.pipeline.tasks[1]["name"] for run in runs] == [f"age+nested~{fold}" for fold in range(3)]
    assert len({run.id for run in runs}) == 3
    assert len({run.pipeline.recipe for run in runs}) == 1
    assert learned_as("age", [task["name"] for task in runs[2].pipeline.tasks]) == "age+nested~2"
    assert learned_as("old", ["sex", "age"]) is None
