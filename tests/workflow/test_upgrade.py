"""Modes upgrade and downgrade of a study that a former MML has run."""

import os
from pathlib import Path

import pytest

from tests.support.workplaces import TINY, Workplace, kill, wait_for


def make_former(place: Workplace) -> dict[Path, bytes]:
    """Give pipelines and packed images their former formats, times kept; return what these files are."""
    former = {}
    for path in place.files("results/tiny/PIPELINES/*/*.yaml"):
        stat = path.stat()
        former[path] = path.read_bytes().split(b"\n", 2)[2]
        path.write_bytes(former[path])
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for path in place.files("data/PREPROCESSED/*/*/format.json"):
        stat = path.parent.stat()
        path.unlink()
        os.utime(path.parent, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for path in [*place.folder.glob("results/**/.*.yaml.sha256"), *place.folder.glob("data/PREPROCESSED/*/.*.sha256")]:
        path.unlink()
    return former


@pytest.mark.long
def test_an_upgrade_makes_nothing_again_and_is_undone(copy: Workplace):
    former = make_former(copy)
    assert len(former) == 1
    said = copy.run("upgrade", "-n")
    assert "pipeline, format 1, is rewritten in format 2:" in said
    assert "packed, format 1, is rewritten in format 2:" in said
    said = copy.run("upgrade")
    assert "rewrote 2 files in the present formats" in said
    assert all(path.read_bytes().startswith(b"format: 2\n") for path in former)
    assert copy.planned("train") == {}
    assert "all files have the present formats" in copy.run("upgrade", "-n")
    assert "laid back 2 files" in copy.run("downgrade")
    assert {path: path.read_bytes() for path in former} == former
    assert not copy.files("data/PREPROCESSED/*/*/format.json")
    assert copy.planned("train") == {}


@pytest.mark.long
def test_a_project_in_use_is_not_upgraded(copy: Workplace):
    make_former(copy)
    copy.write(TINY | {"trainer": {"max_epochs": 500, "accelerator": "cpu"}, "seed": 7})
    running = copy.start()
    wait_for(
        lambda: "pid" in (copy.folder / "results/tiny/.lock").read_text() and copy.files("results/tiny/CHECKPOINTS")
    )
    try:
        said = copy.run("upgrade", fails=True)
    finally:
        kill(running)
    assert "is in use: Snakemake process" in said
    assert not copy.files("results/tiny/BACKUPS/*")


def test_a_mode_that_rewrites_goes_with_no_other(workplace: Workplace):
    assert "mode upgrade goes with no other" in workplace.run("upgrade", "train", fails=True)
