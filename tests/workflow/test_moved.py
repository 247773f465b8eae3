"""Projects and data that were moved to another place go on there."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.workplaces import TINY, Workplace

DOTS = {"creator": "fake", "num_samples": 32, "num_classes": 2, "size": 24, "folds": 2, "image_seed": 5}
TRANSFER: dict[str, Any] = {
    "project": "transfer",
    "tasks": {"dots": DOTS},
    "mode": {"preset": "tl", "pretrain_task": "stripes", "cv": False, "subroutines": ["train"]},
    "reuse": {"models": "tiny"},
}


FAR = {"data": "far/images", "results": "far/projects"}


def at(root: str) -> dict[str, Any]:
    return {"paths": {"data": f"{root}/images", "results": f"{root}/projects"}}


def write_times(place: Workplace, pattern: str) -> dict[Path, int]:
    return {path.relative_to(place.folder): path.stat().st_mtime_ns for path in place.files(pattern)}


def test_no_file_of_a_project_or_of_data_names_its_place(finished: Workplace):
    files = [path for root in ("data", "results") for path in finished.files(f"{root}/**/*") if path.is_file()]
    naming = {path.relative_to(finished.folder) for path in files if bytes(finished.folder) in path.read_bytes()}
    assert len(files) > 50
    assert {path.parts[2] for path in naming} <= {"LOGS"}


def move(place: Workplace, *names: str) -> Workplace:
    """Move a study with these of its folders to another place, its data and results to other names there."""
    moved = Workplace(place.folder.parent / "moved")
    for name in names:
        target = moved.folder / FAR.get(name, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(place.folder / name, target)
    shutil.rmtree(place.folder)
    return moved


@pytest.mark.long
def test_a_study_that_was_moved_with_the_records_of_snakemake_has_nothing_to_do(copy: Workplace):
    moved = move(copy, "data", "results", ".snakemake")
    moved.write(TINY | at("far"))
    assert moved.planned() == {}


@pytest.mark.long
def test_a_study_that_was_moved_without_them_goes_on(copy: Workplace):
    copy.write(TINY | TRANSFER)
    copy.run()
    moved = move(copy, "data", "results")
    trained = write_times(moved, "far/projects/*/PARAMETERS/*/*.safetensors")
    assert len(trained) == 3

    for study in (TINY, TINY | TRANSFER):
        moved.write(study | at("far"))
        assert moved.planned() == {}
        moved.run()
    moved.write(TINY | at("far") | {"seed": 7, "preprocessing": {"size": 24}})
    moved.run()
    moved.write(TINY | TRANSFER | at("far") | {"seed": 7})
    moved.run()
    (moved.folder / "far/projects/tiny").rename(moved.folder / "far/projects/renamed")
    moved.write(TINY | TRANSFER | at("far") | {"reuse": {"models": "renamed"}, "seed": 8})
    moved.run()
    now = write_times(moved, "far/projects/*/PARAMETERS/*/*.safetensors")
    kept = {Path(str(path).replace("/tiny/", "/renamed/")): time for path, time in trained.items()}
    assert now.items() >= kept.items()
    assert len(now) == 3 + 2 + 1 + 1


@pytest.mark.long
@pytest.mark.parametrize("spelling", ["absolute", "symlink", "moved"])
def test_a_study_whose_data_root_is_written_in_another_way_has_nothing_to_do(copy: Workplace, spelling: str):
    data = {"absolute": copy.folder / "data", "symlink": Path("linked"), "moved": Path("far/images")}[spelling]
    if spelling == "symlink":
        (copy.folder / data).symlink_to("data")
    if spelling == "moved":
        (copy.folder / "far").mkdir()
        shutil.move(copy.folder / "data", copy.folder / data)
    there = TINY | {"paths": {"data": str(data)}}
    copy.write(there)
    assert copy.planned() == {}

    copy.write(there | {"tasks": {"stripes": TINY["tasks"]["stripes"] | {"folds": 3}}})
    assert copy.planned()["train_fold"] == 3
    copy.write(there)
    record = next(path for path in copy.files(".snakemake/metadata/*") if b'"rule":"train_fold"' in squeezed(path))
    text = record.read_text()
    task = next((copy.folder / data).glob("TASKS/stripes/*.json")).stem
    assert task in text
    record.write_text(text.replace(task, "0123abcd"))
    assert copy.planned("--config", "retrain=true")["train_fold"] == 1


def squeezed(path: Path) -> bytes:
    return path.read_bytes().replace(b" ", b"")
