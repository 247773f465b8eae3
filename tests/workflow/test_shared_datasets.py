"""One data set, many tasks: unpacked, read and packed once, learned alone and together, and cleaned up."""

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.workplaces import TINY, Workplace

CREATED = {"create_task": 1, "finish_exp": 1}


def write_data(folder: Path, count: int = 48) -> None:
    """Write images with a bright square, its mask, its grade by its brightness, and its width."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(count):
        width, is_bright = 4 + number % 5, number // 2 % 2
        image = generator.integers(0, 60, (24, 24)).astype(np.uint8)
        mask = np.zeros((24, 24), np.uint8)
        mask[6 : 6 + width, 8 : 8 + width] = 1
        image[mask == 1] = 240 if is_bright else 120
        Image.fromarray(image).save(folder / f"{number}.png")
        Image.fromarray(mask).save(folder / f"m{number}.png")
        rows.append({"image": f"{number}.png", "mask": f"m{number}.png", "grade": "ab"[is_bright], "width": width})
    write_table(folder, rows)


def write_table(folder: Path, rows: list[dict[str, Any]]) -> None:
    with open(folder / "table.csv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_table(folder: Path) -> list[dict[str, Any]]:
    with open(folder / "table.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def study(tasks: dict[str, Any] | None = None, dataset: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    learned = {"lesion": {}, "grade": {"label": "grade"}, "width": {"value": "width"}} | (tasks or {})
    return (
        TINY
        | {
            "datasets": {"squares": {"creator": "csv", "path": "table.csv"} | (dataset or {})},
            "tasks": {name: {"dataset": "squares", "folds": 2} | task for name, task in learned.items()},
            "loss": "default",
            "metrics": "default",
            "decoder": "unet_small",
        }
        | more
    )


def description(place: Workplace, task: str) -> dict[str, Any]:
    (file,) = place.files(f"data/TASKS/{task}/*.json")
    return json.loads(file.read_text())


def test_images_are_read_and_packed_once_for_all_tasks(workplace: Workplace):
    write_data(workplace.folder)
    workplace.write(study())
    planned = workplace.planned("pp")
    steps = ("create_dataset", "preprocess_shard", "preprocess_task", "create_task")
    assert [planned[step] for step in steps] == [1, 1, 1, 3]
    workplace.run("pp")
    assert len(workplace.files("data/RAW/*")) == len(workplace.files("data/PREPROCESSED/*/*")) == 1
    lesion, grade, width = (description(workplace, task) for task in ("lesion", "grade", "width"))
    assert lesion["samples"]["pixels"] == [[576 - w**2, w**2] for w in (4 + n % 5 for n in range(48))]
    assert grade["samples"]["label"] == [n // 2 % 2 for n in range(48)]
    assert width["samples"]["label"] == [4.0 + n % 5 for n in range(48)]
    assert lesion["samples"]["digest"] == grade["samples"]["digest"]

    rows = read_table(workplace.folder)
    write_table(workplace.folder, [row | {"new": "xy"[n % 2]} for n, row in enumerate(rows)])
    workplace.write(study({"new": {"label": "new", "filter": "grade == 'a'"}}))
    assert workplace.planned("pp") == CREATED, "a further column and task pack nothing"
    workplace.write(study({"grade": {"label": "grade", "folds": 3, "seed": 2}}))
    assert workplace.planned("pp") == CREATED, "other folds pack nothing"

    workplace.write(study())
    write_table(workplace.folder, [rows[0] | {"grade": "b"}, *rows[1:]])
    assert workplace.planned("pp") == CREATED, "the task of the corrected label is made anew"
    write_table(workplace.folder, rows[:-1])
    planned = workplace.planned("pp")
    assert [planned[step] for step in steps] == [1, 1, 1, 3], "an image has vanished"


@pytest.mark.long
def test_masks_labels_and_values_are_learned_together(workplace: Workplace):
    write_data(workplace.folder)
    mode = {"preset": "train", "multitask": True, "co_tasks": ["lesion", "width"], "cv": False}
    workplace.write(study(dataset={"folds": 2, "test_fraction": 0.25}, mode=mode, pivot={"name": "grade"}))
    output = workplace.run()
    assert "not learned" not in output, "tasks with one division lose no image"
    places = [description(workplace, task)["samples"] for task in ("lesion", "grade", "width")]
    assert all((task["split"], task["fold"]) == (places[0]["split"], places[0]["fold"]) for task in places)
    assert len(workplace.files("data/PREPROCESSED/*/*")) == 1
    with open(workplace.folder / "results/tiny/RESULTS/train.csv") as stream:
        assert {row["task"] for row in csv.DictReader(stream)} == {"grade"}
    (pipeline,) = workplace.files("results/tiny/PIPELINES/grade/*.yaml")
    assert "targets:" in pipeline.read_text()


@pytest.mark.long
def test_images_that_another_task_declares_again_are_compared_by_their_content(workplace: Workplace):
    write_data(workplace.folder)
    own = {"creator": "csv", "path": "table.csv", "columns": {"label": "grade"}, "folds": 2, "seed": 5}
    mode = {"preset": "train", "eval_on": ["again"]}
    shared = study(mode=mode, pivot={"name": "grade"})
    workplace.write(shared | {"tasks": {"grade": shared["tasks"]["grade"], "again": own}})
    output = workplace.run(fails=True)
    assert output.count("48 images in common") == 1
    assert "test images of again are training images of grade" in output
    assert "pack images of" in output, "the plan recommends one data set"
    assert not workplace.files("results/tiny/MODELS/*/*"), "nothing was trained"


@pytest.mark.long
def test_downloads_are_fetched_and_unpacked_once_and_cleaned_when_no_study_names_them(workplace: Workplace):
    source = workplace.folder / "source"
    source.mkdir()
    write_data(source)
    archive = workplace.folder / "squares.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for file in source.iterdir():
            content.write(file, f"squares/{file.name}")
    download = {"url": archive.as_uri(), "trust": "first_use"}
    data = {"path": "squares/table.csv", "downloads": [download], "mask": "mask"}
    tasks = {"lesion": {"task_type": "semantic_segmentation"}, "width": {"value": "width", "task_type": "regression"}}
    workplace.write(study(tasks, data))
    workplace.run("pp")
    assert len(workplace.files("data/RAW/*")) == len(workplace.files("data/DOWNLOADS/*/*.zip")) == 1
    assert description(workplace, "grade")["samples"]["label"] == [n // 2 % 2 for n in range(48)]
    assert workplace.planned("pp") == {}
    output = workplace.run("clean")
    assert "data set of no study" not in output
    assert "task of no study" not in output
    workplace.write(study(tasks | {"grade": {"label": "grade", "seed": 3}}, data))
    assert workplace.planned("pp") == CREATED
    write_data(workplace.folder, 12)
    workplace.write(study(project="other"))
    output = workplace.run("clean", "--config", "clean={projects: [tiny], studies: []}")
    assert "data set of no study" in output


@pytest.mark.parametrize(
    ("tasks", "dataset", "words"),
    [
        ({"grade": {"label": "grad"}}, {}, ["tasks.grade", "grad", "grade"]),
        ({"grade": {"label": "grade", "path": "t.csv"}}, {}, ["tasks.grade.path", "datasets.squares", "study.yaml"]),
        ({}, {"metadata": ["grade"]}, ["datasets.squares.metadata", "study.yaml"]),
        ({}, {"folds": 1}, ["datasets.squares.folds", "study.yaml"]),
        ({}, {"image": "imag"}, ["datasets.squares", "imag", "image"]),
        ({"grade": {"dataset": "sqares", "label": "grade"}}, {}, ["tasks.grade.dataset", "did you mean 'squares'"]),
    ],
)
def test_mistakes_are_one_line_before_anything_runs(
    workplace: Workplace, tasks: dict[str, Any], dataset: dict[str, Any], words: list[str]
):
    write_data(workplace.folder, 4)
    workplace.write(study(tasks, dataset))
    output = workplace.run("-n", "pp", fails=True)
    (line,) = [line for line in output.splitlines() if "tasks." in line or "datasets." in line]
    assert all(word in line for word in words), line
