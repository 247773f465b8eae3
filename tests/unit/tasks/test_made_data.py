"""Data that another rule makes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from mml_lib.config.task_options import SharedDataSet, Task
from mml_lib.errors import MMLError
from mml_lib.tasks.made_data import check_made_data, read_first_state, record_made_data
from mml_lib.tasks.sharing.dataset_identity import DatasetIdentity
from mml_lib.tasks.task_identity import TaskIdentity

MADE = {"creator": "csv", "path": "made/table.csv", "made_by_rule": True}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(labels: str = "abab") -> None:
    """Write the table and its images, as the rule does."""
    Path("made").mkdir(exist_ok=True)
    rows = ["image,label"]
    for number, label in enumerate(labels):
        Image.fromarray(np.full((4, 4), 9 * number, np.uint8)).save(f"made/{number}.png")
        rows.append(f"{number}.png,{label}")
    Path("made/table.csv").write_text("\n".join(rows) + "\n")


def identity() -> TaskIdentity:
    """Identify the task, as a study does."""
    return TaskIdentity.of("made", Task(**MADE), lambda dataset: read_first_state(Path(dataset)))


def create() -> TaskIdentity:
    """Take the step that creates the data set."""
    task = identity()
    folder = Path(task.dataset)
    check_made_data({"creator": "csv", **task.source}, folder)
    folder.mkdir(exist_ok=True)
    record_made_data({"creator": "csv", **task.source}, folder)
    return task


def test_task_is_the_same_before_and_after_its_data_are_made():
    before = identity()
    make()
    assert create() == before == identity()


def test_other_data_are_another_data_set_and_the_first_ones_stay():
    make()
    first = create()
    make("bbaa")
    second = create()
    assert second.dataset != first.dataset
    assert second.id != first.id
    make()
    assert identity() == first


def test_step_refuses_data_that_changed_after_planning():
    make()
    first = create()
    make("bbaa")
    second = identity()
    with pytest.raises(MMLError, match=r"made/table\.csv changed .* run the same command again"):
        check_made_data(first.source, Path(first.dataset))
    check_made_data(second.source, Path(second.dataset))
    make("aabb")
    with pytest.raises(MMLError, match=r"made/table\.csv changed"):
        check_made_data(second.source, Path(second.dataset))


def test_same_path_in_another_folder_is_another_data_set(folder: Path, monkeypatch: pytest.MonkeyPatch):
    here = identity()
    (folder / "other").mkdir()
    monkeypatch.chdir(folder / "other")
    assert identity().dataset != here.dataset


def test_unreadable_data_are_left_to_the_step():
    make()
    first = create()
    Path("made/table.csv").write_text("image,label\nmissing.png,a\n")
    assert identity() == first


@pytest.mark.parametrize("change", [{"creator": "digits", "path": None}, {"creator": "fake", "path": None}])
def test_creators_without_paths_are_refused(change: dict):
    task = Task(**{key: value for key, value in (MADE | change).items() if value is not None})
    with pytest.raises(MMLError, match="made_by_rule"):
        TaskIdentity.of("made", task)


def test_data_have_one_origin():
    download = {"url": "https://example.org/a.zip", "sha256": "ab" * 31 + "cd"}
    with pytest.raises(ValidationError, match="both define the origin"):
        Task(**MADE, downloads=[download])


def test_columns_and_splits_are_known_by_the_study():
    task = TaskIdentity.of("made", Task(**MADE, metadata=["site"], splits=["train", "test"]))
    assert task.has_test


def shared_task() -> TaskIdentity:
    """Identify a task on a data set of these data, as a study does."""
    dataset = DatasetIdentity.of("d", SharedDataSet(**MADE), lambda folder: read_first_state(Path(folder)))
    return TaskIdentity.of("made", Task(**MADE, columns={"label": "label"}), dataset=dataset)


def test_other_labels_of_made_data_are_another_data_set_for_tasks_that_share_it():
    before = shared_task()
    make()
    folder = Path(before.dataset)
    folder.mkdir()
    check_made_data(before.source, folder)
    record_made_data(before.source, folder)
    assert shared_task() == before
    make("bbaa")
    with pytest.raises(MMLError, match=r"made/table\.csv changed"):
        check_made_data(before.source, folder)
    assert shared_task().dataset != before.dataset
