"""Folders of the user's data: those that MML writes to lie elsewhere."""

from pathlib import Path

import pytest

from mml_lib.config.task_options import Task
from mml_lib.errors import MMLError
from mml_lib.studies.checks.data_folders import check_data_folders
from tests.support.messages import mentions


def written(root: Path) -> dict[str, Path]:
    return {"paths.data": root / "study/data", "paths.results": root / "results"}


@pytest.mark.parametrize("creator", ["image_folder", "labelme", "path_pattern"])
@pytest.mark.parametrize(("path", "key"), [("study", "paths.data"), (".", "paths.data"), ("results", "paths.results")])
def test_folder_that_mml_writes_to_is_no_folder_of_images(tmp_path: Path, creator: str, path: str, key: str):
    task = Task(creator=creator, path=str(tmp_path / path))
    with pytest.raises(MMLError) as error:
        check_data_folders("tasks", {"t": task}, written(tmp_path))
    assert mentions(str(error.value), "tasks.t.path", key)


def test_other_folders_and_lists_of_files_are_accepted(tmp_path: Path):
    tasks = {
        "images": Task(creator="image_folder", path=str(tmp_path / "study/images")),
        "raw": Task(creator="labelme", path=str(tmp_path / "study/data/delivered")),
        "table": Task(creator="csv", path=str(tmp_path)),
        "fake": Task(creator="fake"),
    }
    check_data_folders("tasks", tasks, written(tmp_path))
