"""A full disk: a step that finds no space says so in one line, leaves nothing half-written, and goes on later."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.messages import mentions
from tests.support.workplaces import TINY, Workplace

STUDY = TINY | {
    "mode": {"preset": "train", "cv": False, "subroutines": ["train", "predict", "test"]},
    "trainer": {"max_epochs": 3, "accelerator": "cpu"},
    "paths": {"results": "small/results", "data": "data"},
}
SOME = [f"results/tiny/{kind}" for kind in ("PARAMETERS", "PREDICTIONS", "HISTORY", "PIPELINES", "METRICS")]


@pytest.fixture
def small(workplace: Workplace) -> Iterator[Path]:
    """A file system of its own for the results, whose size can be changed."""
    folder = workplace.folder / "small"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "none", folder]).returncode:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def resize(folder: Path, kilobytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", folder], check=True)


def made(folder: Path) -> dict[str, bytes]:
    paths = [path for part in SOME for path in (folder / part).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.long
def test_a_study_that_fills_the_disk_goes_on_where_there_is_space(workplace: Workplace, small: Path):
    workplace.write(STUDY)
    workplace.run()
    undisturbed = made(small)
    assert any(path.endswith(".npz") for path in undisturbed)
    shutil.rmtree(small / "results")

    for kilobytes in (200, 1500):  # the first checkpoint does not fit, the second one
        resize(small, kilobytes)
        output = workplace.run(fails=True)
        errors = [line for line in output.splitlines() if line.startswith("error in ")]
        assert len(errors) == 1, output
        assert mentions(errors[0], "error in train_fold: the disk is full; make space")
        assert "small/results/tiny/LOGS/train_fold/" in errors[0]
        assert "Traceback" not in output
        assert not [path for path in small.rglob("*") if ".part" in path.name]
        assert not list(small.glob("results/tiny/PARAMETERS/*/*"))

    resize(small, 200_000)
    workplace.run("--until", "predict_fold")
    shutil.rmtree(small / "results/tiny/PREDICTIONS")
    used = small / "in_the_way"
    with open(used, "wb") as file:
        file.write(bytes(os.statvfs(small).f_bavail * os.statvfs(small).f_frsize))
    output = workplace.run(fails=True)
    assert "the disk is full" in output or "cannot be written (No space left on device)" in output
    assert "Traceback" not in output
    assert not list(small.glob("results/tiny/PREDICTIONS/*/*/*.npz"))

    used.unlink()
    workplace.run()
    assert made(small) == undisturbed


@pytest.mark.long
def test_names_with_signs_of_the_shell_reach_no_shell(workplace: Workplace):
    name = """a $(touch trace1) `touch trace2`; touch trace3 & "q" 's' * ~ | #"""
    workplace.write(STUDY | {"paths": {"results": f"{name}/results", "data": f"{name}/data"}})
    workplace.run()
    assert (workplace.folder / name / "results/tiny/RESULTS/train.csv").exists()
    assert not list(workplace.folder.rglob("trace*"))
