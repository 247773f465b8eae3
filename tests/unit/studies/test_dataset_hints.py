"""Lines that a plan says of data sets: unused ones, and images that tasks pack several times."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mml_lib.tasks.creators.helpers.image_sketch import overlap, sketch, sketch_of_all
from mml_lib.tasks.description import TaskDescription
from mml_lib.tasks.sharing.overlaps import images_twice
from tests.support.messages import mentions
from tests.support.planned_studies import planned

TABLE = "image,sex,age,mask\n" + "".join(f"{n}.png,{'fm'[n % 2]},{20 + n},m{n}.png\n" for n in range(40))
PLAIN = {"creator": "csv", "path": "t.csv", "folds": 2}
GREY = {"channels": "grey"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(TABLE)
    for number in range(40):
        for lead in ("", "m"):
            Image.fromarray(np.full((4, 4), number % 2, np.uint8)).save(f"{lead}{number}.png")
    return tmp_path


def hints(folder: Path, tasks: dict[str, Any], **datasets: Any) -> list[str]:
    plan = planned({"preset": "pp"}, folder, tasks=tasks, datasets=datasets, pivot={})
    return [line for line in plan.study.overview().splitlines() if "datasets" in line]


def test_tasks_that_pack_the_same_images_are_named(folder: Path):
    tasks = {
        "sex": PLAIN | {"label": "sex"},
        "age": PLAIN | {"path": str(folder / "t.csv"), "value": "age"},
        "old": PLAIN | {"label": "sex", "filter": "age > 30"},
    }
    (line,) = hints(folder, tasks)
    assert all(word in line for word in ("sex, age, old", "t.csv", "3 times", "`datasets:`"))


def test_tasks_of_one_data_set_and_of_other_images_are_not(folder: Path):
    chest = {"creator": "csv", "path": "t.csv"}
    shared = {"sex": {"dataset": "chest", "label": "sex"}, "age": {"dataset": "chest", "value": "age"}}
    assert hints(folder, shared, chest=chest) == []
    assert hints(folder, {"sex": PLAIN | {"label": "sex"}, "dark": PLAIN | {"label": "sex", "images": GREY}}) == []
    assert hints(folder, {"a": {"creator": "fake"}, "b": {"creator": "fake", "image_seed": 1}}) == []


def test_images_are_the_same_with_and_without_masks_in_two_tables_and_by_two_creators(folder: Path):
    masks = {"sex": PLAIN | {"label": "sex"}, "lesion": PLAIN | {"mask": "mask"}}
    (line,) = hints(folder, masks)
    assert mentions(line, "sex, lesion", "2 times", "`datasets:`")
    Path("u.csv").write_text("picture,age\n" + "".join(f"{n}.png,{n}\n" for n in range(30)))
    tables = {"sex": PLAIN | {"label": "sex"}, "age": PLAIN | {"path": "u.csv", "image": "picture", "value": "age"}}
    (line,) = hints(folder, tables)
    assert mentions(line, "sex, age", "2 times")
    Path("u.csv").write_text("picture,age\n" + "".join(f"m{n}.png,{n}\n" for n in range(30)))
    assert hints(folder, tables) == [], "other images of the same folder"
    (folder / "link").symlink_to(folder)
    linked = {"sex": PLAIN | {"label": "sex"}, "age": PLAIN | {"path": "link/t.csv", "value": "age"}}
    (line,) = hints(folder, linked)
    assert "2 times" in line


def test_different_masks_need_data_sets_of_their_own(folder: Path):
    Path("t.csv").write_text(TABLE.replace("mask\n", "other\n"))
    assert hints(folder, {"a": PLAIN | {"mask": "other"}, "b": PLAIN | {"mask": "image"}}) == []


def test_sketches_estimate_the_share_of_common_files():
    files = [f"/data/{number}.png" for number in range(5000)]
    assert sketch(files) == sketch([Path(file) for file in files[::-1]])
    assert overlap(sketch(files), sketch(files[:4000])) == 1
    assert overlap(sketch(files[:2500]), sketch(files[1250:3750])) == pytest.approx(0.5, abs=0.1)
    assert overlap(sketch(files[:2500]), sketch(files[2500:])) == 0
    assert overlap(sketch(files[:100]), sketch(files[90:190])) == 0.1
    assert sketch_of_all([sketch(files[:2500]), sketch(files[2500:])]) == sketch(files)
    assert overlap((), sketch(files)) == 0


def test_plan_names_the_tasks_of_a_data_set(folder: Path):
    tasks = {"sex": {"dataset": "chest", "label": "sex"}, "age": {"dataset": "chest", "value": "age"}}
    datasets = {"chest": {"creator": "csv", "path": "t.csv"}}
    study = planned({"preset": "pp"}, folder, tasks=tasks, datasets=datasets, pivot={}).study
    assert f"data set chest ({study.task('sex').dataset}) of sex, age" in study.overview()


def test_data_set_that_no_task_uses_is_named(folder: Path):
    chest = {"creator": "csv", "path": "t.csv"}
    tasks = {"sex": {"dataset": "chest", "label": "sex"}}
    (line,) = hints(folder, tasks, chest=chest, other={"creator": "csv", "path": "gone.csv"})
    assert mentions(line, "no task uses other of datasets")


def described(name: str, dataset: str, images: str) -> TaskDescription:
    return TaskDescription({"name": name, "dataset": dataset}, {"digest": list(images)})


def test_data_sets_with_the_same_images_are_named_by_their_content():
    tasks = [
        described("a", "x", "12345"),
        described("b", "y", "3456"),
        described("c", "x", "12"),
        described("d", "z", "9"),
    ]
    (line,) = images_twice(tasks)
    assert all(word in line for word in ("a and b", "x and y", "3 images", "`datasets:`"))
    assert images_twice([described("a", "x", "123"), described("b", "x", "123")]) == []
    assert images_twice([described("a", "x", "1234"), described("b", "y", "1256")]) == []
